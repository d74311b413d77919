"""The table of methods: the runs it is made of, and how each is measured.

    start     the model that all runs of a ledger begin with: OUT/NAME/trials.jsonl
    arm       "paper": the paper's learning rate and hyperparameters for BERT-base; of methods whose papers give none
              for it, the method's defaults and one learning rate;
              "chosen": the best of :data:`SETTINGS` on STS-B's development split, the same four for every method

Every run trains :data:`STEPS` steps of :data:`BATCH_SIZE` sentences, and its last step is judged. The sentences are the
first :data:`SENTENCES` of the corpus in the order of a hash, the same for all methods.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import ModelError, UsageError
from contrapose.experiment.measuring import UNTRAINED, Setting, run_of, trial_result
from contrapose.experiment.trials import Trial, TrialResult
from studies.docstring_questions import DocstringQuestions
from studies.methods_settings import OF_PAIRS, paper_options, setting_of
from studies.runs import METHODS, written

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder
    from contrapose.ledger import Entry
    from contrapose.listening import Listener

SENTENCES, STEPS, BATCH_SIZE = 20_000, 120, 64
#: (learning rate, temperature): what "chosen" is chosen from, the same effort for every method.
SETTINGS: tuple[tuple[float, float], ...] = tuple(product((3e-5, 1e-4), (0.05, 0.1)))
PAPER, CHOSEN = "paper", "chosen"
#: Seeds of each method; the five of :data:`studies.runs.METHODS` get more.
SEEDS, SEEDS_OF_FIVE = 3, 5
#: What a row keeps of a run's summary.
KEPT = ("steps", "skipped_steps", "precision", "rows", "view_cosine")
WITHOUT_TRANSFER, ALL_TASKS = ("sts", "geometry"), ("sts", "geometry", "transfer")


@dataclass(frozen=True, kw_only=True)
class Start:
    """One ledger of the table. name: of its folder and in the page; model: what runs begin with.

    seeds, seeds_of_five: runs of every method, and of the five that this project began with; chosen: whether the
    hyperparameters are chosen as well; steps, batch_size, sentences: of every run.
    """

    name: str
    model: str
    corpus: str
    senteval: str
    out: Path
    seeds: int = SEEDS
    seeds_of_five: int = SEEDS_OF_FIVE
    chosen: bool = True
    steps: int = STEPS
    batch_size: int = BATCH_SIZE
    sentences: int = SENTENCES

    @property
    def folder(self) -> Path:
        return self.out / self.name

    def setting(self, tasks: Sequence[str]) -> Setting:
        return Setting(
            corpus=(str(self._sentences),),
            model=self.model,
            tasks=tuple(tasks),
            data=(self.senteval,),
            split="test",
        )

    def planned(self) -> list[Trial]:
        """All that needs no choice, the most telling first: one seed of every method, then the five, then the rest."""
        first = [self.run(method, PAPER, 0) for method in methods()]
        five = [self.run(method, PAPER, seed) for seed in range(1, self.seeds) for method in METHODS]
        more = [
            self.run(method, PAPER, seed)
            for seed in range(1, self.seeds)
            for method in methods()
            if method not in METHODS and self.seeds_of(method) > seed
        ]
        last = [
            self.run(method, PAPER, seed)
            for seed in range(self.seeds, self.seeds_of_five)
            for method in METHODS
        ]
        return [self.setting(ALL_TASKS).start(), *first, *five, *more, *self.choices(), *last]

    def choices(self) -> list[Trial]:
        """One seed of every setting, judged on the development split alone. A setting that is the paper's own is a run
        of that arm, and not planned twice; DiffCSE's and PromptBERT's own learning rates are none of the settings."""
        return [trial for method in methods() for trial in self._choices_of(method)] if self.chosen else []

    def chosen_runs(self, entries: Mapping[str, Entry]) -> list[Trial]:
        """The runs of the settings that were chosen, for all methods whose settings are all measured."""
        return [
            self.run(method, CHOSEN, seed, **best)
            for method in methods()
            if self.chosen and (best := self.choice(method, entries)) is not None
            for seed in range(self.seeds)
        ]

    def choice(self, method: str, entries: Mapping[str, Entry]) -> dict[str, float] | None:
        """What of :meth:`best` is not the paper's own."""
        best = self.best(method, entries)
        return None if best is None else _changed(method, best)

    def best(self, method: str, entries: Mapping[str, Entry]) -> tuple[float, float] | None:
        """The setting with the highest development score; None where one is not measured yet, or none has a score."""
        runs = [self._judged_on_dev(method, setting) for setting in SETTINGS]
        if not all(trial.key in entries for trial in runs):
            return None
        scores = [entries[trial.key].body["facts"].get("dev") for trial in runs]
        known = {setting: dev for setting, dev in zip(SETTINGS, scores, strict=True) if dev is not None}
        return max(known, key=lambda setting: known[setting]) if known else None

    def seeds_of(self, method: str) -> int:
        return self.seeds_of_five if method in METHODS else self.seeds

    def run(self, method: str, arm: str, seed: int, **setting: float) -> Trial:
        """Seed 0 is judged on the transfer tasks too, which cost more than the training."""
        options = {**paper_options(method), **setting, "seed": seed}
        tasks = ALL_TASKS if seed == 0 else WITHOUT_TRANSFER
        return self.setting(tasks).trial(
            {"method": method, "arm": arm, "seed": seed}, {**self._fixed, **options}
        )

    def measure(self, trial: Trial, folder: Path, listener: Listener | None = None) -> TrialResult:
        """Train as the trial says, and judge it. A method that the start cannot serve is recorded with the reason."""
        from contrapose.encoder.encoder import Encoder

        setting = self.setting(trial.options["tasks"])
        if trial.options["method"] == UNTRAINED:
            return self._judged(Encoder.load(self.model), setting, {}, listener)
        try:
            run = run_of(setting, trial, folder, listener)
        except (UsageError, ModelError) as error:
            return TrialResult(facts={"refused": str(error)})
        loss = [row["loss"] for row in run.metrics if "loss" in row]
        facts = {**{name: run.summary[name] for name in KEPT}, "loss": [loss[0], loss[-1]] if loss else []}
        return self._judged(run.encoder, setting, facts, listener)

    def _judged(
        self, encoder: Encoder, setting: Setting, facts: Mapping[str, Any], listener: Listener | None
    ) -> TrialResult:
        """The tasks of the setting on their test split, and STS-B's development split, which chooses."""
        from contrapose.evaluate.suite import evaluate
        from contrapose.train.environment import pick_precision

        precision = "bf16" if pick_precision("auto", encoder.device) else "fp32"
        dev = evaluate(encoder, ["STS-B"], self.senteval, split="dev", precision=precision)
        noted = {**facts, "dev": round(dev.value("STS-B"), 4)}
        if not setting.tasks:
            return TrialResult(facts=noted)
        evaluation = evaluate(
            encoder,
            setting.tasks,
            self.senteval,
            transfer_protocol="senteval-transfer-fast",
            precision=precision,
            own=[docstring_questions()],
            progress=listener,
        )
        return trial_result(evaluation, noted)

    def _choices_of(self, method: str) -> Iterator[Trial]:
        for setting in SETTINGS:
            trial = self._judged_on_dev(method, setting)
            if trial.options["tasks"] == []:
                yield trial

    def _judged_on_dev(self, method: str, setting: tuple[float, float]) -> Trial:
        """The run that says how good a setting is: the paper's own arm where it is that setting."""
        own = _changed(method, setting)
        if not own:
            return self.run(method, PAPER, 0)
        factors = {"method": method, "arm": "setting", "seed": 0, **own}
        return self.setting(()).trial(factors, {**self._fixed, **paper_options(method), **own, "seed": 0})

    @property
    def _fixed(self) -> dict[str, Any]:
        length = {"steps": self.steps, "batch_size": self.batch_size, "max_length": 32}
        return {**length, "criterion": "none", "held_out_rows": 0}

    @cached_property
    def _sentences(self) -> Path:
        """The sentences of all runs, written once."""
        content = "\n".join(first_sentences(self.corpus)[: self.sentences]) + "\n"
        return written(self.out / "sentences.txt", content)


def methods() -> tuple[str, ...]:
    """Every method of the catalogue that learns from sentences, the five first."""
    from contrapose.objectives.catalogue import all_methods

    return (*METHODS, *(name for name in all_methods() if name not in (*METHODS, *OF_PAIRS)))


def _changed(method: str, setting: tuple[float, float]) -> dict[str, float]:
    """What of a setting is not the paper's own: so that equal runs are one."""
    named = zip(("learning_rate", "temperature"), setting, setting_of(paper_options(method)), strict=True)
    return {name: value for name, value, own in named if value != own}


@cache
def first_sentences(corpus: str) -> tuple[str, ...]:
    """All sentences in the order of a hash, so that the order of the file says nothing."""
    import tempfile

    from contrapose.data.corpus import build_corpus

    with tempfile.TemporaryDirectory(prefix="contrapose-") as folder:
        built = build_corpus([corpus], Path(folder) / "corpus")
        (texts,) = built.take(range(len(built))).values()
    return tuple(sorted(texts, key=lambda text: hashlib.blake2b(text.encode(), digest_size=16).digest()))


@cache
def docstring_questions() -> DocstringQuestions:
    """The questions of the demo, about docstrings of Python's standard library."""
    return DocstringQuestions.of_standard_library()

"""``contrapose continue``: a model learns new text, by PNR and plainly; what did it learn, and what did it forget?

    MODEL -> corpus 1 -> corpus 2 ...      a run each, which begins with the model that the run before it made

Every model is judged on rows of the earlier text and of each new text that no run was trained on, without labels;
and on labelled tasks, where data are given. Each run stays in the folder; what is done is not repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from contrapose.errors import UsageError
from contrapose.experiment.checking import check_methods, check_model, check_setting, options_for
from contrapose.experiment.comparison_table import ComparisonTable, by_method, comparison_table
from contrapose.experiment.continuing_words import main_table, per_text
from contrapose.experiment.experiment import Experiment
from contrapose.experiment.held_out_texts import (
    FOUND,
    GAIN,
    READING,
    HeldOutText,
    held_out_text,
    label_free_values,
)
from contrapose.experiment.measuring import KEPT, UNTRAINED, Setting, run_in, trial_result
from contrapose.experiment.results import Results, facts_of
from contrapose.experiment.trials import Trial, TrialListener, TrialResult
from contrapose.ledger import Entry, Ledger
from contrapose.paths import expanded
from contrapose.selection.continued import TextVerdict, continuation_in_words

#: The method that remembers, and the one that it is compared with.
PNR, PLAIN = "pnr", "simcse"
#: A run is judged afterwards and by all alike: it hands out its last step, as it was trained.
_AS_TRAINED: Mapping[str, Any] = {"criterion": "none", "blend": 1.0, "held_out_rows": 0}


@dataclass(frozen=True, kw_only=True)
class Continuation(Experiment):
    """corpora: one new kind of text each, learnt one after the other; earlier: what the model was trained on."""

    kind = "continue"
    setting: Setting
    corpora: tuple[str, ...]
    earlier: tuple[str, ...]
    seeds: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the earlier text, then of each new one: the names of their files, with the folder's where two are equal,
        and with a number where these are equal too."""
        paths = [expanded(name).absolute() for name in (self.earlier[0], *self.corpora)]
        short = [path.name.split(".")[0] or path.name for path in paths]
        longer = [f"{path.parent.name}/{name}" for path, name in zip(paths, short, strict=True)]
        first, *new = [
            long if short.count(name) > 1 else name for name, long in zip(short, longer, strict=True)
        ]
        numbered = [f"{name} ({n})" if new.count(name) > 1 else name for n, name in enumerate(new, 1)]
        return (f"{first} (earlier)", *numbered)

    def identity(self) -> dict[str, Any]:
        from contrapose.data.sources import sources_fingerprint

        fingerprints = [sources_fingerprint([corpus]) for corpus in self.corpora]
        return {
            **self.setting.identity,
            "corpora": fingerprints,
            "earlier": sources_fingerprint(self.earlier),
            "options": dict(self.options),
        }

    def check(self) -> list[str]:
        from contrapose.data.sources import find_sources

        if "-" in self.earlier:
            raise UsageError(
                "--earlier: the text is read again when the work goes on: give files, not standard input"
            )
        notes = check_methods(self.setting, [PNR, PLAIN], self.options)
        check_setting(self.setting)
        find_sources(self.earlier)
        check_model(self.setting)
        return [f"note: {note}" for note in notes]

    def trials(self) -> list[Trial]:
        identity = self.identity()
        return [
            Trial(factors={"method": UNTRAINED}, options={**identity, "method": UNTRAINED}),
            *(
                Trial(
                    factors={"method": method, "seed": seed},
                    options={**identity, "method": method, "seed": seed},
                )
                for seed in range(self.seeds)
                for method in (PNR, PLAIN)
            ),
        ]

    def measure(self, trial: Trial, folder: Path, listener: TrialListener) -> TrialResult:
        """Train through all corpora, unless the trial is the model as it was, and judge what came out."""
        from contrapose.encoder.encoder import Encoder
        from contrapose.evaluate.suite import evaluate
        from contrapose.train.environment import pick_precision

        home = folder.parents[1]
        texts = self.texts(home, listener)
        before = Encoder.load(self.setting.model)
        now, facts = before, dict[str, Any]()
        if trial.factors["method"] != UNTRAINED:
            now, facts = self._trained(trial, texts[1:], home, listener)
        precision = self.setting.precision or ("bf16" if pick_precision("auto", now.device) else "fp32")
        result = TrialResult(facts=facts)
        if self.setting.data:
            split = self.setting.split
            evaluation = evaluate(
                now, self.setting.tasks, self.setting.data, split=split, precision=precision
            )
            result = trial_result(evaluation, facts)
        values: dict[str, Any] = {}
        evidence, verdicts = dict(result.evidence), {}
        for text in texts:
            criterion = text.criterion(listener)
            criterion.begin(before, precision)
            added, scores = label_free_values(text, criterion, now, precision)
            values, evidence = {**values, **added}, {**evidence, **scores}
            judgement = criterion.judge(now, precision)
            verdicts[text.name] = TextVerdict.of(judgement).to_json()
        facts = {**result.facts, "verdicts": verdicts}
        return TrialResult(values={**values, **result.values}, facts=facts, evidence=evidence)

    def texts(self, home: Path, listener: TrialListener) -> list[HeldOutText]:
        """The earlier text, then the new ones."""
        if self.options.get("in_place"):
            raise UsageError(
                "--in-place: texts that are continued on are split and written anew; leave it out"
            )
        reading = {name: value for name, value in self.options.items() if name in READING}
        sources = (self.earlier, *((corpus,) for corpus in self.corpora))
        return [
            held_out_text(
                name, files, home / "text" / str(number), reading, listener, is_trained_on=number > 0
            )
            for number, (name, files) in enumerate(zip(self.names, sources, strict=True))
        ]

    def _trained(
        self, trial: Trial, texts: Sequence[HeldOutText], home: Path, listener: TrialListener
    ) -> tuple[Any, dict[str, Any]]:
        """The encoder after the last text, and what its runs say of themselves."""
        method, model = str(trial.factors["method"]), self.setting.model
        own = {name: v for name, v in options_for(method, self.options).items() if name not in READING}
        options = {**_AS_TRAINED, **own, "method": method, "seed": trial.factors["seed"]}
        kept = []
        for number, text in enumerate(texts, start=1):
            setting = replace(self.setting, corpus=(str(text.training),), model=model)
            out = home / run_folder(number, method, trial.factors["seed"])
            run = run_in(setting, options, out, listener)
            model = str(run.model_folder)
            kept.append({name: run.summary[name] for name in KEPT})
        return run.encoder, {"runs": kept}

    def results(self, folder: Path, ledger: Ledger, entries: Sequence[Entry]) -> Results:
        groups = by_method(entries)
        ordered = {name: groups[name] for name in (UNTRAINED, PNR, PLAIN)}
        to_before = comparison_table(ledger, ordered, UNTRAINED)
        to_plain = comparison_table(ledger, {name: ordered[name] for name in (PLAIN, PNR)}, PLAIN)
        verdicts = {method: _verdicts(ordered[method]) for method in (PNR, PLAIN)}
        failed = [f"{row.name} diverged: {why}" for row in to_before.rows for why in row.failed]
        conclusions = continuation_in_words(
            earlier=self.names[0],
            new=self.names[1:],
            verdicts=verdicts,
            between={name: _in_words(to_plain, PNR, f"{name}: {GAIN}") for name in self.names},
            ranks={
                name: {each: _in_words(to_before, each, f"{name}: {FOUND}") for each in (PNR, PLAIN)}
                for name in self.names
            },
            seeds=self.seeds,
        )
        model = folder / run_folder(len(self.corpora), PNR, 0) / "model"
        return Results(
            folder=folder,
            title=f"{self.setting.model} goes on with {', '.join(self.names[1:])}",
            conclusions=conclusions,
            facts=facts_of(
                folder,
                self.corpora,
                self.options,
                f"earlier text: {', '.join(self.earlier)}; the model may have been trained on its held-out rows, so "
                "what counts there is the change",
                f"before: {self.setting.model}; {PNR} and {PLAIN} (plain training): the same rows, steps and seeds, "
                f"{self.seeds} of each, handed out as trained",
                f"the models: {folder / 'runs'}",
            ),
            tables=[main_table(to_before, to_plain)],
            warnings=failed,
            json={
                "experiment": self.kind,
                "folder": str(folder),
                "setting": self.identity(),
                "trials": len(entries),
                "model": str(model) if model.exists() else None,
                "texts": per_text(to_before, to_plain, self.names, verdicts),
                "verdicts": conclusions,
            },
        )


def run_folder(number: int, method: str, seed: int) -> str:
    """Where the run on new text ``number`` (from 1) lies in the experiment's folder."""
    return f"runs/{number}-{method}-seed-{seed}"


def _verdicts(entries: Sequence[Entry]) -> dict[str, list[TextVerdict]]:
    """Text -> the verdict of each seed that ended."""
    by_text: dict[str, list[TextVerdict]] = {}
    for entry in entries:
        for name, told in entry.body["facts"].get("verdicts", {}).items():
            by_text.setdefault(name, []).append(TextVerdict(**told))
    return by_text


def _in_words(table: ComparisonTable, method: str, column: str) -> str:
    """How a method differs from the table's baseline by one number."""
    difference = table.of(method).changes.get(column)
    return difference.words if difference else "no clear change"

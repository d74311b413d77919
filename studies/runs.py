"""How the trials of the studies are planned and measured; what has a row is never run again.

    OUT/NAME.jsonl             the ledger of study NAME
    OUT/corpora/KEY.txt        rows of a corpus, as the runs read them

Rows are put in the order of a hash of their text, so that a smaller corpus is a part of every larger one, whatever
order the file had. The first of the main corpus are the probe: how far a run moved the space is measured on them.

A row has the usual values of an evaluation, and these facts:

    gain     task -> difference to the pretrained model, with the interval of a paired bootstrap over its pairs
    moved    shift, cka, neighbours_kept on the probe, see contrapose.maths.movement
    curve    the rows of metrics.jsonl, as means over a dozen stretches of the run
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import TrainingDiverged, UsageError
from contrapose.experiment.measuring import UNTRAINED, Setting, run_of, trial_result
from contrapose.experiment.trials import Trial, TrialListener, TrialResult, Trials
from contrapose.ledger import Entry, Ledger

if TYPE_CHECKING:
    import numpy as np

    from contrapose.encoder.encoder import Encoder
    from contrapose.evaluate.suite import Evaluation
    from contrapose.listening import Listener

#: The tasks of the score of a run: the development split of STS-B and the trial set of SICK.
JUDGED = ("STS-B", "SICK-R")
#: Sentences that every encoder is compared on with the pretrained model; at most a fifth of a small corpus.
PROBE, PROBE_SHARE = 500, 5
#: Points of a recorded curve.
STRETCHES = 12
#: Columns of metrics.jsonl that are recorded.
WATCHED = (
    "loss", "alignment", "uniformity", "mean_cosine", "positive_cosine", "hardest_negative_cosine", "accuracy",
    "grad_norm", "share_near", "mixing_share", "share_over", "mixture_difficulty", "mixture_diversity",
)  # fmt: skip
#: What a row keeps of a run's summary.
KEPT = ("steps", "skipped_steps", "precision", "rows", "view_cosine", "collapse_alarm")
#: Every method with its own hyperparameters.
METHODS = ("simcse", "focal-infonce", "hncse-pm", "hncse-hnm", "hncse")


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A trial, and how it is measured: called with the trial, its folder, and who is told of the training."""

    trial: Trial
    measure: Callable[[Trial, Path, Listener | None], TrialResult]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a study is run with. corpora: the first is the main one, further ones are domains for ``scale``."""

    corpora: tuple[str, ...]
    data: tuple[str, ...]
    out: Path
    model: str = "minilm"
    steps: int = 60
    seeds: int = 2
    batch_size: int = 64
    learning_rate: float = 2e-5
    max_length: int = 32

    def check(self) -> None:
        """Raise :class:`UsageError` where a folder is missing or none holds the tasks that every run is judged on."""
        from contrapose.evaluate.found import sources_in

        if not self.corpora:
            raise UsageError("a study trains on sentences: give at least one file of them as CORPUS")
        sources = sources_in([Path(folder) for folder in self.data])
        with_dev = {source.task for source in sources if "dev" in source.splits}
        if missing := [task for task in JUDGED if task not in with_dev]:
            raise UsageError(
                f"no folder of --data ({', '.join(self.data) or 'none was given'}) holds the development split of "
                f"{' and '.join(missing)}, which every run is judged on: give SentEval's folder with --data"
            )

    @cached_property
    def probe(self) -> list[str]:
        """Sentences of the main corpus that no run trains on."""
        texts = self._ordered[self.corpora[0]]
        return texts[: min(PROBE, len(texts) // PROBE_SHARE)]

    def texts(self, corpus: str | None = None, rows: int | None = None) -> list[str]:
        """The rows to train on: the first ``rows`` of ``corpus`` (all; the main one), without the probe."""
        probe = set(self.probe)
        return [text for text in self._ordered[corpus or self.corpora[0]] if text not in probe][:rows]

    def setting(self, *, corpus: str | None = None, rows: int | None = None, **changes: Any) -> Setting:
        """Judged on the development split of STS, unless ``changes`` say otherwise."""
        given = {"tasks": ("sts",), "data": self.data, "split": "dev", "model": self.model, **changes}
        return Setting(corpus=(str(self._file(corpus, rows)),), **given)

    def runs(
        self,
        wanted: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]],
        *,
        elsewhere: Mapping[str, str] | None = None,
        **setting: Any,
    ) -> list[Planned]:
        """The pretrained model, and one run for each (factors, options); ``setting`` as :meth:`setting` takes it.

        elsewhere: tasks that have no split of the setting's kind -> the split that they are judged on.
        """
        shared = self.setting(**setting)
        measure = Measuring(shared, self.probe, elsewhere or {}).measure
        trials = [shared.start(), *(shared.trial(factors, self._options(**own)) for factors, own in wanted)]
        return [Planned(trial=trial, measure=measure) for trial in trials]

    def _options(self, method: str, seed: int = 0, **options: Any) -> dict[str, Any]:
        shared: dict[str, Any] = {
            "steps": self.steps,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "max_length": self.max_length,
            "criterion": "none",
            "held_out_rows": 0,
        }
        return {"method": method, "seed": seed, **shared, **options}

    @cached_property
    def _ordered(self) -> Mapping[str, list[str]]:
        return {corpus: _in_order_of_hash(corpus) for corpus in self.corpora}

    def _file(self, corpus: str | None, rows: int | None) -> Path:
        content = "\n".join(self.texts(corpus, rows)) + "\n"
        key = hashlib.sha256(content.encode()).hexdigest()[:16]
        return written(self.out / "corpora" / f"{key}.txt", content)


def written(path: Path, content: str) -> Path:
    """Write ``content`` unless it is there."""
    from contrapose.storage.durable import write_text
    from contrapose.storage.syscalls import reporting

    with reporting(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != content:
            write_text(path, content)
    return path


def _in_order_of_hash(corpus: str) -> list[str]:
    from contrapose.data.corpus import build_corpus

    with tempfile.TemporaryDirectory(prefix="contrapose-") as folder:
        built = build_corpus([corpus], Path(folder) / "corpus")
        if len(built.columns) > 1:
            raise UsageError(
                f"a study trains on sentences, and {corpus} has the columns {', '.join(built.columns)}: "
                "give a file with one text per row"
            )
        (texts,) = built.take(range(len(built))).values()
    return sorted(texts, key=lambda text: hashlib.blake2b(text.encode(), digest_size=16).digest())


def run_planned(
    name: str,
    planned: Sequence[Planned],
    out: Path,
    watcher: TrialListener | None = None,
    listener: Listener | None = None,
) -> list[Entry]:
    """Measure what is not measured yet; the study's rows. The same call goes on where an interrupted one ended.

    Where another study of the same folder holds a trial with equal options, its row is copied.
    """
    trials = Trials(out, experiment=name, name=f"{name}.jsonl")
    by_key = {each.trial.key: each for each in planned}
    of_others = {
        str(entry.body.get("key")): entry.body
        for path in sorted(out.glob("*.jsonl"))
        if path != trials.ledger.path
        for entry in Ledger(out, path.name).entries("trial")
    }
    mine = trials.rows()
    for key, each in by_key.items():
        if key in of_others and key not in mine:
            own = {"experiment": name, "factors": dict(each.trial.factors)}
            trials.ledger.append("trial", {**of_others[key], **own})
    return trials.run(
        [each.trial for each in planned],
        lambda trial, folder: by_key[trial.key].measure(trial, folder, listener),
        watcher,
    )


@dataclass(frozen=True)
class Measuring:
    """Measures encoders in one setting; what the pretrained model says is computed once."""

    setting: Setting
    probe: Sequence[str]
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def measure(self, trial: Trial, folder: Path, listener: Listener | None = None) -> TrialResult:
        """Train as the trial says, and judge. A run that diverges is recorded with the steps that led there."""
        pretrained, before_ND = self.pretrained
        if trial.options["method"] == UNTRAINED:
            return trial_result(pretrained, geometry(before_ND))
        try:
            run = run_of(self.setting, trial, folder, listener)
        except TrainingDiverged as error:
            return TrialResult(facts={"failed": str(error), "curve": curve(_metrics(folder))})
        evaluation, after_ND = self.judged(run.encoder)
        facts = {
            **{name: run.summary[name] for name in KEPT},
            "gain": gains(pretrained, evaluation),
            "moved": moved(before_ND, after_ND),
            **geometry(after_ND),
            "curve": curve(run.metrics),
        }
        return trial_result(evaluation, facts)

    @cached_property
    def pretrained(self) -> tuple[Evaluation, np.ndarray]:
        from contrapose.encoder.encoder import Encoder

        return self.judged(Encoder.load(self.setting.model))

    def judged(self, encoder: Encoder) -> tuple[Evaluation, np.ndarray]:
        """The tasks of the setting, each on its split, and the vectors of the probe."""
        from contrapose.evaluate.suite import evaluate
        from contrapose.train.environment import pick_precision

        fast = "bf16" if pick_precision("auto", encoder.device) else "fp32"
        by_split: dict[str, list[str]] = {}
        for task in self.setting.tasks:
            by_split.setdefault(self.elsewhere.get(task, self.setting.split), []).append(task)
        first, *others = [
            evaluate(
                encoder,
                tasks,
                self.setting.data or None,
                split=split,
                precision=self.setting.precision or fast,
            )
            for split, tasks in by_split.items()
        ]
        whole = replace(
            first,
            results=tuple(result for each in (first, *others) for result in each.results),
            problems=tuple(problem for each in (first, *others) for problem in each.problems),
        )
        return whole, encoder.encode(list(self.probe), normalize=True)


def moved(before_ND: np.ndarray, after_ND: np.ndarray) -> dict[str, float]:
    """How far the space of the probe moved."""
    import torch

    from contrapose.maths.movement import linear_cka, neighbours_kept, shift

    before, after = torch.from_numpy(before_ND.copy()), torch.from_numpy(after_ND.copy())
    measures = {"shift": shift, "cka": linear_cka, "neighbours_kept": neighbours_kept}
    return {name: rounded(float(of(before, after))) for name, of in measures.items()}


def geometry(vectors_ND: np.ndarray) -> dict[str, Any]:
    """The shape of the space of the probe."""
    import torch

    from contrapose.maths.geometry import effective_rank, mean_cosine, uniformity

    spread = torch.from_numpy(vectors_ND.copy())
    measures = {"uniformity": uniformity, "mean_cosine": mean_cosine, "effective_rank": effective_rank}
    return {"geometry": {name: rounded(float(of(spread))) for name, of in measures.items()}}


def gains(before: Evaluation, after: Evaluation) -> dict[str, dict[str, float]]:
    """task -> difference, low, high; tasks without per-example scores are left out."""
    old = {(result.task, result.metric): result.per_example for result in before.results}
    by_task = {}
    for result in after.results:
        scores = old.get((result.task, result.metric))
        if scores is not None and result.per_example is not None and not math.isnan(result.value):
            test = scores.change_to(result.per_example)
            by_task[result.task] = {
                name: rounded(getattr(test, name)) for name in ("difference", "low", "high")
            }
    return by_task


def curve(metrics: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Means over stretches of the run; steps without a finite number are left out of theirs.

    >>> curve([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.23456e-7}])["loss"]
    [2.0, 1.235e-07]
    """
    size = max(1, -(-len(metrics) // STRETCHES))
    stretches = [metrics[first : first + size] for first in range(0, len(metrics), size)]
    means: dict[str, list[Any]] = {"step": [stretch[-1]["step"] for stretch in stretches]}
    for name in WATCHED:
        if any(name in row for row in metrics):
            means[name] = [_mean([row.get(name) for row in stretch]) for stretch in stretches]
    return means


def rounded(value: float) -> float:
    """Four decimals are more than any of these numbers means."""
    return round(value, 4)


def _mean(values: Sequence[Any]) -> float | None:
    finite = [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
    # Four digits, not four decimals: the loss of an encoder that solves its task is far below 0.0001.
    return float(f"{sum(finite) / len(finite):.4g}") if finite else None


def _metrics(folder: Path) -> list[dict[str, Any]]:
    from contrapose.train.run_folder import read_rows

    path = folder / "run" / "metrics.jsonl"
    return read_rows(path) if path.exists() else []

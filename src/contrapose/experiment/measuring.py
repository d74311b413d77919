"""The usual measurement of a trial: train as its options say, evaluate the result on the tasks of the experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import ResumeRefused
from contrapose.experiment.trials import Trial, TrialResult
from contrapose.paths import expanded
from contrapose.storage.durable import remove_tree

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder
    from contrapose.evaluate.suite import Evaluation
    from contrapose.listening import Listener
    from contrapose.train.api import Run

#: A trial of a method that is a file depends on what the file held.
METHOD_FILE = "method_file"
#: The option that marks the pretrained model as it is.
UNTRAINED = "start"
#: What a trial keeps of its run's summary.
KEPT = ("steps", "chosen_step", "score_before", "score_chosen", "blend", "skipped_steps", "precision", "rows",
        "view_cosine", "corpus_fingerprint")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all trials of an experiment share.

    corpus: files, folders or globs of text; model: what they start from; tasks, data: what they are judged on, as
    ``contrapose evaluate`` takes them; split: "dev" to choose among settings, "test" for a number to report.
    dev_data: a SentEval folder whose STS-B development set chooses the checkpoint, in place of the label-free score.
    """

    corpus: tuple[str, ...]
    model: str = "minilm"
    tasks: tuple[str, ...] = ("sts",)
    data: tuple[str, ...] = ()
    split: str = "test"
    precision: str | None = None
    dev_data: str | None = None

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What a trial's result depends on, independent of where the files lie."""
        from contrapose.data.sources import sources_fingerprint

        chosen_by = {"chosen_by": "stsb-dev"} if self.dev_data else {}
        return {
            **chosen_by,
            "corpus": sources_fingerprint(self.corpus),
            "model": _identity_of(self.model),
            "tasks": list(self.tasks),
            "split": self.split,
        }

    def trial(self, factors: Mapping[str, Any], options: Mapping[str, Any]) -> Trial:
        """A trial that trains with ``options`` (those of :func:`contrapose.train.api.train`)."""
        return Trial(factors=factors, options={**self.identity, **_file_of(options.get("method")), **options})

    def start(self) -> Trial:
        """The trial that trains nothing: the pretrained model that all others start from."""
        return Trial(factors={"method": UNTRAINED}, options={**self.identity, "method": UNTRAINED})


def train_and_evaluate(
    setting: Setting, trial: Trial, folder: Path, listener: Listener | None = None
) -> TrialResult:
    """Train (or go on, where an interrupted attempt left checkpoints), evaluate, and forget the weights."""
    from contrapose.evaluate.suite import evaluate

    encoder, facts = encoder_of(setting, trial, folder, listener)
    evaluation = evaluate(
        encoder,
        setting.tasks,
        setting.data or None,
        split=setting.split,
        precision=setting.precision or _precision(encoder),
    )
    return trial_result(evaluation, facts)


def encoder_of(
    setting: Setting, trial: Trial, folder: Path, listener: Listener | None = None
) -> tuple[Encoder, dict[str, Any]]:
    """The trial's encoder, and what its run says of itself."""
    from contrapose.encoder.encoder import Encoder

    if trial.options["method"] == UNTRAINED:
        return Encoder.load(setting.model), {}
    run = run_of(setting, trial, folder, listener)
    return run.encoder, {name: run.summary[name] for name in KEPT}


def run_of(setting: Setting, trial: Trial, folder: Path, listener: Listener | None = None) -> Run:
    """Train as the trial's options say, in ``folder``/run."""
    shared = {*setting.identity, METHOD_FILE}
    options = {name: value for name, value in trial.options.items() if name not in shared}
    return run_in(setting, options, folder / "run", listener)


def run_in(setting: Setting, options: Mapping[str, Any], out: Path, listener: Listener | None = None) -> Run:
    """Train with these options in ``out``, or go on there.

    What was trained is measured as it is, not blended with the pretrained model, unless the options say so: a method
    that harms would otherwise hand out the pretrained model and look harmless.
    """
    from contrapose.train.api import train

    shown: dict[str, Any] = {"model": setting.model, "out": out, "listener": listener}
    given = {**shown, "dev_data": setting.dev_data, "blend": 1.0, **options}
    if out.exists():
        try:
            return train(setting.corpus, resume=True, **given)
        except ResumeRefused:
            remove_tree(out)
    return train(setting.corpus, **given)


def trial_result(evaluation: Evaluation, facts: Mapping[str, Any]) -> TrialResult:
    """The numbers of an evaluation as a trial keeps them, with the per-example scores behind them."""
    values: dict[str, dict[str, Any]] = {}
    evidence: dict[str, Any] = {}
    for result in evaluation.results:
        low, high = result.details.get("interval", (None, None))
        name = result.task if result.task not in values else f"{result.task} {result.metric}"
        values[name] = {
            "metric": result.metric,
            "protocol": result.protocol,
            "value": _finite(result.value),
            "low": low,
            "high": high,
            "rows": result.rows,
            "data": str(result.details.get("data_fingerprint", "")),
        }
        if result.per_example is not None:
            evidence |= result.per_example.to_arrays(name, result.metric)
    problems = [f"{problem.task}: {problem.message}" for problem in evaluation.problems]
    noted = {**facts, "problems": problems} if problems else dict(facts)
    return TrialResult(values=values, facts=noted, evidence=evidence)


def mean_of(values: Mapping[str, Mapping[str, Any]], tasks: Sequence[str] = ()) -> float | None:
    """The unweighted mean of the values of ``tasks`` (all where none are named); None where one is missing.

    >>> mean_of({"STS12": {"value": 70.0}, "STS13": {"value": 80.0}})
    75.0
    """
    names = tasks or tuple(values)
    known = [value for task in names if (value := values.get(task, {}).get("value")) is not None]
    return sum(known) / len(known) if known and len(known) == len(names) else None


def _identity_of(model: str) -> str:
    """A name says which model it is; a folder says it by its weights."""
    from contrapose.storage.durable import sha256_file

    weights = expanded(model) / "model.safetensors"
    return f"sha256 {sha256_file(weights)}" if weights.is_file() else model


def _file_of(method: object) -> dict[str, str]:
    """The sha256 of a method's file; nothing for a method of the catalogue."""
    import hashlib

    from contrapose.objectives.plugins import content_of, is_file

    if not isinstance(method, str) or not is_file(method):
        return {}
    return {METHOD_FILE: hashlib.sha256(content_of(method)).hexdigest()}


def _finite(value: float) -> float | None:
    return None if value != value else round(value, 4)


def _precision(encoder: Encoder) -> str:
    """bf16 where the machine computes in it, as ``contrapose evaluate`` chooses."""
    from contrapose.train.environment import pick_precision

    return "bf16" if pick_precision("auto", encoder.device) else "fp32"

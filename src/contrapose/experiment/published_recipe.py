"""A row of a paper's table as a recipe: its options of ``train``, what the paper reports, and what departs from it.

All rows share: one million English Wikipedia sentences (``wiki1m_for_simcse.txt``), dropout views, at most 32 tokens,
one epoch, a linear decay without warm-up, no weight decay; [CLS] with a head that is used in training only; the
checkpoint with the best STS-B development score, taken every 125 steps. Scores are Spearman x 100 over all pairs of a
task together, and of the transfer tasks accuracy x 100.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contrapose.train.settings import RunSettings

CORPUS = "wiki1m_for_simcse.txt"
CORPUS_ROWS = 1_000_000
CORPUS_ADDRESS = f"https://huggingface.co/datasets/princeton-nlp/datasets-for-simcse/resolve/main/{CORPUS}"
TASKS = ("STS12", "STS13", "STS14", "STS15", "STS16", "STS-B", "SICK-R")
TRANSFER = ("MR", "CR", "SUBJ", "MPQA", "SST2", "TREC", "MRPC")
SEEDS = 3
#: An average may differ from its columns by the rounding of both.
ROUNDING = 0.011

_SHARED: Mapping[str, Any] = {
    "views": "dropout",
    "pooling": "cls",
    "head": "linear-tanh",
    "max_length": 32,
    "epochs": 1.0,
    "eval_every": 125,
    "held_out_rows": 0,
    "deduplicate": False,
    "mask_repeats": False,
}

#: Recipe -> accuracy on the tasks of TRANSFER, and their mean as it is printed (SimCSE's table without MLM).
_REPORTED_TRANSFER: Mapping[str, tuple[float, ...]] = {
    "simcse/bert-base": (81.18, 86.46, 94.45, 88.88, 85.50, 89.80, 74.43, 85.81),
    "simcse/roberta-base": (81.04, 87.74, 93.28, 86.94, 86.60, 84.60, 73.68, 84.84),
    "simcse/roberta-large": (82.74, 87.87, 93.66, 88.22, 88.58, 92.00, 69.68, 86.11),
}


@dataclass(frozen=True, kw_only=True)
class PublishedRecipe:
    """One row. reported: task -> score; average: as it is printed; both empty where the paper gives none."""

    name: str
    method: str
    backbone: str
    batch_size: int
    learning_rate: float
    hyperparameters: Mapping[str, Any]
    source: str
    reported: Mapping[str, float] = field(default_factory=dict)
    average: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """Options of ``train``."""
        own = {"batch_size": self.batch_size, "learning_rate": self.learning_rate}
        return {**_SHARED, **own, **self.hyperparameters}

    def preset(self, *, dev_data: bool) -> dict[str, Any]:
        """Options of ``train`` for the whole recipe, handed out as trained and not blended: the best checkpoint by
        STS-B where its development set is given, as published, else the last step."""
        chosen = {"blend": 1.0} if dev_data else {"blend": 1.0, "criterion": "none"}
        return {
            "model": self.backbone,
            "method": self.method,
            "out": f"runs/{self.name}",
            **self.options,
            **chosen,
        }

    @property
    def recomputed(self) -> float | None:
        """The mean of the seven columns."""
        return sum(self.reported.values()) / len(TASKS) if len(self.reported) == len(TASKS) else None

    @property
    def reported_transfer(self) -> dict[str, float]:
        """Transfer task -> accuracy; empty where the paper gives none."""
        *scores, _ = _REPORTED_TRANSFER.get(self.name, (0.0,))
        return dict(zip(TRANSFER, scores, strict=True)) if scores else {}

    @property
    def transfer_average(self) -> float | None:
        """The mean of the transfer tasks as the paper prints it."""
        return _REPORTED_TRANSFER[self.name][-1] if self.name in _REPORTED_TRANSFER else None

    @property
    def contradiction(self) -> str:
        """A note where the printed average is not that of its columns, or "".

        >>> from contrapose.experiment.recipes import recipe_named
        >>> recipe_named("simcse/bert-base").contradiction
        ''
        """
        mean = self.recomputed
        if mean is None or self.average is None or abs(mean - self.average) <= ROUNDING:
            return ""
        return f"the printed average {self.average:.2f} is not that of its columns, {mean:.2f}"


#: What of a run's settings a recipe says nothing about, or what changes no result.
_FREE = {"out", "saving", "data.corpus", "data.columns", "selection.dev_data", "training.seed", "training.device",
         "training.precision", "training.chunk_size", "training.length_groups",
         "training.tiled"}  # fmt: skip


def departures(recipe: PublishedRecipe, settings: RunSettings) -> list[str]:
    """What makes a run with these settings another experiment than the recipe's; empty for the recipe itself."""
    from contrapose.train.configuration import nested, resolve

    given = settings.selection.dev_data
    published = resolve(
        nested({**recipe.preset(dev_data=given is not None), "corpus": (CORPUS,), "dev_data": given})
    )
    before, now = (_flat(_in_full(each)) for each in (published, settings))
    if Path(settings.encoder.model).name == recipe.backbone.partition("/")[2]:
        del now["encoder.model"]  # a folder of the backbone's own name is a downloaded copy
    words = [
        f"{name.rpartition('.')[2]} {value} in place of {before.get(name)}"
        for name, value in now.items()
        if value != before.get(name) and name not in ("training.steps", "training.epochs")
    ]
    if settings.training.steps is not None:
        words.append(f"{settings.training.steps} steps in place of one epoch")
    elif settings.training.epochs != published.training.epochs:
        words.append(f"{settings.training.epochs:g} epochs in place of one")
    if [Path(name).name for name in settings.data.corpus] != [CORPUS]:
        words.append(f"text {', '.join(settings.data.corpus)} in place of {CORPUS}")
    if settings.selection.criterion == "none":
        words.append("the last step in place of the best by STS-B (give SentEval's folder with --dev-data)")
    return words


def _in_full(settings: RunSettings) -> dict[str, Any]:
    """With every hyperparameter of the method, those that are not given at their defaults."""
    from contrapose.objectives import catalogue

    method = settings.method
    hyperparameters = catalogue.recipe(method.name, method.parts, method.hyperparameters).hyperparameters
    return settings.model_copy(
        update={"method": method.model_copy(update={"hyperparameters": hyperparameters.model_dump()})}
    ).model_dump()


def _flat(table: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{above}{key}"
        if name not in _FREE:
            flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat

"""The rows of the papers' tables: the recipe of each, and what the paper reports for it.

All rows share: one million English Wikipedia sentences (``wiki1m_for_simcse.txt``), dropout views, at most 32 tokens,
one epoch, a linear decay without warm-up, no weight decay; [CLS] with a head that is used in training only; the
checkpoint with the best STS-B development score, taken every 125 steps. Scores are Spearman x 100 over all pairs of a
task together, and of the transfer tasks accuracy x 100. Where a paper gives no per-task numbers, there are none here;
what is not from a paper is in ``notes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import UsageError, nearest

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
_BERT_BASE, _BERT_LARGE = "google-bert/bert-base-uncased", "google-bert/bert-large-uncased"
_ROBERTA_BASE, _ROBERTA_LARGE = "FacebookAI/roberta-base", "FacebookAI/roberta-large"
_SIMCSE = "Gao, Yao, Chen 2021, SimCSE (EMNLP)"
_FOCAL = "Hou, Li 2023, Focal-InfoNCE (Findings of EMNLP)"
_ESIMCSE = "Wu et al. 2022, ESimCSE (COLING)"
_ESIMCSE_NOTE = (
    "numbers of the authors' README; the published code repeats word pieces, contrapose whole words"
)
_PROMPTBERT = "Jiang et al. 2022, PromptBERT (EMNLP)"
_HNCSE = "2024, HNCSE (arXiv 2411.12156)"
_FOCAL_NOTE = (
    "numbers of the authors' README; the paper claims gains over SimCSE (+1.64 BERT-base, +0.82 BERT-large, +1.51 "
    "RoBERTa-base, +0.75 RoBERTa-large) that do not add up with them"
)
_FOCAL_BATCH = "only RoBERTa-base has a released script; batch size and learning rate are SimCSE's"
_CARDS = "Wang, Ge, Zhang, Yang 2022, CARDS (SIGIR)"
_CARDS_NOTES = (
    "numbers and settings of the authors' README",
    "they trained without duplicates, and retrieved by vectors of RoBERTa-large; here the backbone's own are used",
)
_HNCSE_NOTE = (
    "no table of the paper is at hand: it claims 1.2 points more than SimCSE on STS-B, which reports 76.85 there; the "
    "published code does not run, see `contrapose methods` for what is done instead"
)


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

        >>> recipe_named("simcse/bert-base").contradiction
        ''
        """
        mean = self.recomputed
        if mean is None or self.average is None or abs(mean - self.average) <= ROUNDING:
            return ""
        return f"the printed average {self.average:.2f} is not that of its columns, {mean:.2f}"


#: What of a run's settings a recipe says nothing about, or what changes no result.
_FREE = {"out", "saving", "data.corpus", "data.columns", "selection.dev_data", "training.seed", "training.device",
         "training.precision", "training.chunk_size", "training.length_groups"}  # fmt: skip


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


def _row(*scores: float) -> dict[str, float]:
    return dict(zip(TASKS, scores, strict=True))


def _simcse(
    name: str, backbone: str, batch_size: int, rate: float, average: float, scores: dict[str, float]
) -> PublishedRecipe:
    return PublishedRecipe(
        name=f"simcse/{name}", method="simcse", backbone=backbone, batch_size=batch_size, learning_rate=rate,
        hyperparameters={"temperature": 0.05}, source=_SIMCSE, reported=scores, average=average,
    )  # fmt: skip


def _focal(
    name: str, backbone: str, batch_size: int, rate: float, average: float, scores: dict[str, float]
) -> PublishedRecipe:
    notes = (_FOCAL_NOTE,) if name == "roberta-base" else (_FOCAL_NOTE, _FOCAL_BATCH)
    return PublishedRecipe(
        name=f"focal-infonce/{name}", method="focal-infonce", backbone=backbone, batch_size=batch_size,
        learning_rate=rate, hyperparameters={"temperature": 0.05, "margin": 0.3}, source=_FOCAL, reported=scores,
        average=average, notes=notes,
    )  # fmt: skip


def _cards(
    name: str, backbone: str, rate: float, average: float, scores: dict[str, float], **numbers: Any
) -> PublishedRecipe:
    texts = {"views": "switch-case,retrieved", "deduplicate": True, "mask_repeats": True}
    return PublishedRecipe(
        name=f"cards/{name}", method="cards", backbone=backbone, batch_size=512, learning_rate=rate,
        hyperparameters={"temperature": 0.05, **texts, **numbers}, source=_CARDS, reported=scores, average=average,
        notes=_CARDS_NOTES,
    )  # fmt: skip


def _hncse(method: str, hyperparameters: Mapping[str, Any]) -> PublishedRecipe:
    return PublishedRecipe(
        name=f"{method}/bert-base", method=method, backbone=_BERT_BASE, batch_size=64, learning_rate=3e-5,
        hyperparameters={"temperature": 0.05, "raw_vectors": True, **hyperparameters}, source=_HNCSE,
        notes=(_HNCSE_NOTE,),
    )  # fmt: skip


def _esimcse(
    name: str,
    backbone: str,
    rate: float,
    average: float,
    hyperparameters: Mapping[str, Any],
    scores: dict[str, float] | None = None,
) -> PublishedRecipe:
    published = {"repetition_rate": 0.32, "momentum_queue_size": 160, "momentum": 0.995, **hyperparameters}
    return PublishedRecipe(
        name=f"esimcse/{name}", method="esimcse", backbone=backbone, batch_size=64, learning_rate=rate,
        hyperparameters={"temperature": 0.05, "views": "repetition", **published}, source=_ESIMCSE,
        reported=scores or {}, average=average, notes=(_ESIMCSE_NOTE,),
    )  # fmt: skip


def _promptbert(
    name: str,
    backbone: str,
    average: float,
    hyperparameters: Mapping[str, Any],
    scores: dict[str, float],
    *notes: str,
) -> PublishedRecipe:
    return PublishedRecipe(
        name=f"promptbert/{name}", method="promptbert", backbone=backbone, batch_size=256, learning_rate=1e-5,
        # The template says where the vector is taken.
        hyperparameters={"temperature": 0.05, "pooling": None, **hyperparameters}, source=_PROMPTBERT,
        reported=scores, average=average, notes=("means over seeds in the authors' README", *notes),
    )  # fmt: skip


RECIPES: tuple[PublishedRecipe, ...] = (
    _simcse("bert-base", _BERT_BASE, 64, 3e-5, 76.25, _row(68.40, 82.41, 74.38, 80.91, 78.56, 76.85, 72.23)),
    _simcse("bert-large", _BERT_LARGE, 64, 1e-5, 78.41, _row(70.88, 84.16, 76.43, 84.50, 79.76, 79.26, 73.88)),
    _simcse("roberta-base", _ROBERTA_BASE, 512, 1e-5, 76.57, _row(70.16, 81.77, 73.24, 81.36, 80.65, 80.22, 68.56)),
    _simcse("roberta-large", _ROBERTA_LARGE, 512, 3e-5, 78.90, _row(72.86, 83.99, 75.62, 84.77, 81.80, 81.98, 71.26)),
    _focal("bert-base", _BERT_BASE, 64, 3e-5, 77.32, _row(68.58, 83.29, 75.20, 82.54, 79.62, 79.31, 72.72)),
    _focal("bert-large", _BERT_LARGE, 64, 1e-5, 78.72, {}),
    _focal("roberta-base", _ROBERTA_BASE, 512, 1e-5, 77.58, {}),
    _focal("roberta-large", _ROBERTA_LARGE, 512, 3e-5, 78.74, {}),
    _cards("roberta-base", _ROBERTA_BASE, 4e-5, 78.83, _row(72.65, 84.26, 76.52, 82.98, 82.73, 82.04, 70.66),
           neighbours=64, switch_probability=0.05, switch_variant="v2"),
    _cards("roberta-large", _ROBERTA_LARGE, 7.5e-6, 80.84, _row(74.63, 86.27, 79.25, 85.93, 83.17, 83.86, 72.77),
           neighbours=8, switch_probability=0.1, switch_variant="v1"),
    _hncse("hncse-pm", {"gap_threshold": 0.1}),
    _hncse("hncse-hnm", {"k": 10, "num_mixtures": 40, "alpha": 0.5}),
    PublishedRecipe(
        name="mixcse/bert-base", method="mixcse", backbone=_BERT_BASE, batch_size=64, learning_rate=3e-5,
        hyperparameters={"temperature": 0.05, "positive_share": 0.2, "mixture_scope": "all", "mixed_anchors": True,
                         "raw_vectors": True},
        source="Zhang et al. 2022, MixCSE (AAAI)", notes=(
            "the released script's settings; the paper's average is 77.66 +- 0.61, and no table by task is at hand",
        ),
    ),
    _esimcse("bert-base", _BERT_BASE, 3e-5, 78.27, {}, _row(73.40, 83.27, 77.25, 82.66, 78.81, 80.17, 72.30)),
    _esimcse("bert-large", _BERT_LARGE, 1e-5, 79.31, {}),
    _esimcse("roberta-base", _ROBERTA_BASE, 1e-5, 77.44, {"repetition_rate": 0.3}),
    _esimcse("roberta-large", _ROBERTA_LARGE, 1e-5, 79.45,
             {"repetition_rate": 0.28, "momentum_queue_size": 128, "dropout": 0.15}),
    _promptbert("bert-base", _BERT_BASE, 78.54, {}, {},
                "their columns (71.56, 84.58, 76.98, 84.47, 80.60, 81.60, 69.87) have the mean 78.52"),
    _promptbert("roberta-base", _ROBERTA_BASE, 79.15,
                {"template": "This sentence : ' {text} ' means[MASK].",
                 "second_template": "The sentence : ' {text} ' means[MASK]."},
                _row(73.94, 84.74, 77.28, 84.99, 81.74, 81.88, 69.50)),
)  # fmt: skip


def recipe_named(name: str) -> PublishedRecipe:
    """The recipe of a row. Raises :class:`UsageError` with the nearest name."""
    known = {recipe.name: recipe for recipe in RECIPES}
    if name not in known:
        raise UsageError(f"no recipe '{name}'{nearest(name, list(known))} Known: {', '.join(known)}")
    return known[name]

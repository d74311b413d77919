"""The rows of the papers' tables: the recipe of each, and what the paper reports for it.

Where a paper gives no numbers by task, there are none here; what is not from a paper is in ``notes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contrapose.errors import UsageError, nearest
from contrapose.experiment.published_recipe import TASKS, PublishedRecipe

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

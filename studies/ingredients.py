"""ingredients: of a method that ends below SimCSE, which ingredient is it?

Every method that harmed by more than its spread in the table of methods (docs/methods-measured.md) is taken apart: each
of its ingredients alone on SimCSE, or the method with one of them changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from contrapose.experiment.trials import Trial, TrialResult
from studies.ablation import BASELINE, Variants, beside_simcse, panels_of, runs_of
from studies.runs import Planned, Setup
from studies.study import AllRows, Findings, Panel, Study, TrialRow

if TYPE_CHECKING:
    from contrapose.listening import Listener

VARIANTS: Variants = {
    BASELINE: {"method": "simcse"},
    "debcse": {"method": "debcse"},
    "debcse, its negatives alone": {"method": "debcse", "positive_quantile": 1.0},
    "core-tuning": {"method": "core-tuning"},
    "core-tuning, its hard positives alone": {"method": "simcse", "parts": ("hard-positive-mixup",)},
    "core-tuning, its hard negatives alone": {"method": "simcse", "parts": ("hard-negative-mixup",)},
    "debiased": {"method": "debiased"},
    "debiased, a tenth of the share": {"method": "debiased", "false_negative_share": 0.0001},
    "debiased, ten times the share": {"method": "debiased", "false_negative_share": 0.01},
    "fedrcl": {"method": "fedrcl"},
    "fedrcl, a tenth of the penalty": {"method": "fedrcl", "relaxation_weight": 0.01},
    "fedrcl, the last layer alone": {"method": "fedrcl", "relaxation_layers": ()},
    "kdmcse": {"method": "kdmcse"},
    "kdmcse, its filter alone": {"method": "simcse", "parts": ("teacher-filter",)},
    "kdmcse, its distillation alone": {
        "method": "simcse",
        "parts": ("teacher-distillation",),
        "angular_margin": 0.0,
    },
    "kdmcse, no angular margin": {"method": "kdmcse", "angular_margin": 0.0},
    "kdmcse, minilm as the teacher": {"method": "kdmcse", "teacher": "minilm"},
    "pnr": {"method": "pnr"},
    "pnr, its pseudo-negatives alone": {"method": "simcse", "parts": ("pseudo-negatives",)},
    "pnr, its targets alone": {"method": "simcse", "parts": ("previous-targets",)},
    "pnr, minilm as the earlier model": {"method": "pnr", "previous": "minilm"},
    "diffcse": {"method": "diffcse", "generator": "start"},
    "diffcse, the discriminator without weight": {
        "method": "diffcse",
        "generator": "start",
        "replaced_weight": 0.0,
    },
    "promptbert": {"method": "promptbert"},
    "promptbert, its template's bias left in": {"method": "promptbert", "remove_template_bias": False},
    "simcse-mlm": {"method": "simcse-mlm"},
    "simcse-mlm, a tenth of its weight": {"method": "simcse-mlm", "mlm_weight": 0.01},
}


def plan(setup: Setup) -> list[Planned]:
    """Every variant with every seed; what the start cannot serve is recorded with the reason."""
    return [replace(each, measure=partial(_measured, each)) for each in runs_of(VARIANTS, setup)]


def _measured(planned: Planned, trial: Trial, folder: Path, listener: Listener | None) -> TrialResult:
    from contrapose.errors import ModelError, UsageError

    try:
        return planned.measure(trial, folder, listener)
    except (UsageError, ModelError) as error:
        return TrialResult(facts={"refused": str(error)})


def answer(rows: Sequence[TrialRow], studies: AllRows) -> Findings:
    """Every variant beside SimCSE, seed by seed; and what could not be run."""
    beside = beside_simcse(VARIANTS, rows, studies)
    refused = {
        row["factors"]["variant"]: row["facts"]["refused"] for row in rows if "refused" in row["facts"]
    }
    not_run = [f"{variant} could not be run: {reason}." for variant, reason in refused.items()]
    return replace(beside, words=(*beside.words, *not_run))


def figure(rows: Sequence[TrialRow], studies: AllRows) -> list[Panel]:
    """All variants, run by run."""
    return panels_of(VARIANTS, rows, studies)


STUDY = Study(
    name="ingredients",
    question="Of a method that ends below SimCSE, which ingredient is it?",
    plan=plan,
    answer=answer,
    figure=figure,
)

"""ingredients: of a method that ends below SimCSE, which ingredient is it?

Every method that harmed by more than its spread in the table of methods (docs/methods-measured.md) is taken apart: each
of its ingredients alone on SimCSE, or the method with one of them changed. Runs are as long as that table's, on as many
sentences, and at the learning rate of its methods without one of their own: after half as many steps most of the harm
is not there yet. DiffCSE and PromptBERT, whose papers give a lower rate, run at theirs besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from studies.ablation import BASELINE, Variants, beside_simcse, beside_wholes, panels_of, runs_of
from studies.methods_plan import SENTENCES
from studies.runs import Planned, Setup
from studies.study import AllRows, Findings, Panel, Study, TrialRow

VARIANTS: Variants = {
    BASELINE: {"method": "simcse"},
    "debcse": {"method": "debcse"},
    "debcse, its negatives alone": {"method": "debcse", "positive_quantile": 1.0},
    "core-tuning": {"method": "core-tuning"},
    "core-tuning, its hard positives alone": {"method": "simcse", "parts": ("hard-positive-mixup",)},
    "core-tuning, its hard negatives alone": {"method": "simcse", "parts": ("hard-negative-mixup",)},
    "core-tuning, both without its weight": {
        "method": "simcse",
        "parts": ("hard-positive-mixup", "hard-negative-mixup"),
    },
    "core-tuning, no gradient through its weight": {"method": "core-tuning", "detach_focal": True},
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
    "diffcse, its head alone": {"method": "simcse", "head": "mlp-bn"},
    "diffcse, its paper's learning rate": {
        "method": "diffcse",
        "generator": "start",
        "learning_rate": 7e-6,
    },
    "promptbert": {"method": "promptbert"},
    "promptbert, hardly trained": {"method": "promptbert", "learning_rate": 1e-8},
    "promptbert, its paper's learning rate": {"method": "promptbert", "learning_rate": 1e-5},
    "promptbert, its template's bias left in": {"method": "promptbert", "remove_template_bias": False},
    "simcse-mlm": {"method": "simcse-mlm"},
    "simcse-mlm, a tenth of its weight": {"method": "simcse-mlm", "mlm_weight": 0.01},
}

#: Than the other studies: the runs of the table of methods take 120 steps at 3e-5.
LONGER, FASTER = 2, 1.5

#: Variant -> the whole method that it is a part of, or a change of.
WHOLE_OF = {name: name.partition(", ")[0] for name in VARIANTS if ", " in name}


def plan(setup: Setup) -> list[Planned]:
    """Every variant with every seed; what the start cannot serve is recorded with the reason."""
    as_in_table = replace(
        setup, steps=LONGER * setup.steps, learning_rate=round(FASTER * setup.learning_rate, 12)
    )
    return runs_of(VARIANTS, as_in_table, may_refuse=True, rows=SENTENCES)


def answer(rows: Sequence[TrialRow], studies: AllRows) -> Findings:
    """Every variant beside SimCSE, and beside its whole method; and what could not be run.

    The noise is that of these runs: those of other studies are shorter.
    """
    own = {STUDY.name: rows}
    beside = beside_simcse(VARIANTS, rows, own)
    refused = {
        row["factors"]["variant"]: row["facts"]["refused"] for row in rows if "refused" in row["facts"]
    }
    not_run = [f"{variant} could not be run: {reason}." for variant, reason in refused.items()]
    of_wholes = beside_wholes(VARIANTS, WHOLE_OF, rows, own)
    return replace(beside, words=(*_length(rows), *beside.words, *of_wholes, *not_run))


def _length(rows: Sequence[TrialRow]) -> list[str]:
    """How long the runs are, and at which rate: not those of the other studies."""
    known = [row["options"] for row in rows if {"steps", "learning_rate"} <= row["options"].keys()]
    return [
        f"These runs take {options['steps']} steps at a learning rate of {options['learning_rate']:g}, as the table of "
        "methods."
        for options in known[:1]
    ]


def figure(rows: Sequence[TrialRow], studies: AllRows) -> list[Panel]:
    """All variants, run by run."""
    return panels_of(VARIANTS, rows, {STUDY.name: rows})


STUDY = Study(
    name="ingredients",
    question="Of a method that ends below SimCSE, which ingredient is it?",
    plan=plan,
    answer=answer,
    figure=figure,
)

"""gradients: which share of the negatives' gradient do easy negatives hold, before and after focal weighting?

The gradient of the loss by the cosine of a row and a negative says how hard the negative is pushed away. The negatives
of each row are put in the order of their cosine: the easy half, and the hardest tenth. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.experiment.trials import Trial, TrialResult
from studies.measuring import rounded
from studies.reading import with_factors
from studies.runs import Planned, Setup
from studies.study import AllRows, Findings, Marks, Panel, Study, TrialRow
from studies.untrained import batches_of_views

if TYPE_CHECKING:
    from contrapose.contract import Views

#: Equations, by what they are called: SimCSE is the focal weighting with nothing of it.
SIMCSE = "simcse"
WEIGHTINGS: Mapping[str, Mapping[str, Any]] = {
    SIMCSE: {"method": "simcse"},
    **{
        f"focal-infonce, margin {margin:g}": {"method": "focal-infonce", "margin": margin}
        for margin in (0.0, 0.1, 0.3, 0.5, 1.0)
    },
}
TENTHS = 10


def plan(setup: Setup) -> list[Planned]:
    """One look at the pretrained model."""
    options = {"method": "look at gradients", "max_length": setup.max_length, "batch_size": setup.batch_size}
    trial = setup.setting(tasks=()).trial({"look": "gradients"}, {**options, "weightings": WEIGHTINGS})
    return [Planned(trial=trial, measure=partial(_measure, setup))]


def _measure(setup: Setup, trial: Trial, folder: Path, listener: object = None) -> TrialResult:
    from contrapose.encoder.encoder import Encoder

    batches = batches_of_views(Encoder.load(setup.model), setup)
    shares = {name: shares_of(batches, **options) for name, options in WEIGHTINGS.items()}
    return TrialResult(facts={"shares": shares, "sentences": sum(views.num_rows for views in batches)})


def shares_of(batches: Sequence[Views], *, method: str, **hyperparameters: Any) -> list[float]:
    """The share of each tenth of the negatives, the easiest first, in the size of their gradient: means over rows.

    Where a row has no gradient at all it counts in no tenth.
    """
    import torch

    from contrapose.objectives.catalogue import recipe
    from contrapose.objectives.in_batch import in_batch_table

    equation = recipe(method, (), hyperparameters)
    values = equation.hyperparameters.model_dump()
    sums, rows = torch.zeros(TENTHS, dtype=torch.float64), 0
    for views in batches:
        table = in_batch_table(views)
        cosine_BC = table.cosine_BC.double().detach().requires_grad_()
        outcome = equation.method.objective(replace(table, cosine_BC=cosine_BC), views, **values)
        (gradient_BC,) = torch.autograd.grad(outcome.loss_B.sum(), cosine_BC)
        is_negative_BC = torch.ones_like(cosine_BC, dtype=torch.bool)
        is_negative_BC[torch.arange(len(cosine_BC)), table.positive_B] = False
        for row in range(len(cosine_BC)):
            cosine_N = cosine_BC.detach()[row][is_negative_BC[row]]
            size_N = gradient_BC[row][is_negative_BC[row]].abs()[cosine_N.argsort()]
            if size_N.sum() > 0:
                parts = torch.tensor_split(size_N / size_N.sum(), TENTHS)
                sums += torch.stack([part.sum() for part in parts])
                rows += 1
    return [rounded(float(share)) for share in sums / max(1, rows)]


def answer(rows: Sequence[TrialRow], studies: AllRows) -> Findings:
    """The easy half and the hardest tenth, for every weighting, beside what they would hold evenly spread."""
    shares = _shares(rows)
    table = tuple(
        (name, _percent(sum(tenths[:5])), _percent(tenths[-1]), _percent(tenths[0]))
        for name, tenths in shares.items()
    )
    words = []
    if SIMCSE in shares:
        before = sum(shares[SIMCSE][:5])
        words.append(
            f"With SimCSE the easy half of the negatives holds {_percent(before)} of their gradient."
        )
        for name, tenths in shares.items():
            if name != SIMCSE:
                after = sum(tenths[:5])
                way = "less" if after < before else "more"
                words.append(f"{name}: {_percent(after)}, {way} than with SimCSE.")
        sizes = tenths_of(_looks(rows)[-1]["options"]["batch_size"] - 1)
        words.append(
            f"Evenly spread, the easy half ({sum(sizes[:5])} of a row's {sum(sizes)} negatives) would hold "
            f"{_percent(sum(sizes[:5]) / sum(sizes))}, and the hardest tenth ({sizes[-1]} of them) "
            f"{_percent(sizes[-1] / sum(sizes))}."
        )
    header = ("weighting", "easy half", "hardest tenth", "easiest tenth")
    return Findings(words=tuple(words), header=header, table=table)


def figure(rows: Sequence[TrialRow], studies: AllRows) -> list[Panel]:
    """Tenth by tenth, from the easiest to the hardest."""
    marks = [
        Marks(name, [(at + 1, 100 * share) for at, share in enumerate(tenths)], joined=True)
        for name, tenths in _shares(rows).items()
    ]
    return [
        Panel(
            x="tenth of a row's negatives, the easiest first",
            y="share of the gradient, %",
            marks=marks,
            line=10.0,
        )
    ]


def tenths_of(negatives: int) -> list[int]:
    """How many negatives each tenth has, the easiest first: as torch.tensor_split, the larger tenths first.

    >>> tenths_of(63)
    [7, 7, 7, 6, 6, 6, 6, 6, 6, 6]
    """
    return [negatives // TENTHS + (tenth < negatives % TENTHS) for tenth in range(TENTHS)]


def _looks(rows: Sequence[TrialRow]) -> list[TrialRow]:
    return with_factors(rows, look="gradients")


def _shares(rows: Sequence[TrialRow]) -> Mapping[str, Sequence[float]]:
    looks = _looks(rows)
    shares: Mapping[str, Sequence[float]] = looks[-1]["facts"]["shares"] if looks else {}
    return shares


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


STUDY = Study(
    name="gradients",
    question="Which share of the negatives' gradient do easy negatives hold, before and after focal weighting?",
    plan=plan,
    answer=answer,
    figure=figure,
)

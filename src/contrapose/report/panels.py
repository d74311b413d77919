"""The pictures of curves: which numbers share one, what to look for, and between what bounds an axis can lie."""

from __future__ import annotations

from dataclasses import dataclass

from contrapose.report.curves import CRITERION

#: What a number can be neither below nor above; None for no bound.
Bounds = tuple[float | None, float | None]
#: Shares and ranks, cosines, squared distances of unit vectors.
SHARE, COSINE, DISTANCE = (0.0, 1.0), (-1.0, 1.0), (0.0, 4.0)
NOT_NEGATIVE: Bounds = (0.0, None)
NOT_POSITIVE: Bounds = (None, 0.0)


@dataclass(frozen=True)
class CurvePanel:
    """A picture of curves: the names it shows (the second one dashed), title, what to look for, what values can be."""

    names: tuple[str, ...]
    title: str
    about: str
    bounds: Bounds = (None, None)


PANELS = (
    CurvePanel(("loss",), "Loss", "should fall, then level off"),
    CurvePanel(
        ("positive_cosine", "hardest_negative_cosine"),
        "Positives and hardest negatives",
        "mean cosines; solid: positives, dashed: hardest negatives",
        COSINE,
    ),
    CurvePanel(("alignment",), "Alignment in the batch", "lower: positives nearer", DISTANCE),
    CurvePanel(("uniformity",), "Uniformity in the batch", "lower: spread more evenly", NOT_POSITIVE),
    CurvePanel(("mean_cosine",), "Mean cosine of different texts", "near 1: the space collapses", COSINE),
    CurvePanel(("accuracy",), "Positives found", "share of rows whose positive is nearest", SHARE),
    CurvePanel(
        ("criterion score",), "Score that chooses the checkpoint", "on held-out rows; higher is better"
    ),
    CurvePanel(("learning_rate",), "Learning rate", "as it was scheduled", NOT_NEGATIVE),
)


#: Statistic -> its bounds, for those without a panel of their own.
_BOUNDS: dict[str, Bounds] = {
    "hardest_share": SHARE,
    "mixing_share": SHARE,
    "entropy": NOT_NEGATIVE,
    "grad_norm": NOT_NEGATIVE,
    "struck_out": NOT_NEGATIVE,
    CRITERION + "retrieval_mrr": SHARE,
    CRITERION + "topics": COSINE,
    CRITERION + "alignment": DISTANCE,
    CRITERION + "uniformity": NOT_POSITIVE,
    CRITERION + "effective_rank": NOT_NEGATIVE,
}
_BEGINNINGS: dict[str, Bounds] = {"share_": SHARE, "columns_": NOT_NEGATIVE}


def plain_panel(name: str) -> CurvePanel:
    """A panel for one number that :data:`PANELS` do not name: what the criterion is made of, else one of the steps."""
    held_out = name.startswith(CRITERION)
    words = name.removeprefix(CRITERION).replace("_", " ").capitalize()
    began = next((bounds for start, bounds in _BEGINNINGS.items() if name.startswith(start)), (None, None))
    return CurvePanel((name,), f"{words}, held out" if held_out else words, "", _BOUNDS.get(name, began))

"""What a person is told on the way, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from contrapose.adapt.budget import LOOKS, Planned
from contrapose.adapt.proof import AMONG, LEAST_FOUND, LEAST_OVERLAP
from contrapose.adapt.texts import SHORT, Texts

QUERIES_UNUSED = (
    "the queries are not used: nothing is ranked, for want of documents, of a better search, or of time"
)
TOO_SLOW = "the machine was slower than it was measured to be, and no time was left for it"


def seen(training: Texts, held_out: Texts, *, in_topics: bool) -> str:
    """What the text of a kind is."""
    matter = ""
    if training.kind == SHORT:
        matter = ", which come in topics" if in_topics else ", which are about everything"
    return f"saw {training.what}{matter}: {len(training):,} to learn from, {len(held_out):,} that prove"


def proves_nothing(found: float) -> str:
    """Why short texts whose halves find each other so badly (mean reciprocal rank) are not learned from."""
    return (
        f"nothing could be proven on the short texts: their halves are about different things (among {AMONG} texts one "
        f"finds the other with a mean reciprocal rank of {found:.2f}, and {LEAST_FOUND} is needed), so nothing is "
        "learned from them"
    )


def plan_in_words(planned: Sequence[Planned], seconds_per_look: float) -> str:
    """What is trained, and about how long it takes with all looks."""
    tried = [each for each in planned if each.steps]
    signals = ", ".join(f"{each.signal.name} ({each.steps} steps)" for each in tried)
    minutes = (sum(each.seconds for each in tried) + LOOKS * seconds_per_look) / 60
    return (
        f"the text can teach {signals}: about {max(1, round(minutes))} min from here; then, while time is left, what "
        "is taken once more on all of the text"
    )


def not_tried(names: Sequence[str]) -> str:
    """What did not fit."""
    return f"not tried, for want of time: {', '.join(names)}. Give more --minutes to try all that the text teaches"


def left_out_late(planned: Planned) -> str:
    """What a machine that became slower has no time for any more."""
    return f"training is slower than it was measured to be: '{planned.signal.name}' is left out, to keep to the minutes"


def trained_again(names: Sequence[str], proven_by: int, rows: int) -> str:
    """What the encoder that is handed out learned beyond the one that was proven."""
    return (
        f"what is proven learned from {proven_by:,} rows; {' and '.join(names)} learned once more from all {rows:,}, "
        "and the mean of both is handed out"
    )


def not_trained_again(kept: float) -> str:
    """Why the second training was of no use."""
    return (
        "training once more on all of the text moved too many neighbours of general sentences "
        f"({kept:.0%} stayed, and {LEAST_OVERLAP:.0%} must), so the encoder that was proven is handed out"
    )

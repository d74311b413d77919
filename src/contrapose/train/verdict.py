"""Did training help? The start and the model on the same held-out rows, in words, with the numbers behind them.

What a label-free verdict is worth was measured on labelled domains (docs/studies.md, "selection"), and is told with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from contrapose.evaluate.labelfree import HARMS, HELPS, UNCLEAR

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder
    from contrapose.train.select import Criterion

UNJUDGED = "not judged"
#: Of label-free verdicts on domains left out when the rule was fitted: (right, said); a test counts them again.
RELIABILITY: Mapping[str, tuple[int, int]] = {HELPS: (3, 4), UNCLEAR: (15, 23), HARMS: (17, 19)}

#: What to try next where training harms, by where the views came from.
ADVICE: Mapping[str, str] = {
    "dropout": "Where the text has titles or questions beside it, train on those pairs (--columns title,text); else "
    "try --views crop or a lower --learning-rate, and judge with labels (--dev-data, contrapose evaluate).",
    "crop": "Where the documents have titles, train on (title, text) pairs (--columns title,text); else try a lower "
    "--learning-rate, and judge with labels (--dev-data, contrapose evaluate).",
    "pairs": "See whether the pairs belong together; try a lower --learning-rate or fewer --steps, and judge with "
    "labels (--dev-data, contrapose evaluate).",
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """word: "helps", "no clear change", "harms" or "not judged"; the rest says why, in words and numbers.

    measured: what the numbers are of; difference, low, high, p_value: from the start to the model, over ``rows``.
    """

    word: str
    text: str
    advice: str = ""
    measured: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    rows: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def unjudged() -> Verdict:
    """The verdict where nothing can be compared."""
    return Verdict(
        word=UNJUDGED,
        text="Not judged: no text was held out to compare with the start (too little text, or --criterion none).",
    )


def start_kept(trained: Verdict, views: str) -> Verdict:
    """The verdict on the start itself, where no share of what was trained is expected to be better."""
    return Verdict(
        word=UNCLEAR,
        text="No clear change: the model is the start, unchanged, since no share of the trained weights is expected "
        f"to be better (--blend 1 takes them all). Of what was trained: {trained.text}",
        advice=ADVICE[views],
        measured=trained.measured,
        rows=trained.rows,
    )


def judge(
    criterion: Criterion, model: Encoder, precision: str, views: str, *, brief: bool = False
) -> Verdict:
    """The model against the encoder that the run began with, on the criterion's held-out rows, pair by pair.

    brief: the model is a blend of encoders that were looked at, so a look at the pairs is enough.
    """
    with model.in_mode(training=False):
        found = criterion.judge(model, precision, brief=brief)
    if found is None:
        text = f"Harms: the model, or its start, gives all texts nearly one vector ({criterion.about})."
        return Verdict(word=HARMS, text=text, advice=ADVICE[views], measured=criterion.about)
    test = found.because
    # Label-free measures are cosines and ranks in [0, 1], where thousandths count; others are points.
    places = 4 if criterion.name == "label-free" else 2
    change, low, high = (f"{value:+.{places}f}" for value in (test.difference, test.low, test.high))
    told = (
        f"{found.word.capitalize()}: {found.measured} {change} [{low}, {high}] over {test.rows} rows.",
        f"{found.why}." if found.why else "",
        _worth(criterion.name, found.word),
    )
    return Verdict(
        word=found.word,
        text=" ".join(part for part in told if part),
        advice=ADVICE[views] if found.word == HARMS else "",
        measured=found.measured,
        difference=test.difference,
        low=test.low,
        high=test.high,
        p_value=test.p_value,
        rows=test.rows,
    )


def _worth(criterion: str, word: str) -> str:
    if criterion != "label-free":
        return ""
    right, said = RELIABILITY[word]
    return f"Judged without labels; on labelled domains such a verdict was right in {right} of {said} runs."

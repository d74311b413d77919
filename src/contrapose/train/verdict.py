"""Did training help? The start and the model on the same held-out rows, in words, with the numbers behind them.

What a label-free verdict is worth was measured on labelled domains (docs/studies.md, "selection"), and is told with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from contrapose.evaluate.evidence import in_words
from contrapose.evaluate.labelfree import HARMS_BELOW, HELPS_ABOVE, JUDGED, RIGHT
from contrapose.train.select import LabelFree

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder
    from contrapose.evaluate.statistics import PairedTest
    from contrapose.train.select import Criterion

HELPS, UNCLEAR, HARMS, UNJUDGED = "helps", "no clear change", "harms", "not judged"
_WORDS = {"better": HELPS, "worse": HARMS, "no clear change": UNCLEAR}

#: What to try next where training harms, by where the views came from.
ADVICE: Mapping[str, str] = {
    "dropout": "Where the text has titles or questions beside it, train on those pairs (--columns title,text); else "
    "try --views crop, a lower --learning-rate, or --blend auto.",
    "crop": "Where the documents have titles, train on (title, text) pairs (--columns title,text); else a lower "
    "--learning-rate, or --blend auto.",
    "pairs": "Try a lower --learning-rate, fewer --steps, or --blend auto; and see whether the pairs belong together.",
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


def judge(criterion: Criterion, model: Encoder, precision: str, views: str) -> Verdict:
    """The model against the encoder that the run began with, on the criterion's held-out rows, pair by pair."""
    with model.in_mode(training=False):
        test = criterion.change(model, precision)
    if test is None:
        text = f"Harms: the model, or its start, gives all texts nearly one vector ({criterion.about})."
        return Verdict(word=HARMS, text=text, advice=ADVICE[views], measured=criterion.about)
    word = word_of(criterion.name, test)
    interval = f"{test.difference:+.3f} [{test.low:+.3f}, {test.high:+.3f}]"
    return Verdict(
        word=word,
        text=f"{word.capitalize()}: {criterion.about}: {interval}.{_worth(criterion.name)}",
        advice=ADVICE[views] if word == HARMS else "",
        measured=criterion.about,
        difference=test.difference,
        low=test.low,
        high=test.high,
        p_value=test.p_value,
        rows=test.rows,
    )


def word_of(criterion: str, test: PairedTest) -> str:
    """A labelled score speaks for itself; a label-free gain must also be as large as those that came true."""
    word = _WORDS[in_words(test)]
    if criterion == LabelFree.name and HARMS_BELOW <= test.difference <= HELPS_ABOVE:
        return UNCLEAR
    return word


def _worth(criterion: str) -> str:
    if criterion != LabelFree.name:
        return ""
    return f" On labelled domains that it was not fitted on, such a verdict was right in {RIGHT} of {JUDGED} runs."

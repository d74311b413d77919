"""What a report, days later, says a model is worth: the run's own verdict first, and what labelled tasks say of it.

A run judges itself once, at its end. Evaluations on labelled tasks may follow; where they contradict the run, that is
said beside its verdict and never in place of it. All words of a verdict stand in this package.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contrapose.foreign import finite_number
from contrapose.selection.label_free import HARMS, HELPS, UNCLEAR
from contrapose.selection.scores import decimals_of, told
from contrapose.selection.verdict import UNCHANGED, UNJUDGED, score_of_model

#: The word where labelled tasks disagree with each other.
MIXED = "helps and harms"
#: Word -> a sign that says the same without colour.
SIGNS = {HELPS: "▲", HARMS: "▼", UNCLEAR: "●", UNCHANGED: "=", MIXED: "◆", UNJUDGED: "○"}
#: Word -> how it is meant, for whoever gives it a colour.
TONES = {HELPS: "good", HARMS: "bad", UNCLEAR: "unclear", UNCHANGED: "unclear", MIXED: "both"}
#: Tasks named in a sentence; of more, only how many there are is said.
MOST_NAMED = 4

_HAPPENED = {
    HELPS: "On labelled tasks the model is better than the pretrained model.",
    HARMS: "On labelled tasks the model is worse than the pretrained model.",
    MIXED: "The model is better than the pretrained model on some labelled tasks, and worse on others.",
    UNCLEAR: "On labelled tasks no difference between the model and the pretrained model is clear.",
}
_ADVICE = {
    HELPS: "Use the model for tasks like these.",
    HARMS: "Use the pretrained model for these tasks, or train less: fewer steps, a lower learning rate, views of "
    "another kind (--views crop, or pairs that belong together).",
    MIXED: "Use the trained model only for what it helps with, or train less: fewer steps or a lower learning rate "
    "keep more of the pretrained model.",
    UNCLEAR: "Evaluate on more data before you choose, or keep the pretrained model: it is the simpler one.",
}
#: What a single paired difference is called -> the verdict that it speaks for.
_SPEAKS_FOR = {"better": HELPS, "worse": HARMS}


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """After - before on the same rows. ``p_corrected``: after Holm, for all differences of the report together.

    words: "better", "worse" or "no clear change".
    """

    value: float
    low: float
    high: float
    p_value: float
    p_corrected: float
    words: str


@dataclass(frozen=True, kw_only=True)
class LabelledChange:
    """The difference by one measure of a labelled task. name: the task, with the measure where it has several."""

    task: str
    name: str
    difference: PairedDifference


@dataclass(frozen=True, kw_only=True)
class ReportedVerdict:
    """word: one of the keys of :data:`SIGNS`. source: who says so.

    happened, advice, number, sure: in the order in which they are told. labelled: what labelled tasks of the ledger
    say, where the word is the run's own; against: a warning where they contradict it.
    """

    word: str
    happened: str
    advice: str = ""
    number: str = ""
    sure: str = ""
    labelled: str = ""
    against: str = ""
    source: str = ""

    @property
    def what_happened(self) -> list[str]:
        """The paragraphs between the word, which is not said again, and what to do; the warning is the first."""
        said = self.happened.removeprefix(f"{self.word.capitalize()}: ")
        return [part for part in (self.against, said[:1].upper() + said[1:]) if part]

    @property
    def grounds(self) -> list[str]:
        """The paragraphs beneath what to do: the numbers, and how sure they are."""
        return [part for part in (self.number, self.sure, self.labelled) if part]


def reported_verdict(summary: Mapping[str, Any], changes: Sequence[LabelledChange]) -> ReportedVerdict:
    """Of the summary that a run wrote, of whatever version, and the paired differences that the ledger holds of it."""
    own = summary.get("verdict")
    if isinstance(own, Mapping) and isinstance(own.get("word"), str) and own["word"] != UNJUDGED:
        return _of_the_run(own, changes)
    if not changes:
        label_free = _criterion_moved(summary)
        return ReportedVerdict(
            word=UNJUDGED,
            happened="Nobody knows yet whether training helped: the ledger holds no evaluation of both the pretrained "
            "and the trained model on the same data.",
            advice="Evaluate both, with the commands below.",
            number=label_free,
            sure="That score needs no labels, and alone it does not tell help from harm."
            if label_free
            else "",
            source="nothing that was measured on labels",
        )
    clear = _clear_words(changes)
    word = MIXED if len(clear) > 1 else _SPEAKS_FOR[clear[0]] if clear else UNCLEAR
    return ReportedVerdict(
        word=word,
        happened=_HAPPENED[word],
        advice=_ADVICE[word],
        number=_summed_up(changes),
        sure=_criterion_moved(summary),
        source="paired differences in the ledger",
    )


def _of_the_run(own: Mapping[str, Any], changes: Sequence[LabelledChange]) -> ReportedVerdict:
    parts = {part: str(own.get(part) or "") for part in ("advice", "number", "sure")}
    measured = own.get("measured")
    source = "the run's own measure" + (f" ({measured})" if isinstance(measured, str) and measured else "")
    contrary = [word for word in _clear_words(changes) if _SPEAKS_FOR[word] != own["word"]]
    against = f"But labelled tasks say otherwise: {' and '.join(contrary)}. "
    against += "Believe these where they are like your task."
    return ReportedVerdict(
        word=own["word"],
        happened=str(own.get("happened") or own.get("text") or ""),
        labelled=_summed_up(changes),
        against=against if contrary else "",
        source=source + (", and paired differences in the ledger" if changes else ""),
        **parts,
    )


def _clear_words(changes: Iterable[LabelledChange]) -> list[str]:
    said = {change.difference.words for change in changes}
    return [word for word in _SPEAKS_FOR if word in said]


def _summed_up(changes: Sequence[LabelledChange]) -> str:
    """The paired differences in a sentence or two; "" where there are none."""
    if not changes:
        return ""
    parts = []
    for word in (*_SPEAKS_FOR, UNCLEAR):
        pairs = [(change.name, change.difference) for change in changes if change.difference.words == word]
        said = [f"{name} {d.value:+.2f} [{d.low:+.2f}, {d.high:+.2f}]" for name, d in pairs]
        if said:
            more = f" and {len(said) - MOST_NAMED} more" if len(said) > MOST_NAMED else ""
            listed = ", ".join(said[:MOST_NAMED]) + more
            parts.append(f"{word}: {listed}" if len(changes) == 1 else f"{word} on {len(said)} ({listed})")
    count = len({change.task for change in changes})
    tasks = "1 labelled task" if count == 1 else f"{count} labelled tasks"
    if count < len(changes):
        tasks += f" by {len(changes)} measures"
    noise = " A difference inside its noise is no clear change." if UNCLEAR in parts[-1] else ""
    return f"Measured on {tasks}, after against before on the same rows, {'; '.join(parts)}.{noise}"


def _criterion_moved(summary: Mapping[str, Any]) -> str:
    """What the criterion says; it chose the checkpoint, and is no proof."""
    before, after = finite_number(summary.get("score_before")), finite_number(score_of_model(summary))
    if before is None or after is None:
        return ""
    moved = "rose" if after > before else "fell" if after < before else "stayed"
    about = summary.get("criterion_about") or summary.get("criterion") or "the criterion"
    places = decimals_of(before, after)
    numbers = f"from {told(before, places)} to {told(after, places)}"
    return f"The score that chose the checkpoint ({about}) {moved} {numbers}."

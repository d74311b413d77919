"""The summary in words: what the run says of itself, else what the ledger's differences say, else what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contrapose.report.folders import number
from contrapose.report.record import Score, Verdict
from contrapose.report.wording import named
from contrapose.selection.verdict import decimals_of, score_of_model

#: Longest list of tasks in a sentence.
MOST_NAMED = 4


def verdict_of(summary: Mapping[str, Any], scores: Sequence[Score]) -> Verdict:
    """``scores`` come with corrected p-values. The run's own verdict stands first where it has one."""
    own = summary.get("verdict")
    if isinstance(own, Mapping) and isinstance(own.get("word"), str) and own["word"] != "not judged":
        labelled = _told(scores)
        measured = own.get("measured")
        return Verdict(
            word=own["word"],
            happened=str(own.get("happened") or own.get("text") or ""),
            advice=str(own.get("advice") or ""),
            number=str(own.get("number") or ""),
            sure=str(own.get("sure") or ""),
            labelled=labelled,
            against=_against(own["word"], scores),
            source="the run's own measure"
            + (f" ({measured})" if isinstance(measured, str) and measured else "")
            + (", and paired differences in the ledger" if labelled else ""),
        )
    paired = [score for score in scores if score.difference is not None]
    if not paired:
        return _unjudged(summary)
    words = {score.difference.words for score in paired if score.difference}
    if {"better", "worse"} <= words:
        word = "helps and harms"
    else:
        word = "helps" if "better" in words else "harms" if "worse" in words else "no clear change"
    return Verdict(
        word=word,
        happened=_HAPPENED[word],
        advice=_ADVICE.get(word, ""),
        number=_told(scores),
        sure=_label_free(summary),
        source="paired differences in the ledger",
    )


_HAPPENED = {
    "helps": "On labelled tasks the model is better than its start.",
    "harms": "On labelled tasks the model is worse than its start.",
    "helps and harms": "The model is better than its start on some labelled tasks, and worse on others.",
    "no clear change": "On labelled tasks no difference between the model and its start is clear.",
}
_ADVICE = {
    "helps": "Use the model for tasks like these.",
    "harms": "Use the start model for these tasks, or train less: fewer steps, a lower learning rate, views of "
    "another kind (--views crop, or pairs that belong together).",
    "helps and harms": "Use the trained model only for what it helps with, or train less: fewer steps or a lower "
    "learning rate keep more of the start model.",
    "no clear change": "Evaluate on more data before you choose, or keep the start model: it is the simpler one.",
}


def _against(word: str, scores: Sequence[Score]) -> str:
    """A warning where labelled tasks contradict what the run says of itself."""
    words = {score.difference.words for score in scores if score.difference is not None}
    contrary = [
        name
        for name in ("better", "worse")
        if name in words and word != {"better": "helps", "worse": "harms"}[name]
    ]
    if not contrary:
        return ""
    return f"But labelled tasks say otherwise: {' and '.join(contrary)}. Believe these where they are like your task."


def _told(scores: Sequence[Score]) -> str:
    """The paired differences in a sentence or two."""
    paired = [(score, score.difference) for score in scores if score.difference is not None]
    if not paired:
        return ""
    parts = []
    for word in ("better", "worse", "no clear change"):
        found = [
            f"{named(s, scores)} {d.value:+.2f} [{d.low:+.2f}, {d.high:+.2f}]"
            for s, d in paired
            if d.words == word
        ]
        if found:
            more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
            listed = ", ".join(found[:MOST_NAMED]) + more
            parts.append(f"{word}: {listed}" if len(paired) == 1 else f"{word} on {len(found)} ({listed})")
    count = len({score.task for score, _ in paired})
    tasks = "1 labelled task" if count == 1 else f"{count} labelled tasks"
    if count < len(paired):
        tasks += f" by {len(paired)} measures"
    noise = " A difference inside its noise is no clear change." if "no clear change" in parts[-1] else ""
    return f"Measured on {tasks}, after against before on the same rows, {'; '.join(parts)}.{noise}"


def _label_free(summary: Mapping[str, Any]) -> str:
    """What the criterion says, and that it is no proof."""
    before, after = number(summary.get("score_before")), number(score_of_model(summary))
    if before is None or after is None:
        return ""
    moved = "rose" if after > before else "fell" if after < before else "stayed"
    about = summary.get("criterion_about") or summary.get("criterion") or "the criterion"
    places = decimals_of(before, after)
    return f"The score that chose the checkpoint ({about}) {moved} from {before:.{places}f} to {after:.{places}f}."


def _unjudged(summary: Mapping[str, Any]) -> Verdict:
    known = _label_free(summary)
    return Verdict(
        word="not judged",
        happened="Nobody knows yet: no paired evaluation of the start model and of this model is in the ledger.",
        advice="Evaluate both, with the commands below.",
        number=known,
        sure="That score needs no labels, and alone it does not tell help from harm." if known else "",
        source="nothing that was measured on labels",
    )

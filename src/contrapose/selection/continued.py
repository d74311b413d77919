"""What going on with new text did to a model, in words: what it learnt, what it forgot, and which model to use.

Each text's own verdict is that of held-out rows without labels (``label_free.py``). How often such a verdict is right
was measured on the text that a model was trained on, and not on earlier text; the sentences say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from contrapose.evaluate.statistics import in_words
from contrapose.selection.label_free import HARMS, HELPS, UNCLEAR, Judgement

#: The method that remembers, and plain training, as they are called in sentences.
_CALLED = {"pnr": "pnr", "simcse": "plain training"}
#: Of a method whose training did not end with every seed: it has no verdict.
DIVERGED = "diverged"


@dataclass(frozen=True, kw_only=True)
class TextVerdict:
    """word: HELPS, UNCLEAR, HARMS, against the model as it was before, or DIVERGED.

    changed: what clearly rose or fell, or how many seeds diverged; "" where there is nothing to say.
    """

    word: str
    changed: str = ""

    @classmethod
    def of(cls, judgement: Judgement | None) -> TextVerdict:
        """None is the judgement of a model that gives nearly all texts one vector."""
        if judgement is None:
            return cls(word=HARMS, changed="nearly all texts have one vector")
        clear = {"better": judgement.measure.rose, "worse": judgement.measure.fell}
        return cls(word=judgement.word, changed=clear.get(in_words(judgement.because), ""))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def most_said(verdicts: Sequence[TextVerdict], seeds: int) -> TextVerdict:
    """What more than half of the seeds say; else that nothing is sure. A seed without a verdict has diverged.

    >>> most_said([TextVerdict(word=HARMS), TextVerdict(word=HELPS)], 2).word
    'no clear change'
    >>> most_said([TextVerdict(word=HELPS)], 3)
    TextVerdict(word='diverged', changed='2 of 3 seeds')
    """
    if without := seeds - len(verdicts):
        return TextVerdict(word=DIVERGED, changed=f"{without} of {seeds} seeds" if seeds > 1 else "")
    for word in (HARMS, HELPS):
        said = [verdict for verdict in verdicts if verdict.word == word]
        if len(said) * 2 > len(verdicts):
            return said[0]
    return TextVerdict(word=UNCLEAR)


def continuation_in_words(
    *,
    earlier: str,
    new: Sequence[str],
    verdicts: Mapping[str, Mapping[str, Sequence[TextVerdict]]],
    between: Mapping[str, str],
    ranks: Mapping[str, Mapping[str, str]],
    seeds: int,
) -> list[str]:
    """verdicts: method -> text -> of each seed that ended; between: text -> how pnr differs from plain training.

    ranks: text -> method -> how well a text finds the one that belongs to it, against the model as it was, in words.
    seeds: that were trained. A method that diverged with one of them is told as diverged, compared with nothing and
    never advised.
    """
    texts = (earlier, *new)
    told = {
        method: {text: most_said(of_text.get(text, ()), seeds) for text in texts}
        for method, of_text in verdicts.items()
    }
    ended = [method for method in told if told[method][earlier].word != DIVERGED]
    lines = [_about_earlier(earlier, {method: of_text[earlier] for method, of_text in told.items()})]
    lines += [_about_new(text, {method: of_text[text] for method, of_text in told.items()}) for text in new]
    if ended:
        lines += [_by_rank(text, {method: ranks[text][method] for method in ended}) for text in texts]
    if len(ended) == len(told):
        lines += [_against_plain(text, between[text]) for text in texts]
    lines.append(_advice(told["pnr"], told["simcse"]))
    lines.append(
        "Judged without labels: how often such a verdict is right was measured on the text that a model was trained "
        "on, not on earlier text. To be sure, measure labelled tasks of both (--data)."
    )
    return lines


def _about_earlier(text: str, told: Mapping[str, TextVerdict]) -> str:
    words = {
        HARMS: "{} forgot: {}",
        HELPS: "{} forgot nothing: {}",
        UNCLEAR: "no sure sign that {} forgot",
        DIVERGED: "{} diverged: {}",
    }
    return f"{text}: {_joined(words, told)}."


def _about_new(text: str, told: Mapping[str, TextVerdict]) -> str:
    words = {
        HARMS: "{} harmed the model: {}",
        HELPS: "{} helped: {}",
        UNCLEAR: "no sure sign that {} helped or harmed",
        DIVERGED: "{} diverged: {}",
    }
    return f"{text}: {_joined(words, told)}."


def _joined(words: Mapping[str, str], told: Mapping[str, TextVerdict]) -> str:
    return "; ".join(
        words[verdict.word].format(_CALLED[method], verdict.changed).removesuffix(": ")
        for method, verdict in told.items()
    )


def _by_rank(text: str, ranks: Mapping[str, str]) -> str:
    words = {
        "better": "better",
        "worse": "less well",
        "no clear change": "neither clearly better nor less well",
    }
    told = [f"{words[change]} after {_CALLED[method]}" for method, change in ranks.items()]
    return f"{text}: a text finds the one that belongs to it {'; '.join(told)}."


def _against_plain(text: str, words: str) -> str:
    if words == "no clear change":
        return f"{text}: no clear difference between pnr and plain training."
    return f"{text}: pnr is clearly {words} than plain training, by the expected gain."


def _advice(pnr: Mapping[str, TextVerdict], plain: Mapping[str, TextVerdict]) -> str:
    """Which model to use; never one that harmed the new text, forgot the earlier, or does not exist."""
    against_pnr, against_plain = _what_is_against(pnr), _what_is_against(plain)
    if not against_pnr and not against_plain:
        return "Neither shows harm on any text: choose between the two, and the model as it was, by labelled tasks."
    if not against_pnr:
        return f"Use the model of pnr: plain training {against_plain}, and pnr shows no harm."
    if not against_plain:
        return f"Use the model of plain training: pnr {against_pnr}, and plain training shows no harm."
    return (
        f"Keep the model as it was for what it serves now: pnr {against_pnr}, and plain training {against_plain}. "
        "Try a lower learning rate or fewer steps."
    )


def _what_is_against(told: Mapping[str, TextVerdict]) -> str:
    """Why a method's model is not to be used; "" where nothing is against it."""
    words = {verdict.word for verdict in told.values()}
    if DIVERGED in words:
        return "diverged"
    return "shows harm" if HARMS in words else ""

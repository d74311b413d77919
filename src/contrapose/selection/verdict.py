"""Did training help? Before and after on the same held-out rows, in words, with the numbers behind them.

Every verdict is told in one order: what happened, what to do, the number, how sure that is. What a label-free verdict
is worth was measured on labelled domains (docs/studies.md, "selection").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from contrapose.evaluate.statistics import in_words
from contrapose.selection.label_free import HARMS, HELPS, UNCLEAR, Judgement
from contrapose.text.catalogue import advice_for

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder
    from contrapose.selection.criterion import Criterion

UNCHANGED, UNJUDGED = "unchanged", "not judged"
#: Of label-free verdicts on domains left out when the rule was fitted: (right, said); a test counts them again.
RELIABILITY: Mapping[str, tuple[int, int]] = {HELPS: (3, 4), UNCLEAR: (15, 23), HARMS: (17, 19)}
#: Runs on the labelled domains that kept the pretrained model; of those where training had harmed; where it had helped.
KEPT_STARTS = (18, 15, 2)

_WITH_LABELS = "evaluate it and the pretrained model on labels of your own task (contrapose evaluate)"
#: Criterion -> where it looks.
_ON = {"label-free": "held-out text", "stsb-dev": "the STS-B development pairs"}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """word: "helps", "no clear change", "harms", "unchanged" (the model is the pretrained one) or "not judged".

    happened, advice, number, sure: the same in sentences, in the order in which they are told; "" where there is none.
    measured: what the numbers are of; difference, low, high, p_value: from before to after training, over ``rows``.
    """

    word: str
    happened: str
    advice: str = ""
    number: str = ""
    sure: str = ""
    measured: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    rows: int = 0

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(part for part in (self.happened, self.advice, self.number, self.sure) if part)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "text": self.text}


def is_pretrained(summary: Mapping[str, Any]) -> bool:
    """Whether the model that a run hands out is the encoder it began with, unchanged: one fingerprint for both.

    >>> is_pretrained({"start_fingerprint": "3f", "fingerprint": "3f"}), is_pretrained({"blend": 0.5})
    (True, False)
    """
    pretrained, model = summary.get("start_fingerprint"), summary.get("fingerprint")
    return bool(pretrained == model) if pretrained is not None else summary.get("blend") == 0


def score_of_model(summary: Mapping[str, Any]) -> float | None:
    """The criterion's score of the model as it was blended; None where that was not measured.

    >>> score_of_model({"score_chosen": -0.2, "blend": 0.5, "blend_scores": {"0": 0.0, "0.5": 0.1, "1": -0.2}})
    0.1
    """
    share = summary.get("blend", 1.0)
    measured = (summary.get("blend_scores") or {}).get(f"{share:g}")
    return measured if measured is not None or share != 1 else summary.get("score_chosen")


def unjudged() -> Verdict:
    """The verdict where nothing can be compared."""
    return Verdict(
        word=UNJUDGED,
        happened="Not judged: no text was held out to compare before and after (too little, or --criterion none).",
        advice=f"Before you use the model, {_WITH_LABELS}.",
    )


def pretrained_kept(trained: Verdict, views: str, blending: Mapping[str, Any], criterion: str) -> Verdict:
    """The verdict where the model is the pretrained one, and why: ``blending`` says how it was made.

    trained: the verdict on all that was trained.
    """
    number = trained.number.replace("Measured:", "Measured with all that was trained:", 1)
    if blending["blend"] != 0:
        return Verdict(
            word=UNCHANGED,
            happened="Your model is unchanged: training moved no weight of it.",
            advice="Look into metrics.jsonl for skipped steps; else give more --steps or a higher --learning-rate.",
        )
    if not blending["blend_scores"]:
        return Verdict(
            word=UNCHANGED,
            happened="Your model is unchanged: --blend 0 asks for the pretrained model.",
            advice="--blend 1 hands out what was trained, and --blend auto chooses.",
            number=number,
        )
    on = _ON[criterion]
    happened = f"Your model is unchanged: training did not help on {on}."
    if trained.word == HELPS:
        happened = f"Your model is unchanged: what was trained is better by one measure on {on}, and worse by another."
    kept, harmed, helped = KEPT_STARTS
    outcome = (
        f"of {kept} runs on labelled domains that ended so, training had harmed {harmed} and helped {helped}"
    )
    return Verdict(
        word=UNCHANGED,
        happened=happened,
        advice=f"{advice_for(views)} To have what was trained all the same: --blend 1.",
        number=number,
        sure=f"Judged without labels: {outcome}." if criterion == "label-free" else "",
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
        judgement = criterion.judge(model, precision, brief=brief)
    return in_sentences(judgement, criterion.name, criterion.about, views)


def in_sentences(judgement: Judgement | None, criterion: str, about: str, views: str) -> Verdict:
    """A judgement as sentences; None is that of a collapsed model."""
    harmed = f"Keep using the pretrained model. {advice_for(views)}"
    if judgement is None:
        return Verdict(
            word=HARMS,
            happened="Training harmed the model: it gives nearly all texts one vector, and cannot tell them apart.",
            advice=harmed,
            number=f"Measured: {about}.",
            measured=about,
        )
    test, measure, on = judgement.because, judgement.measure, _ON[criterion]
    clear = {"better": measure.rose, "worse": measure.fell}.get(in_words(test))
    if judgement.word == HELPS:
        happened, advice = f"Training helped: on {on}, {clear}.", f"To be sure, {_WITH_LABELS}."
    elif judgement.word == HARMS:
        happened, advice = f"Training harmed the model: on {on}, {clear}.", harmed
    else:
        happened = f"No clear change on {on}: what differs from the pretrained model could be chance."
        if clear:
            happened = f"No sure sign of help or harm: on {on}, {clear}, but {judgement.why}."
        advice = f"Before you use the model in place of the pretrained model, {_WITH_LABELS}."
    # Label-free measures are cosines and ranks in [0, 1], where thousandths count; others are points.
    decimals = 4 if criterion == "label-free" else 2
    change, low, high = (f"{value:+.{decimals}f}" for value in (test.difference, test.low, test.high))
    return Verdict(
        word=judgement.word,
        happened=happened,
        advice=advice,
        number=f"Measured: {measure.name} {change} [{low}, {high}] over {test.rows} rows.",
        sure=_sure(criterion, judgement),
        measured=measure.name,
        difference=test.difference,
        low=test.low,
        high=test.high,
        p_value=test.p_value,
        rows=test.rows,
    )


def _sure(criterion: str, judgement: Judgement) -> str:
    if criterion != "label-free":
        test = judgement.because
        return f"Judged on labels; in brackets the {test.level:.0%} interval of the difference, p = {test.p_value:.3f}."
    word = judgement.word
    right, said = RELIABILITY[word]
    return f"Judged without labels: on labelled domains the verdict '{word}' was right in {right} of {said} runs."

"""Every verdict is told in one order, in words that fit its direction, and means what the numbers say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from contrapose.evaluate.statistics import paired_test
from contrapose.seeds import numpy_generator
from contrapose.selection.criterion import STSB_DEV
from contrapose.selection.label_free import (
    DIFFUSE,
    HARMS,
    HELPS,
    MARGIN,
    UNCLEAR,
    Judgement,
    LabelFreeStatistics,
    judge,
)
from contrapose.selection.verdict import (
    KEPT_STARTS,
    UNCHANGED,
    Verdict,
    in_sentences,
    is_pretrained,
    pretrained_kept,
    score_of_model,
    unjudged,
)
from contrapose.text.catalogue import advice_for, all_text_parts

#: Words that a clear change in a direction may not be told with.
RISE, FALL = ("rise", "rose", "more among", "better than before"), ("fall", "fell", "less among", "less well")
TOPICS = {"topics": DIFFUSE + 0.1, "about everything": DIFFUSE - 0.05}
CHANGES = {"rise": 0.05, "fall": -0.05, "small fall": -0.5 * MARGIN, "no change": 0.0}


def seen(topics: float, margin: float, ranks: float | None) -> LabelFreeStatistics:
    """A look at 200 rows; ``ranks`` None: at halves alone."""
    noise = 1e-5 * numpy_generator(0, "noise").standard_normal(200)
    halves = {"margin": margin + noise, "closeness": noise, "spread": noise, "reciprocal_rank": noise}
    scores = {"halves": halves}
    if ranks is not None:
        scores["titles"] = {**halves, "reciprocal_rank": 0.5 + ranks + noise}
    return LabelFreeStatistics(scores=scores, topics=topics, uniformity=-3.0, effective_rank=50.0)


def judged(topics: float, margin: float, ranks: float | None) -> Judgement:
    found = judge(seen(topics, 0.0, None if ranks is None else 0.0), seen(0.1, margin, ranks))
    assert found is not None
    return found


def table() -> list[tuple[str, Judgement]]:
    """Every way to a verdict: texts in topics or not, halves alone or titles, each change of each measure."""
    cases = []
    for (place, topics), (change, margin) in itertools.product(TOPICS.items(), CHANGES.items()):
        cases.append((f"{place}, halves, {change}", judged(topics, margin, None)))
        for rank_change, ranks in CHANGES.items():
            name = f"{place}, margin {change}, titles {rank_change}"
            cases.append((name, judged(topics, margin, ranks)))
    return cases


CASES = table()


@pytest.mark.parametrize(("name", "found"), CASES, ids=[name for name, _ in CASES])
@pytest.mark.parametrize("views", [*all_text_parts(), "of-a-plugin-that-is-gone"])
def test_words_fit_the_direction_of_what_was_measured(name: str, found: Judgement, views: str) -> None:
    verdict = in_sentences(found, "label-free", "held-out texts", views)
    difference = found.because.difference
    wrong = FALL if difference > 0 else RISE
    assert not [word for word in wrong if word in verdict.happened], verdict.happened
    unclear = "No sure sign" if found.why else "No clear change"
    assert verdict.happened.startswith(
        {HELPS: "Training helped", HARMS: "Training harmed", UNCLEAR: unclear}[found.word]
    )
    if found.word != UNCLEAR:
        assert (difference > 0) == (found.word == HELPS)


@pytest.mark.parametrize(("name", "found"), CASES, ids=[name for name, _ in CASES])
def test_a_verdict_says_what_happened_then_what_to_do_then_the_number_then_how_sure(
    name: str, found: Judgement
) -> None:
    verdict = in_sentences(found, "label-free", "held-out texts", "dropout")
    parts = [verdict.happened, verdict.advice, verdict.number, verdict.sure]
    assert all(part.endswith(".") for part in parts)
    places = [verdict.text.index(part) for part in parts]
    assert places == sorted(places)
    assert places[0] == 0
    assert f"{found.because.difference:+.4f}" in verdict.number
    assert verdict.to_json()["text"] == verdict.text


def test_the_table_holds_every_word_and_a_reason_for_every_clear_change_that_decides_nothing() -> None:
    assert {found.word for _, found in CASES} == {HELPS, UNCLEAR, HARMS}
    reasons = {found.why for _, found in CASES if found.word == UNCLEAR}
    assert len(reasons) == 5, reasons
    for _, found in CASES:
        clear = not found.because.low <= 0 <= found.because.high
        assert bool(found.why) == (found.word == UNCLEAR and clear)


@pytest.mark.parametrize(("change", "word"), [(1.0, HELPS), (-1.0, HARMS), (0.0, UNCLEAR)])
def test_with_labels_the_words_follow_the_direction_too(change: float, word: str) -> None:
    before = numpy_generator(0, "x").standard_normal(60)
    found = Judgement(word=word, measure=STSB_DEV, because=paired_test(before, before + change))
    verdict = in_sentences(found, "stsb-dev", STSB_DEV.name, "dropout")
    assert (" better than the pretrained model" in verdict.happened) == (change > 0)
    assert (" less well than the pretrained model" in verdict.happened) == (change < 0)
    assert "Judged on labels" in verdict.sure


def test_a_collapsed_model_is_called_so() -> None:
    verdict = in_sentences(None, "label-free", "held-out texts", "crop")
    assert verdict.word == HARMS
    assert "nearly all texts one vector" in verdict.happened
    assert advice_for("crop") in verdict.advice


def kept(blending: dict[str, object], trained: str = HARMS, criterion: str = "label-free") -> Verdict:
    whole = Verdict(
        word=trained, happened="x", number="Measured: margin -0.0100 [-0.0200, -0.0010] over 9 rows."
    )
    return pretrained_kept(whole, "dropout", blending, criterion)


CHOSEN = {"blend": 0.0, "blend_scores": {"0": 0.0, "1": -0.01}}


def test_a_start_that_is_handed_out_is_called_unchanged_first_and_why() -> None:
    verdict = kept(CHOSEN)
    assert verdict.word == UNCHANGED
    assert verdict.text.startswith("Your model is unchanged: training did not help on held-out text.")
    assert verdict.advice.endswith("--blend 1.")
    assert "Measured with all that was trained: margin -0.0100" in verdict.number
    assert f"of {KEPT_STARTS[0]} runs" in verdict.sure
    on_labels = kept(CHOSEN, criterion="stsb-dev")
    assert "did not help on the STS-B development pairs" in on_labels.happened
    assert on_labels.sure == ""


def test_a_start_that_was_asked_for_is_not_laid_to_training() -> None:
    verdict = kept({"blend": 0.0, "blend_scores": {}})
    assert verdict.happened == "Your model is unchanged: --blend 0 asks for the pretrained model."
    assert "moved no weight" in kept({"blend": 1.0, "blend_scores": {}}).happened


def test_a_start_that_is_kept_against_one_measure_does_not_deny_that_measure() -> None:
    assert "did not help" not in kept(CHOSEN, trained=HELPS).happened


def test_every_verdict_says_what_to_do() -> None:
    assert unjudged().advice


def test_one_fingerprint_for_start_and_model_is_what_unchanged_means() -> None:
    assert is_pretrained({"start_fingerprint": "a", "fingerprint": "a", "blend": 1.0})
    assert not is_pretrained({"start_fingerprint": "a", "fingerprint": "b", "blend": 0.0})


def test_the_score_of_a_blend_is_never_that_of_all_that_was_trained() -> None:
    summary = {"score_chosen": 5.0, "blend": 0.5, "blend_scores": {}}
    assert score_of_model(summary) is None
    assert score_of_model({**summary, "blend_scores": {"0.5": 6.0}}) == 6.0
    assert score_of_model({**summary, "blend": 1.0}) == 5.0


def test_numbers_of_the_table_are_plain() -> None:
    """The table above is made of changes that are what they are called."""
    assert all(
        np.sign(CHANGES[name]) == sign for name, sign in (("rise", 1), ("small fall", -1), ("no change", 0))
    )

"""What is said after a model went on with new text: each text's verdict, and no advice to use what shows harm."""

from __future__ import annotations

import numpy as np
import pytest

from contrapose.evaluate.statistics import paired_test
from contrapose.selection.continued import DIVERGED, TextVerdict, continuation_in_words, most_said
from contrapose.selection.label_free import HARMS, HELPS, MEASURES, UNCLEAR, Judgement

EARLIER, NEW = "code (earlier)", "medical"
ADVICE = {
    (True, True): "Neither shows harm",
    (True, False): "Use the model of pnr",
    (False, True): "Use the model of plain training",
    (False, False): "Keep the model as it was",
}


#: Of a method that diverged with its only seed.
NONE = ("", "")


def lines(pnr: tuple[str, str], plain: tuple[str, str], between: str = "no clear change") -> list[str]:
    verdicts = {
        method: {
            text: [TextVerdict(word=word, changed="it fell")]
            for text, word in zip((EARLIER, NEW), told, strict=True)
            if word
        }
        for method, told in (("pnr", pnr), ("simcse", plain))
    }
    return continuation_in_words(
        earlier=EARLIER,
        new=[NEW],
        verdicts=verdicts,
        between={EARLIER: between, NEW: "no clear change"},
        ranks={
            EARLIER: {"pnr": "no clear change", "simcse": "worse"},
            NEW: {"pnr": "better", "simcse": "better"},
        },
        seeds=1,
    )


@pytest.mark.parametrize("pnr", [(UNCLEAR, HELPS), (HARMS, HELPS), (UNCLEAR, HARMS)])
@pytest.mark.parametrize("plain", [(HELPS, UNCLEAR), (HARMS, HARMS)])
def test_what_shows_harm_anywhere_is_never_advised(pnr: tuple[str, str], plain: tuple[str, str]) -> None:
    told = lines(pnr, plain)
    assert told[-2].startswith(ADVICE[HARMS not in pnr, HARMS not in plain])


@pytest.mark.parametrize(
    ("pnr", "plain", "advice"),
    [
        (NONE, (UNCLEAR, HELPS), "Use the model of plain training: pnr diverged"),
        (NONE, (HARMS, HELPS), "Keep the model as it was for what it serves now: pnr diverged, and plain"),
        ((UNCLEAR, HELPS), NONE, "Use the model of pnr: plain training diverged"),
        ((UNCLEAR, HARMS), NONE, "Keep the model as it was"),
        (NONE, NONE, "Keep the model as it was"),
    ],
)
def test_a_method_that_diverged_is_told_as_such_and_never_advised(
    pnr: tuple[str, str], plain: tuple[str, str], advice: str
) -> None:
    told = lines(pnr, plain)
    assert told[-2].startswith(advice)
    for method, words in (("pnr", pnr), ("plain training", plain)):
        said = [f"{method} diverged" in line for line in told[:2]]
        assert said == [words == NONE] * 2
        ranked = [f"after {method}" in line for line in told]
        assert any(ranked) == (words != NONE), "a rank is told of a model that there is, and of no other"
    assert not any("difference between pnr and plain" in line for line in told)


def test_a_seed_without_a_verdict_has_diverged() -> None:
    helps = TextVerdict(word=HELPS)
    assert most_said([helps, helps], 3) == TextVerdict(word=DIVERGED, changed="1 of 3 seeds")
    assert most_said([], 1) == TextVerdict(word=DIVERGED)


def test_each_text_and_method_has_its_sentence() -> None:
    told = lines((UNCLEAR, HELPS), (HARMS, UNCLEAR), between="better")
    assert told[0] == f"{EARLIER}: no sure sign that pnr forgot; plain training forgot: it fell."
    assert told[1] == f"{NEW}: pnr helped: it fell; no sure sign that plain training helped or harmed."
    finds = "a text finds the one that belongs to it"
    assert (
        told[2]
        == f"{EARLIER}: {finds} neither clearly better nor less well after pnr; less well after plain training."
    )
    assert told[3] == f"{NEW}: {finds} better after pnr; better after plain training."
    assert told[4] == f"{EARLIER}: pnr is clearly better than plain training, by the expected gain."
    assert told[5] == f"{NEW}: no clear difference between pnr and plain training."
    assert "not on earlier text" in told[-1]


def test_seeds_that_disagree_make_nothing_sure() -> None:
    harms, helps = TextVerdict(word=HARMS, changed="x"), TextVerdict(word=HELPS)
    assert most_said([harms, harms, helps], 3) == harms
    assert most_said([harms, helps], 2).word == UNCLEAR


def test_a_verdict_says_what_clearly_moved_and_nothing_of_what_did_not() -> None:
    measure = MEASURES["halves", "margin"]
    before = np.linspace(0, 1, 50)
    for after, changed in ((before - 0.1, measure.fell), (before + 0.1, measure.rose), (before, "")):
        judgement = Judgement(
            word=UNCLEAR, measure=measure, because=paired_test(before, after, resamples=200)
        )
        assert TextVerdict.of(judgement) == TextVerdict(word=UNCLEAR, changed=changed)
    assert TextVerdict.of(None).word == HARMS

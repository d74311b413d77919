from __future__ import annotations

import pytest

from contrapose.evaluate.probes import FEWEST_PAIRS, body_of, probes_of, sentence_and_rest, split_in_halves

DOCUMENT = "The first sentence has many words. The second one has some more words. The third one ends it."


def test_documents_with_titles_give_all_three_kinds() -> None:
    probes = probes_of({"title": ["a title"] * 40, "text": [DOCUMENT] * 40})
    assert [probe.kind for probe in probes] == ["titles", "sentences", "halves"]
    assert (probes[0].first[0], probes[0].second[0]) == ("a title", DOCUMENT)


@pytest.mark.parametrize("names", [["text"], ["title", "text"], ["title", "text", "other", "more"]])
def test_the_texts_are_the_same_column_however_many_follow(names: list[str]) -> None:
    columns = {name: [f"{name} {row} two three four five six seven" for row in range(40)] for name in names}
    assert body_of(columns) == columns["text"]
    halves = probes_of(columns)[-1]
    assert all(first.startswith("text") for first in halves.first)


def test_short_lines_give_none_and_sentences_only_halves() -> None:
    assert probes_of({"text": ["too short"] * 100}) == []
    assert [
        probe.kind for probe in probes_of({"text": ["one two three four five six seven eight"] * 50})
    ] == ["halves"]


def test_too_few_pairs_are_no_probe() -> None:
    assert probes_of({"title": ["t"] * (FEWEST_PAIRS - 1), "text": [DOCUMENT] * (FEWEST_PAIRS - 1)}) == []


def test_a_sentence_is_taken_out_of_its_document_and_which_depends_on_the_seed() -> None:
    drawn = [sentence_and_rest(DOCUMENT, seed) for seed in range(20)]
    for pair in drawn:
        assert pair is not None
        sentence, rest = pair
        assert sentence in DOCUMENT
        assert sentence not in rest
        assert len(f"{sentence} {rest}") == len(DOCUMENT)
    assert len(set(drawn)) == 3
    assert drawn == [sentence_and_rest(DOCUMENT, seed) for seed in range(20)]


@pytest.mark.parametrize("text", ["", "One only.", "A. B. C.", "Two are here now. That is it then."])
def test_what_is_no_document_gives_no_sentence(text: str) -> None:
    assert sentence_and_rest(text, 0) is None


def test_halves_hold_every_word_once() -> None:
    text = " ".join(f"w{i}" for i in range(9))
    first, second = split_in_halves(text) or ("", "")
    assert f"{first} {second}" == text
    assert split_in_halves("a b c d e f g") is None
    assert split_in_halves("a b c d", min_words=4) == ("a b", "c d")
    assert split_in_halves("one", min_words=1) is None

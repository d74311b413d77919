"""Switched letters: as many as asked for, of the words that the variant takes; refused where nothing would change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.text.switch_case import SwitchCase, change_of_pieces, switched
from tests.text.rows import Rows
from tests.tiny import SENTENCES, tiny_bert, tiny_roberta

WORDS = " ".join(f"word{number}" for number in range(40))
TokenIds = Callable[[Sequence[str]], list[list[int]]]


@pytest.fixture(scope="module")
def cased(tmp_path_factory: pytest.TempPathFactory) -> TokenIds:
    return Encoder.load(tiny_roberta(tmp_path_factory.mktemp("cased") / "roberta")).token_ids


@pytest.fixture(scope="module")
def uncased(tmp_path_factory: pytest.TempPathFactory) -> TokenIds:
    return Encoder.load(tiny_bert(tmp_path_factory.mktemp("uncased") / "bert")).token_ids


def views(part: SwitchCase, texts: Sequence[str], step: int = 0, seed: int = 0) -> dict[str, list[str]]:
    return part.texts(range(len(texts)), {"text": list(texts)}, seed=seed, step=step)


def changed(before: str, after: str) -> list[int]:
    """The numbers of the words that differ; each of them by its first letter's case alone."""
    pairs = list(zip(before.split(), after.split(), strict=True))
    assert all(one[1:] == other[1:] and one[0].lower() == other[0].lower() for one, other in pairs)
    return [number for number, (one, other) in enumerate(pairs) if one != other]


@pytest.mark.parametrize("variant", ["v2", "v1"])
def test_without_probability_the_text_is_unchanged(variant: Any) -> None:
    part = SwitchCase(switch_probability=0.0, switch_variant=variant)
    assert views(part, ["a  b", WORDS]) == {"anchor": ["a  b", WORDS], "positive": ["a  b", WORDS]}


def test_each_word_is_switched_with_the_probability_and_independently() -> None:
    part = SwitchCase(switch_probability=0.25)
    positives = [views(part, [WORDS], step)["positive"][0] for step in range(400)]
    counts = np.zeros(40)
    numbers = [changed(WORDS, positive) for positive in positives]
    for chosen in numbers:
        counts[chosen] += 1
    assert counts.mean() / 400 == pytest.approx(0.25, abs=0.02)
    assert counts.min() > 60
    assert np.var([len(chosen) for chosen in numbers]) == pytest.approx(40 * 0.25 * 0.75, rel=0.3)


@pytest.mark.parametrize(("probability", "number"), [(0.01, 1), (0.1, 4), (0.5, 20), (1.0, 40)])
def test_variant_v1_switches_a_fixed_number_of_words(probability: float, number: int) -> None:
    part = SwitchCase(switch_probability=probability, switch_variant="v1")
    for step in range(20):
        assert len(changed(WORDS, views(part, [WORDS], step)["positive"][0])) == number


def test_words_without_a_case_stay_and_are_not_counted() -> None:
    assert [switched(word) for word in ("über", "Éa", "42nd", "中文", "'tis", "")] == [
        "Über", "éa", "42nd", "中文", "'tis", "",
    ]  # fmt: skip
    part = SwitchCase(switch_probability=0.4, switch_variant="v1")
    for step in range(20):
        assert changed("1 2 3 a b", views(part, ["1 2 3 a b"], step)["positive"][0]) == [3, 4]


@pytest.mark.parametrize("view", ["positive", "anchor", "both"])
def test_only_the_view_that_was_chosen_is_switched(view: Any) -> None:
    given = views(SwitchCase(switch_probability=0.5, switch_view=view), [WORDS])
    assert (given["anchor"] == [WORDS]) == (view == "positive")
    assert (given["positive"] == [WORDS]) == (view == "anchor")
    assert given["anchor"] != given["positive"]


def test_draws_follow_seed_step_and_row_and_not_the_batch() -> None:
    part = SwitchCase(switch_probability=0.3)
    alone = part.texts([5], {"text": [WORDS]}, seed=1, step=2)["positive"]
    among = part.texts([4, np.int64(5)], {"text": [WORDS, WORDS]}, seed=1, step=2)["positive"]  # type: ignore[list-item]
    assert alone == among[1:]
    assert among[0] != among[1]
    others = [part.texts([5], {"text": [WORDS]}, seed=s, step=t)["positive"] for s, t in ((0, 2), (1, 3))]
    assert alone not in others


def test_what_happens_to_pieces_is_named_as_in_the_paper() -> None:
    """From all words of two pieces over three, by the definition: which part of the word stays."""
    assert change_of_pieces([1, 2, 3], [9, 2, 3]) == "substitution"
    assert change_of_pieces([1, 2], [7, 8, 2]) == "division"
    assert change_of_pieces([7, 8, 2], [1, 2]) == "fusion"
    assert change_of_pieces([1, 2, 3], [4, 5, 6]) == "regrouping"
    assert change_of_pieces([1, 2], [1, 2]) == "none"


@pytest.mark.parametrize("variant", ["substitution", "retokenization"])
def test_variants_take_the_words_whose_pieces_change_in_their_way(variant: Any, cased: TokenIds) -> None:
    part = SwitchCase(switch_probability=1.0, switch_variant=variant, token_ids=cased)
    words = sorted({word for sentence in SENTENCES for word in sentence.split()})
    # Beside each word its capital: then some words of either kind are there.
    words += [switched(word) for word in words]
    taken = changed(" ".join(words), views(part, [" ".join(words)])["positive"][0])
    kinds = [change_of_pieces(*(ids[1:-1] for ids in cased([word, switched(word)]))) for word in words]
    wanted = {"substitution"} if variant == "substitution" else {"division", "regrouping"}
    assert taken == [number for number, kind in enumerate(kinds) if kind in wanted]
    assert 0 < len(taken) < len(words)


def test_an_uncased_tokenizer_gives_identical_ids_and_is_refused(uncased: TokenIds) -> None:
    part = SwitchCase(switch_probability=1.0, token_ids=uncased)
    given = views(part, SENTENCES)
    assert given["anchor"] != given["positive"]
    assert uncased(given["anchor"]) == uncased(given["positive"])
    with pytest.raises(
        UsageError, match=r"no difference between 'Paris' and 'paris'.*--views retrieved"
    ) as told:
        part.check(Rows(SENTENCES), np.arange(len(SENTENCES)))
    assert "\n" not in str(told.value)


def test_texts_without_letters_that_have_a_case_are_refused(cased: TokenIds) -> None:
    part = SwitchCase(token_ids=cased)
    with pytest.raises(UsageError, match="changes no token of 3 texts"):
        part.check(Rows(["1 2 3", "中文 句子", "+ - *"]), np.arange(3))


def test_a_cased_tokenizer_is_taken_and_the_share_of_changed_texts_told(cased: TokenIds) -> None:
    part = SwitchCase(switch_probability=0.9, token_ids=cased)
    part.check(Rows(SENTENCES), np.arange(len(SENTENCES)))
    assert part.facts() == ["switching letters changes the tokens of 100% of the texts at a step"]

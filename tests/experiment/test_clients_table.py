"""The words that tell one client's texts from the others'."""

from __future__ import annotations

import pytest

from contrapose.experiment.clients_table import ClientSummary, distinctive_words


def test_words_of_all_clients_tell_none_apart_and_rare_ones_less_than_frequent_ones() -> None:
    first = ["common yellow bird"] * 30 + ["common singular"]
    second = ["common deep river"] * 30
    assert distinctive_words([first, second], 2) == [("bird", "yellow"), ("deep", "river")]


@pytest.mark.parametrize("texts", [[], ["a b c", "12 !"]])
def test_a_client_without_words_has_none(texts: list[str]) -> None:
    assert distinctive_words([texts, ["something else here"]])[0] == ()


def test_large_topics_are_named_largest_first() -> None:
    def of(*topics: float) -> str:
        summary = ClientSummary(client=0, rows=10, share=1.0, rounds=1, topics=topics, words=())
        return summary.main_topics

    assert of(0.3, 0.1, 0.6) == "2 (60%), 0 (30%)"
    assert of(*[0.1] * 10) == "none above 20 %"

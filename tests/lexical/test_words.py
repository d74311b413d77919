from __future__ import annotations

from contrapose.lexical.words import words


def test_words_have_no_case_and_no_punctuation() -> None:
    assert words("Don't panic: Straße, STRASSE_1!") == ["don", "t", "panic", "strasse", "strasse", "1"]
    assert words("") == words(" .,;— ") == []


def test_scripts_without_blanks_are_counted_in_pairs_and_a_query_meets_the_middle_of_a_sentence() -> None:
    assert words("東京都に住む") == ["東京", "京都", "都に", "に住", "住む"]
    assert set(words("京都")) <= set(words("東京都に住む"))
    assert words("車") == ["車"]
    assert words("GPT-4は速い") == ["gpt", "4", "は速", "速い"]


def test_scripts_with_blanks_are_left_whole() -> None:
    assert words("Привет мир") == ["привет", "мир"]

from __future__ import annotations

import threading

import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.encoder.tokens import CHARACTERS_PER_TOKEN, clean, cut_to_growth, tokenize
from contrapose.errors import UsageError
from tests.tiny import POSITIONS, SENTENCES


def test_special_tokens_are_added_and_long_texts_cut(bert: Encoder) -> None:
    long = bert.token_ids([" ".join(SENTENCES)])[0]
    short = bert.token_ids([" ".join(SENTENCES)], max_length=7)[0]
    assert len(long) == bert.max_length == POSITIONS
    assert len(short) == 7
    cls_id, sep_id = bert.tokenizer.cls_token_id, bert.tokenizer.sep_token_id
    assert short[0] == long[0] == cls_id
    assert short[-1] == long[-1] == sep_id
    assert short[:-1] == long[:6]


def test_a_shorter_cut_for_training_does_not_stick(bert: Encoder) -> None:
    fingerprint = bert.fingerprint()
    bert.token_ids(list(SENTENCES), max_length=5)
    assert max(map(len, bert.token_ids(list(SENTENCES)))) > 5
    assert bert.fingerprint() == fingerprint


def test_ids_do_not_depend_on_the_other_texts(tiny_folder) -> None:
    encoder = Encoder.load(tiny_folder)
    together = encoder.token_ids(list(SENTENCES))
    assert together == [encoder.token_ids([sentence])[0] for sentence in SENTENCES]


@pytest.mark.parametrize("length", [2, POSITIONS + 1])
def test_a_length_that_the_model_cannot_have_is_refused(bert: Encoder, length: int) -> None:
    with pytest.raises(UsageError, match=f"between 3 and {POSITIONS}"):
        bert.token_ids(["a"], max_length=length)


@pytest.mark.parametrize(
    "hostile", ["x" * 1_000_000, "e" + "\u0301" * 100_000, "\u200d" * 300_000, "ha" * 500_000], ids=len
)
def test_hostile_text_is_cut_before_the_tokenizer_sees_it(
    tiny_folder, hostile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder.load(tiny_folder)
    seen: list[int] = []

    def watched(tokenizer: object, texts: list[str], limit: int) -> list[list[int]]:
        seen.extend(map(len, texts))
        return tokenize(tokenizer, texts, limit)

    monkeypatch.setattr("contrapose.encoder.encoder.tokenize", watched)
    ids = encoder.token_ids([hostile])[0]
    assert len(ids) <= POSITIONS
    assert encoder.encode([hostile]).shape == (1, encoder.width)
    assert seen
    assert max(seen) <= POSITIONS * CHARACTERS_PER_TOKEN < len(hostile)
    assert ids == encoder.token_ids([hostile[: POSITIONS * CHARACTERS_PER_TOKEN]])[0]


def test_lone_surrogates_and_control_characters_are_no_crash(tiny_folder) -> None:
    ids = Encoder.load(tiny_folder).token_ids(["a \ud800 b", "nul \x00 byte", "", " \t\n"])
    assert len(ids) == 4
    assert all(len(row) >= 2 for row in ids)


def test_one_bare_string_and_things_that_are_no_text_are_refused() -> None:
    with pytest.raises(UsageError, match=r"\[text\]"):
        clean("one text", 10)
    with pytest.raises(UsageError, match="number 1 is NoneType"):
        clean(["a", None], 10)  # type: ignore[list-item]
    assert clean(["ÄB"], 10, prompt="Q: ", lower_case=True) == ["Q: äb"]


@pytest.mark.parametrize("max_length", [3, 5, 9, 64])
def test_ids_are_those_of_transformers_own_call(tiny_folder, max_length: int) -> None:
    encoder = Encoder.load(tiny_folder)
    texts = [*SENTENCES, "", " ".join(SENTENCES), "\u0141\u00f3d\u017a \u6771\u4eac"]
    ours = tokenize(encoder.tokenizer, texts, max_length)
    theirs = encoder.tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]
    assert ours == theirs
    assert tokenize(encoder.tokenizer, texts, max_length) == ours  # and what that call has set is not used


def test_a_side_of_cutting_that_the_folder_asks_for_is_kept(bert: Encoder) -> None:
    bert.tokenizer.truncation_side = "left"
    text = " ".join(SENTENCES[:4])
    assert len(bert.token_ids([text])[0]) > 9
    assert bert.token_ids([text], 9)[0] == bert.tokenizer(text, truncation=True, max_length=9)["input_ids"]


def test_threads_that_cut_at_lengths_of_their_own_do_not_see_each_other(bert: Encoder) -> None:
    texts = [" ".join(SENTENCES)] * 20
    wrong: list[int] = []

    def work(limit: int) -> None:
        for _ in range(40):
            wrong.extend(len(row) for row in bert.token_ids(texts, limit) if len(row) != limit)

    threads = [threading.Thread(target=work, args=(limit,)) for limit in (5, 16, 40, 64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_text_is_cut_by_what_the_normalizer_makes_of_it() -> None:
    from tokenizers import normalizers

    asked: list[int] = []

    class Counting:
        def __init__(self, own) -> None:
            self.own = own

        def normalize_str(self, text: str) -> str:
            made = self.own.normalize_str(text)
            asked.append(len(made))
            return made

    hundredfold = Counting(normalizers.Replace("a", "b" * 100))
    assert cut_to_growth(hundredfold, "a" * 10_000, 1_000) == "a" * 10
    assert max(asked) <= 2_000
    assert cut_to_growth(hundredfold, "xyz", 1_000) == "xyz"
    assert cut_to_growth(hundredfold, "", 1_000) == ""
    assert cut_to_growth(hundredfold, "a", 10) == ""

from __future__ import annotations

import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.encoder.tokens import CHARACTERS_PER_TOKEN, clean, tokenize
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

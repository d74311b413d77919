from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from contrapose.encoder.encode import distinct_texts
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.pooling import POOLINGS
from contrapose.errors import UsageError
from tests.tiny import SENTENCES, pooled_by

TEXTS = [*SENTENCES, SENTENCES[3], "", " ".join(SENTENCES), SENTENCES[0]]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_training_and_encoding_see_the_same_vectors(tiny_folder: Path, pooling: str) -> None:
    encoder = Encoder.load(tiny_folder, **pooled_by(pooling))
    with torch.no_grad():
        seen_in_training = encoder.pooled(encoder.token_ids(TEXTS)).numpy()
    assert np.abs(encoder.encode(TEXTS) - seen_in_training).max() < 1e-5


@pytest.mark.parametrize("tokens_per_batch", [1, 17, 200, 100_000])
def test_vectors_do_not_depend_on_the_batch(tiny_folder: Path, tokens_per_batch: int) -> None:
    encoder = Encoder.load(tiny_folder)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert np.abs(encoder.encode(TEXTS, tokens_per_batch=tokens_per_batch) - alone).max() < 1e-5
    assert np.abs(alone[0] - alone[1]).max() > 1e-3


def test_vectors_follow_the_order_of_the_texts(bert: Encoder) -> None:
    order = np.random.default_rng(0).permutation(len(TEXTS))
    shuffled = bert.encode([TEXTS[position] for position in order])
    assert np.abs(shuffled - bert.encode(TEXTS)[order]).max() < 1e-5


def test_equal_texts_are_encoded_once_and_get_equal_vectors(
    bert: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []
    pooled = bert.pooled
    monkeypatch.setattr(bert, "pooled", lambda ids: (rows.append(len(ids)), pooled(ids))[1])
    vectors = bert.encode(["a cat", "a dog", "a cat"] * 10)
    assert sum(rows) == 2
    assert (vectors[0] == vectors[2::3]).all()


def test_normalize_is_the_folders_word_unless_said_otherwise(bert: Encoder, minilm: Encoder) -> None:
    lengths = {
        choice: np.linalg.norm(bert.encode(TEXTS, normalize=choice), axis=1) for choice in (True, False, None)
    }
    assert np.allclose(lengths[True], 1, atol=1e-6)
    assert not np.allclose(lengths[False], 1, atol=0.1)
    assert (lengths[None] == lengths[False]).all()
    assert np.allclose(np.linalg.norm(minilm.encode(["a", "b"]), axis=1), 1, atol=1e-6)
    assert not np.allclose(np.linalg.norm(minilm.encode(["a", "b"], normalize=False), axis=1), 1, atol=0.1)


def test_bf16_is_close_and_returns_float32(minilm: Encoder) -> None:
    exact, rough = minilm.encode(TEXTS), minilm.encode(TEXTS, precision="bf16")
    assert rough.dtype == np.float32
    assert (exact * rough).sum(axis=1).min() > 0.999
    assert np.abs(exact - rough).max() > 0


def test_mode_attention_and_gradients_are_as_before(bert: Encoder) -> None:
    bert.train()
    bert.backbone.embeddings.eval()
    bert.use_attention("eager")
    modes = [module.training for module in bert.modules()]
    assert (bert.encode(TEXTS) == bert.encode(TEXTS)).all()
    assert [module.training for module in bert.modules()] == modes
    assert bert.attention == "eager"
    assert torch.is_grad_enabled()
    with pytest.raises(UsageError):
        bert.encode([1])  # type: ignore[list-item]
    assert bert.attention == "eager"


def test_training_goes_on_after_encoding(bert: Encoder) -> None:
    bert.encode(TEXTS)
    bert.pooled(bert.token_ids(TEXTS)).sum().backward()
    assert bert.backbone.get_input_embeddings().weight.grad is not None


def test_progress_counts_every_text_once(bert: Encoder) -> None:
    seen: list[int] = []
    bert.encode(TEXTS, tokens_per_batch=40, progress=seen.append)
    assert sum(seen) == len(TEXTS)
    assert len(seen) > 3


def test_the_head_is_applied_only_where_asked_for(bert: Encoder) -> None:
    assert bert.head is not None
    plain, headed = bert.encode(TEXTS), bert.encode(TEXTS, use_head=True)
    with torch.no_grad():
        expected = bert.head(torch.from_numpy(plain)).numpy()
    assert np.abs(headed - expected).max() < 1e-5
    bert.head = None
    with pytest.raises(UsageError, match="no head"):
        bert.encode(TEXTS, use_head=True)


def test_no_texts_give_an_empty_array_and_odd_options_are_refused(bert: Encoder) -> None:
    assert bert.encode([]).shape == (0, bert.width)
    assert bert.encode([]).dtype == np.float32
    with pytest.raises(UsageError, match="fp32, bf16"):
        bert.encode(["a"], precision="fp8")
    with pytest.raises(UsageError, match="at least 1"):
        bert.encode(["a"], tokens_per_batch=0)
    with pytest.raises(UsageError, match=r"\[text\]"):
        bert.encode(b"bytes")  # type: ignore[arg-type]


def test_one_text_gives_one_vector(bert: Encoder) -> None:
    vector = bert.encode("a cat", normalize=True)
    assert vector.shape == (bert.width,)
    assert (vector == bert.encode(["a cat"], normalize=True)[0]).all()
    assert np.linalg.norm(vector) == pytest.approx(1)


def test_distinct_texts_and_rows_rebuild_the_list() -> None:
    distinct, rows = distinct_texts(TEXTS)
    assert [distinct[row] for row in rows] == TEXTS
    assert len(set(distinct)) == len(distinct)


def in_threads(*works: Callable[[], None]) -> None:
    """Run all at once; raise the first thing that any of them raised."""
    faults: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


@pytest.mark.parametrize("pooling", ["cls", "avg_first_last"])
def test_encoding_from_many_threads_equals_encoding_alone_whatever_the_mode(
    bert_folder: Path, pooling: str
) -> None:
    encoder = Encoder.load(bert_folder, pooling=pooling)
    expected = encoder.encode(TEXTS)
    encoder.train()
    encoder.use_attention("eager")
    modes = [module.training for module in encoder.modules()]
    assert encoder.dropout_probability() > 0

    def work() -> None:
        for _ in range(6):
            assert (encoder.encode(TEXTS) == expected).all()

    in_threads(*[work] * 4)
    assert [module.training for module in encoder.modules()] == modes
    assert encoder.attention == "eager"


def test_threads_that_cut_texts_at_different_lengths_do_not_mix_them_up(bert: Encoder) -> None:
    """Training tokenizes the next batch in a thread of its own while held-out text is encoded, uncut, in another."""
    texts = [" ".join(SENTENCES)] * 8
    lengths = (6, 9, 12, 16)
    expected = {length: bert.token_ids(texts, length) for length in lengths}
    assert [len(expected[length][0]) for length in lengths] == list(lengths)

    def work(length: int) -> None:
        for _ in range(40):
            assert bert.token_ids(texts, length) == expected[length]

    in_threads(*(partial(work, length) for length in lengths))


def test_a_thread_that_trains_keeps_its_dropout_while_another_encodes(bert: Encoder) -> None:
    """Seen from inside a forward pass of the encoding: that is when the mode used to be switched for all."""
    bert.train()
    seen: list[tuple[bool, bool]] = []
    bert.backbone.embeddings.register_forward_hook(
        lambda module, args, output: seen.append((module.training, bert.backbone.embeddings.training))
    )
    bert.encode(TEXTS)
    assert seen
    assert set(seen) == {(False, True)}


def test_a_mode_that_another_thread_switches_is_not_seen(
    bert: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = bert.encode(TEXTS)
    tokenize = Encoder.token_ids

    def tokenize_while_training_begins(encoder: Encoder, texts, max_length=None):
        bert.train()
        bert.use_attention("eager")
        return tokenize(encoder, texts, max_length)

    monkeypatch.setattr(Encoder, "token_ids", tokenize_while_training_begins)
    assert (bert.encode(TEXTS) == expected).all()
    assert bert.training


def test_encoding_sees_the_weights_of_the_moment(bert: Encoder, bert_folder: Path) -> None:
    before = bert.encode(TEXTS)
    with torch.no_grad():
        bert.backbone.get_input_embeddings().weight.mul_(1.5)
    after = bert.encode(TEXTS)
    assert np.abs(after - before).max() > 1e-3
    bert.backbone.load_state_dict(Encoder.load(bert_folder).backbone.state_dict(), assign=True)
    assert (bert.encode(TEXTS) == before).all()

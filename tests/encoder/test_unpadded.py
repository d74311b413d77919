from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrapose.encoder import unpadded
from contrapose.encoder.by_length import padded
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.unpadded import NAME, Packing, agrees, flash, known, one_by_one, pack
from contrapose.seeds import seeded
from tests.tiny import SENTENCES, tiny_bert, tiny_mpnet, tiny_roberta

BUILDERS = {"bert": tiny_bert, "roberta": tiny_roberta}
CPU = torch.device("cpu")
#: Rounding of two layers in fp32, for vectors of length 3 or so.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(params=BUILDERS)
def encoder(request: pytest.FixtureRequest, tmp_path: Path) -> Encoder:
    return Encoder.load(BUILDERS[request.param](tmp_path / "model", dropout=0.0), pooling="avg")


def bare(kind: str) -> Any:
    """Each type of model that is said to be known, without a tokenizer; padding has another number in each."""
    from transformers import (
        BertConfig,
        BertModel,
        CamembertConfig,
        CamembertModel,
        RobertaConfig,
        RobertaModel,
        XLMRobertaConfig,
        XLMRobertaModel,
    )

    config_of, model_of, padding = {
        "bert": (BertConfig, BertModel, 0),
        "camembert": (CamembertConfig, CamembertModel, 1),
        "roberta": (RobertaConfig, RobertaModel, 3),
        "xlm-roberta": (XLMRobertaConfig, XLMRobertaModel, 1),
    }[kind]
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = config_of(
        vocab_size=50, max_position_embeddings=40, pad_token_id=padding, initializer_range=0.3, **sizes
    )
    with seeded(0, kind):
        return model_of(config, add_pooling_layer=False).eval()


def states(
    model: Any, texts: list[list[int]], attention: str
) -> tuple[list[torch.Tensor], tuple[torch.Tensor, ...]]:
    """Of each text the states of its tokens, and the gradient of a sum over them into every weight."""
    model.set_attn_implementation(attention)
    if attention == NAME:
        output = unpadded.output_of(model, texts, CPU, layers=True)
    else:
        ids, mask = map(torch.from_numpy, padded(texts, model.config.pad_token_id))
        output = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    of_texts = [
        layer_NTD[row, : len(text)]
        for layer_NTD in (*output.hidden_states, output.last_hidden_state)
        for row, text in enumerate(texts)
    ]
    total = sum(
        (state.sin() * torch.linspace(-1, 1, state.numel()).view_as(state)).sum() for state in of_texts
    )
    return of_texts, torch.autograd.grad(total, list(model.parameters()))


@pytest.mark.parametrize("kind", sorted(unpadded.MODEL_TYPES))
def test_every_known_type_gives_the_states_and_gradients_of_padded_texts(kind: str) -> None:
    model = bare(kind)
    assert known(model)
    assert unpadded.register(model) == NAME
    random = np.random.default_rng(0)
    texts = [random.integers(5, 50, size=length).tolist() for length in (9, 1, 4, 30, 2)]
    texts[2][1] = model.config.pad_token_id  # written in the text itself: RoBERTa does not count it
    expected, gradients = states(model, texts, "eager")
    found, others = states(model, texts, NAME)
    assert len(found) == 4 * len(texts)
    assert len(others) > 30
    torch.testing.assert_close(found, expected, **CLOSE)
    torch.testing.assert_close(others, gradients, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", sorted(unpadded.MODEL_TYPES))
def test_a_position_that_is_one_off_would_show(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = bare(kind)
    unpadded.register(model)
    texts = [[7, 8, 9], [10, 11]]
    expected, _ = states(model, texts, "eager")
    right = unpadded.pack

    def one_off(*given: Any) -> Packing:
        packing = right(*given)
        return dataclasses.replace(packing, position_1S=packing.position_1S + 1)

    monkeypatch.setattr(unpadded, "pack", one_off)
    found, _ = states(model, texts, NAME)
    assert all(torch.dist(one, other) > 0.1 for one, other in zip(found, expected, strict=True))


def test_vectors_and_gradients_are_those_of_padded_texts(encoder: Encoder) -> None:
    token_ids = encoder.token_ids(SENTENCES)
    assert len({len(ids) for ids in token_ids}) > 3
    found = {}
    for name in ("sdpa", NAME):
        encoder.use_attention(name)
        assert encoder.attention == name
        vectors_ND = encoder.pooled(token_ids)
        weights = [weight for weight in encoder.backbone.parameters() if weight.requires_grad]
        gradients = torch.autograd.grad(
            vectors_ND.sin().sum(), weights, allow_unused=True, materialize_grads=True
        )
        found[name] = (vectors_ND, gradients, encoder.pooled_with_layers(token_ids, [-2]))
    assert max(float(gradient.abs().max()) for gradient in found["sdpa"][1]) > 0.1
    torch.testing.assert_close(found[NAME][0], found["sdpa"][0], **CLOSE)
    torch.testing.assert_close(found[NAME][2], found["sdpa"][2], **CLOSE)
    torch.testing.assert_close(found[NAME][1], found["sdpa"][1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("pooling", ["cls", "avg_first_last", "avg_top2"])
def test_every_pooling_reads_the_same(pooling: str, tmp_path: Path) -> None:
    encoder = Encoder.load(tiny_roberta(tmp_path / "model", dropout=0.0), pooling=pooling)
    token_ids = encoder.token_ids(SENTENCES[:5])
    expected = encoder.pooled(token_ids)
    encoder.use_attention(NAME)
    torch.testing.assert_close(encoder.pooled(token_ids), expected, **CLOSE)


def test_no_token_of_padding_is_computed_and_no_text_sees_another(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_ids = encoder.token_ids(SENTENCES[:4])
    encoder.use_attention(NAME)
    seen = []
    kernel = unpadded.one_by_one

    def watched(query_SHD: torch.Tensor, *others: Any) -> torch.Tensor:
        seen.append(len(query_SHD))
        return kernel(query_SHD, *others)

    monkeypatch.setattr(unpadded, "one_by_one", watched)
    together = encoder.pooled(token_ids)
    assert seen == [sum(map(len, token_ids))] * 2
    alone = torch.cat([encoder.pooled([ids]) for ids in token_ids])
    torch.testing.assert_close(together, alone, **CLOSE)


def test_hidden_tokens_and_texts_without_tokens_are_padded(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_ids = encoder.token_ids(SENTENCES[:3])
    hidden = [slice(1, 2)] * 3
    expected = encoder.pooled(token_ids, hidden), encoder.pooled([*token_ids, []])
    encoder.use_attention(NAME)
    monkeypatch.setattr(unpadded, "output_of", None)
    torch.testing.assert_close(
        (encoder.pooled(token_ids, hidden), encoder.pooled([*token_ids, []])), expected, **CLOSE
    )


def test_who_calls_the_backbone_with_padded_texts_gets_the_fused_attention(encoder: Encoder) -> None:
    ids_NT, mask_NT = encoder.padded(encoder.token_ids(SENTENCES[:5]))
    assert (mask_NT == 0).any()
    expected = encoder.backbone(input_ids=ids_NT, attention_mask=mask_NT).last_hidden_state
    encoder.use_attention(NAME)
    found = encoder.backbone(input_ids=ids_NT, attention_mask=mask_NT).last_hidden_state
    assert torch.equal(found, expected)


def test_a_model_that_needs_padding_gets_the_fused_attention(tmp_path: Path) -> None:
    """MPNet's attention has a bias for every distance between two tokens of a table that begins at 0."""
    encoder = Encoder.load(tiny_mpnet(tmp_path / "model"))
    before = encoder.attention
    encoder.use_attention(NAME)
    assert encoder.attention in ("sdpa", before)
    assert encoder.attention != NAME


def test_dropout_draws_in_training_mode_and_its_seed_decides(tmp_path: Path) -> None:
    encoder = Encoder.load(tiny_bert(tmp_path / "model", dropout=0.3))
    encoder.use_attention(NAME)
    token_ids = encoder.token_ids(SENTENCES[:4])

    def drawn(seed: int) -> torch.Tensor:
        with encoder.in_mode(training=True), seeded(seed, "dropout"):
            return encoder.pooled(token_ids).detach()

    assert torch.equal(drawn(0), drawn(0))
    assert not torch.equal(drawn(0), drawn(1))


@settings(max_examples=25)
@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=6), min_size=1, max_size=5))
def test_positions_are_those_that_roberta_counts(texts: list[list[int]]) -> None:
    """A loop over tokens; the padding token has the number 1."""
    expected = []
    for text in texts:
        counted = 0
        for token in text:
            counted += token != 1
            expected.append(1 + counted if token != 1 else 1)
    packing = pack(texts, 1, CPU)
    assert packing.position_1S.tolist() == [expected]
    states_1SD = packing.ids_1S[..., None].float() + 1
    unpacked = packing.padded(states_1SD)[..., 0]
    assert [row[: len(text)].tolist() for row, text in zip(unpacked, texts, strict=True)] == [
        [token + 1 for token in text] for text in texts
    ]
    assert unpacked.sum() == states_1SD.sum()


def test_one_by_one_is_softmax_within_the_text() -> None:
    packing = pack([[5, 5, 5], [5, 5]], None, CPU)
    query, key, value = torch.randn(3, 5, 2, 4, dtype=torch.float64)
    found = one_by_one(query, key, value, packing, 0.0, 0.5)
    for start, end in ((0, 3), (3, 5)):
        for token in range(start, end):
            for head in range(2):
                scores = [0.5 * float(query[token, head] @ key[other, head]) for other in range(start, end)]
                total = sum(map(math.exp, scores))
                expected = sum(
                    math.exp(score) / total * value[other, head]
                    for score, other in zip(scores, range(start, end), strict=True)
                )
                torch.testing.assert_close(found[token, head], expected)


def test_flash_is_called_as_torch_declares_it() -> None:
    """No GPU is needed to see that the arguments are still those of the operator, in its order."""
    names = [argument.name for argument in torch.ops.aten._flash_attention_forward.default._schema.arguments]
    assert names[:10] == [
        "query", "key", "value", "cum_seq_q", "cum_seq_k", "max_q", "max_k", "dropout_p", "is_causal",
        "return_debug_mask",
    ]  # fmt: skip
    assert "scale" in names[10:]
    packing = pack([[5, 5, 5], [5, 5]], None, CPU)
    assert packing.starts.dtype == torch.int32
    with pytest.raises(NotImplementedError):
        flash(*torch.randn(3, 5, 2, 8), packing, 0.0, None)


@pytest.mark.gpu
def test_flash_equals_one_by_one() -> None:
    packing = pack([[5] * length for length in (30, 1, 7, 12)], None, torch.device("cuda"))
    rows = torch.randn(3, 50, 4, 64, device="cuda", requires_grad=True)
    expected = one_by_one(*rows, packing, 0.0, None)
    found = flash(*rows.bfloat16(), packing, 0.0, None)
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)
    ours, theirs = (torch.autograd.grad(each.float().sin().sum(), rows)[0] for each in (found, expected))
    torch.testing.assert_close(ours, theirs, rtol=0.1, atol=0.05)


def test_the_check_before_a_run_sees_that_both_ways_agree_and_when_they_do_not(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_ids = encoder.token_ids(SENTENCES[:6])
    assert agrees(encoder, token_ids)
    assert encoder.attention == "sdpa"
    assert all(weight.grad is None for weight in encoder.parameters())

    def missing(*_: Any) -> torch.Tensor:
        raise NotImplementedError("no such kernel on this device")

    def mixed_up(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, packing: Packing, *_: Any
    ) -> Any:
        return value.flip(0)  # in a row of texts, other texts' tokens

    for kernel in (missing, mixed_up):
        monkeypatch.setattr(unpadded, "one_by_one", kernel)
        assert not agrees(encoder, token_ids)
        assert encoder.attention == "sdpa"

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from contrapose.encoder.encoder import Encoder
from contrapose.encoder.pooling import POOLINGS
from contrapose.errors import ModelError, UsageError
from tests.tiny import POSITIONS, SENTENCES, TINY, WIDTH, pooled_by, tiny_bert, tiny_roberta


def rewrite(folder: Path, change) -> None:
    """Apply ``change`` to the dictionary of weights of a saved model."""
    from safetensors.torch import load_file, save_file

    weights = change(load_file(folder / "model.safetensors"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_a_masked_language_model_gets_first_token_pooling_and_a_train_time_head(tiny_folder: Path) -> None:
    encoder = Encoder.load(tiny_folder)
    assert (encoder.kind, encoder.pooling, encoder.normalize) == ("masked-lm", "cls", False)
    assert (encoder.width, encoder.max_length, encoder.training) == (WIDTH, POSITIONS, False)
    assert encoder.head is not None
    assert encoder.name == tiny_folder.name
    assert Encoder.load(tiny_folder, pooling="avg").head is None
    assert Encoder.load(tiny_folder, head="none").head is None
    assert Encoder.load(tiny_folder, pooling="avg", head="mlp-bn").head is not None


def test_a_sentence_encoder_keeps_its_own_pooling_and_gets_no_head(minilm: Encoder) -> None:
    assert (minilm.kind, minilm.pooling, minilm.normalize, minilm.head) == ("sentence", "avg", True, None)
    assert (minilm.width, minilm.max_length, minilm.name) == (384, 256, "minilm")
    assert minilm.dropout_probability() == pytest.approx(0.1)


def test_minilm_puts_paraphrases_closer_than_unrelated_texts(minilm: Encoder) -> None:
    texts = ["A man is playing a guitar.", "Someone plays the guitar.", "The stock market fell on Monday."]
    cosine = minilm.encode(texts) @ minilm.encode(texts).T
    assert cosine[0, 1] > 0.7
    assert cosine[0, 2] < 0.2


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling_works_on_every_architecture_and_trains(tiny_folder: Path, pooling: str) -> None:
    encoder = Encoder.load(tiny_folder, **pooled_by(pooling), head="none").train()
    vectors = encoder.pooled(encoder.token_ids(list(SENTENCES[:3])))
    assert vectors.shape == (3, WIDTH)
    assert vectors.dtype == torch.float32
    vectors.square().sum().backward()
    words = encoder.backbone.get_input_embeddings().weight.grad
    assert words is not None
    assert words.abs().sum() > 0


def test_pooled_is_the_same_row_whatever_it_is_padded_to(tiny_folder: Path) -> None:
    encoder = Encoder.load(tiny_folder, pooling="avg")
    short, long = encoder.token_ids([SENTENCES[0], " ".join(SENTENCES)])
    with torch.no_grad():
        alone, together = encoder.pooled([short])[0], encoder.pooled([short, long])[0]
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)


def test_pooled_follows_the_mode_it_is_called_in(bert: Encoder) -> None:
    ids = bert.token_ids([SENTENCES[0]])
    with torch.no_grad():
        assert torch.equal(bert.pooled(ids), bert.pooled(ids))
        bert.train()
        assert not torch.equal(bert.pooled(ids), bert.pooled(ids))


def test_under_autocast_the_result_is_fp32_and_gradients_reach_the_weights(bert: Encoder) -> None:
    ids = bert.token_ids(list(SENTENCES[:4]))
    exact = bert.pooled(ids)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = bert.pooled(ids)
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.2
    rough.sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in bert.backbone.parameters())


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_both_attentions_give_the_same_vectors(tiny_folder: Path, attention: str) -> None:
    encoder = Encoder.load(tiny_folder)
    ids = encoder.token_ids(list(SENTENCES[:4]))
    with torch.no_grad():
        expected = encoder.pooled(ids)
        encoder.use_attention(attention)
        assert encoder.attention == (attention if encoder.backbone._supports_sdpa else "eager")
        torch.testing.assert_close(encoder.pooled(ids), expected, atol=2e-5, rtol=0)
    with pytest.raises(UsageError, match="eager"):
        encoder.use_attention("org/kernel")


def test_dropout_is_set_everywhere_in_the_backbone_and_kept_by_saving(
    tiny_folder: Path, tmp_path: Path
) -> None:
    assert Encoder.load(tiny_folder).dropout_probability() == pytest.approx(0.1)
    encoder = Encoder.load(tiny_folder, dropout=0.3)
    layers = [part.p for part in encoder.backbone.modules() if isinstance(part, torch.nn.Dropout)]
    assert layers
    assert set(layers) == {0.3}
    encoder.save(tmp_path / "saved")
    assert Encoder.load(tmp_path / "saved").dropout_probability() == 0.3
    with pytest.raises(UsageError, match="below 1"):
        Encoder.load(tiny_folder, dropout=1.0)


def test_checkpoint_of_a_whole_masked_language_model_loads_with_the_weights_of_its_encoder(
    tmp_path: Path,
) -> None:
    from safetensors.torch import load_file

    folder = tiny_bert(tmp_path / "mlm", masked_lm=True)
    keys = load_file(folder / "model.safetensors")
    assert any(key.startswith("cls.") for key in keys)
    own = Encoder.load(folder).backbone.state_dict()["embeddings.word_embeddings.weight"]
    assert torch.equal(own, keys["bert.embeddings.word_embeddings.weight"])


def test_a_missing_weight_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model")
    lost = "encoder.layer.1.attention.self.query.weight"
    rewrite(folder, lambda weights: {key: value for key, value in weights.items() if key != lost})
    with pytest.raises(ModelError, match=r"lack encoder\.layer\.1\.attention\.self\.query\.weight"):
        Encoder.load(folder)


@pytest.mark.parametrize("masked_lm", [False, True], ids=["plain", "prefixed"])
def test_a_configuration_with_fewer_layers_than_the_weights_is_an_error(
    tmp_path: Path, masked_lm: bool
) -> None:
    folder = tiny_bert(tmp_path / "model", masked_lm=masked_lm)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1}))
    with pytest.raises(ModelError, match=r"hold encoder\.layer\.1\..* and \d+ more.*smaller model"):
        Encoder.load(folder)


def test_a_weight_of_the_encoders_own_that_has_no_place_is_an_error_and_what_is_of_heads_is_not(
    tmp_path: Path,
) -> None:
    folder = tiny_bert(tmp_path / "model")
    heads = {
        name: torch.ones(2)
        for name in (
            "cls.predictions.bias",
            "lm_head.bias",
            "classifier.weight",
            "qa_outputs.bias",
            "embeddings.position_ids",
            "bert.pooler.extra.bias",
        )
    }
    expected = Encoder.load(folder).fingerprint()
    rewrite(folder, lambda weights: weights | heads)
    assert Encoder.load(folder).fingerprint() == expected
    rewrite(folder, lambda weights: weights | {"embeddings.second_norm.weight": torch.ones(2)})
    with pytest.raises(ModelError, match=r"hold embeddings\.second_norm\.weight"):
        Encoder.load(folder)


def test_the_unused_pooler_may_be_missing_and_is_never_made(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model")
    rewrite(
        folder, lambda weights: {key: value for key, value in weights.items() if not key.startswith("pooler")}
    )
    encoder = Encoder.load(folder)
    assert encoder.pooler == {}
    assert not any("pooler" in key for key in encoder.state_dict())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_checkpoints_are_turned_to_fp32(tmp_path: Path, dtype: torch.dtype) -> None:
    folder = tiny_roberta(tmp_path / "model")
    rewrite(folder, lambda weights: {key: value.to(dtype) for key, value in weights.items()})
    encoder = Encoder.load(folder)
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
    assert encoder.encode(list(SENTENCES[:2])).dtype == "float32"


def test_a_tokenizer_larger_than_the_model_is_an_error(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model")
    other = tiny_roberta(tmp_path / "other")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((other / name).read_bytes())
    with pytest.raises(ModelError, match="do not belong together"):
        Encoder.load(folder)


def test_shapes_that_differ_from_the_configuration_are_one_clear_error(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model")
    rewrite(folder, lambda weights: {**weights, "embeddings.LayerNorm.weight": torch.ones(WIDTH + 1)})
    with pytest.raises(ModelError, match=r"embeddings\.LayerNorm\.weight have another shape"):
        Encoder.load(folder)


def test_loading_prints_nothing_and_leaves_the_settings_of_transformers(tiny_folder: Path, capfd) -> None:
    import logging

    from transformers.utils import logging as reporting

    before = logging.getLogger("transformers").level, reporting.is_progress_bar_enabled()
    random_state = torch.get_rng_state()
    Encoder.load(tiny_folder)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert (logging.getLogger("transformers").level, reporting.is_progress_bar_enabled()) == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("builder", TINY.values(), ids=TINY)
def test_the_fingerprint_sees_all_that_shapes_a_vector_and_nothing_else(builder, tmp_path: Path) -> None:
    folder = builder(tmp_path / "a")
    fingerprint = Encoder.load(folder).fingerprint()
    encoder = Encoder.load(folder, head="mlp-bn", dropout=0.2).train()
    encoder.encode(list(SENTENCES))
    assert encoder.fingerprint() == fingerprint
    assert Encoder.load(builder(tmp_path / "b", seed=1)).fingerprint() != fingerprint
    assert Encoder.load(folder, pooling="avg").fingerprint() != fingerprint
    assert Encoder.load(folder, max_length=16).fingerprint() != fingerprint
    with torch.no_grad():
        encoder.backbone.get_input_embeddings().weight[3, 3] += 1e-3
    assert encoder.fingerprint() != fingerprint


def test_a_head_over_the_pooling_that_forbids_one_is_refused(bert_folder: Path) -> None:
    assert Encoder.load(bert_folder, pooling="cls_before_pooler").head is None
    with pytest.raises(UsageError, match="no head"):
        Encoder.load(bert_folder, pooling="cls_before_pooler", head="linear-tanh")


@pytest.mark.parametrize("length", [0, 2, POSITIONS + 1, 100_000])
def test_a_length_that_the_positions_do_not_allow_is_refused(tiny_folder: Path, length: int) -> None:
    with pytest.raises(UsageError, match=f"between 3 and {POSITIONS}"):
        Encoder.load(tiny_folder, max_length=length)


def test_no_rows_give_an_empty_table(bert: Encoder) -> None:
    assert bert.token_ids([]) == []
    assert bert.pooled([]).shape == (0, WIDTH)


def test_of_a_model_with_two_halves_the_encoder_is_taken(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

    tokenizer = AutoTokenizer.from_pretrained(tiny_bert(tmp_path / "bert"))
    config = T5Config(vocab_size=len(tokenizer), d_model=WIDTH, num_layers=2, num_heads=2, d_ff=64, d_kv=16)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path / "t5")
    tokenizer.save_pretrained(tmp_path / "t5")
    encoder = Encoder.load(tmp_path / "t5", pooling="avg", dropout=0.2)
    assert encoder.dropout_probability() == 0.2
    assert not any("decoder" in key for key in encoder.state_dict())
    encoder.save(tmp_path / "saved")
    again = Encoder.load(tmp_path / "saved")
    assert abs(again.encode(list(SENTENCES)) - encoder.encode(list(SENTENCES))).max() < 1e-6


WHOLE_MODELS = [
    "BertForPreTraining",
    "BertForSequenceClassification",
    "RobertaForMaskedLM",
    "RobertaForSequenceClassification",
    "MPNetForMaskedLM",
    "AlbertForMaskedLM",
    "ElectraForMaskedLM",
    "DebertaV2ForMaskedLM",
    "ModernBertForMaskedLM",
    "XLMRobertaForTokenClassification",
]


@pytest.mark.parametrize("name", WHOLE_MODELS)
def test_checkpoints_of_whole_models_load_with_the_weights_of_their_encoder(
    tmp_path: Path, name: str
) -> None:
    import transformers
    from safetensors.torch import load_file

    architecture = getattr(transformers, name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_bert(tmp_path / "bert"))
    sizes = {
        "vocab_size": len(tokenizer),
        "num_hidden_layers": 2,
        "hidden_size": WIDTH,
        "embedding_size": WIDTH,
        "intermediate_size": 64,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": POSITIONS + 2,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "cls_token_id": 2,
        "sep_token_id": 3,
    }
    known = vars(architecture.config_class())
    config = architecture.config_class(**{key: value for key, value in sizes.items() if key in known})
    whole = architecture(config)
    whole.save_pretrained(tmp_path / "whole")
    tokenizer.save_pretrained(tmp_path / "whole")
    stored = load_file(tmp_path / "whole" / "model.safetensors")
    encoder = Encoder.load(tmp_path / "whole", pooling="avg")
    own = encoder.backbone.state_dict()
    assert len(stored) > len(own) or not set(stored) <= set(own)  # heads, or names under a prefix
    assert encoder.encode(SENTENCES[:2]).shape == (2, encoder.width)
    encoder.save(tmp_path / "saved")
    assert (Encoder.load(tmp_path / "saved").encode(SENTENCES[:2]) == encoder.encode(SENTENCES[:2])).all()

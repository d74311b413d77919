"""An encoder on another backend gives the original's vectors, whatever its architecture, pooling and text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contrapose.backends import opening
from contrapose.backends.encoder import BackendEncoder
from contrapose.backends.kinds import check_installed
from contrapose.backends.made import cached_folder
from contrapose.backends.opening import open_encoder
from contrapose.backends.runtimes import open_network
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.pooling import POOLINGS
from contrapose.encoder.word_weights import weigh_words
from contrapose.errors import EmptyCorpus, MissingExtra, ModelError, UsageError
from contrapose.seeds import seeded
from tests.backends.graphs import written_graph
from tests.tiny import LAYERS, POSITIONS, SENTENCES, TINY, WIDTH, pooled_by, tiny_bert

#: A blank, scripts that no vocabulary knows, half a character, and far more words than the encoder takes.
TEXTS = [*SENTENCES, "", " ", "東京 ǂ émoji 🙂", "word " * 4000, "a", "\ud800 lone"]
SAMPLE = [f"{one} and {other}" for one in SENTENCES for other in SENTENCES[:4]]
#: fp32 summed in another order, through two layers.
ATOL = 2e-5


def on(encoder: Encoder, backend: str, folder: Path) -> BackendEncoder:
    """Without the check."""
    network = open_network(backend, written_graph(encoder, backend, folder))
    return BackendEncoder(encoder, network, backend=backend, precision="fp32")


def tiny_distilbert(folder: Path) -> Path:
    """The tokenizer of the tiny BERT, and a network without token types."""
    from transformers import DistilBertConfig, DistilBertModel

    words = Encoder.load(tiny_bert(folder)).backbone.config.vocab_size
    config = DistilBertConfig(
        vocab_size=words,
        dim=WIDTH,
        n_layers=LAYERS,
        n_heads=2,
        hidden_dim=2 * WIDTH,
        max_position_embeddings=POSITIONS,
        initializer_range=0.3,
    )
    with seeded(0, "tiny"):
        DistilBertModel(config).save_pretrained(folder)
    return folder


ARCHITECTURES = TINY | {"distilbert": tiny_distilbert}


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
def test_every_architecture_gives_the_original_s_vectors(kind: str, backend: str, tmp_path: Path) -> None:
    """RoBERTa and MPNet number positions after the padding's: a frozen position would show at other lengths."""
    encoder = Encoder.load(ARCHITECTURES[kind](tmp_path / "model"), pooling="avg")
    other = on(encoder, backend, tmp_path)
    expected = encoder.encode(TEXTS, normalize=True)
    assert np.linalg.norm(expected[0] - expected[1]) > 0.1
    np.testing.assert_allclose(other.encode(TEXTS, normalize=True), expected, atol=ATOL)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling_gives_the_original_s_vectors(pooling: str, tmp_path: Path) -> None:
    encoder = Encoder.load(tiny_bert(tmp_path / "model"), **pooled_by(pooling))
    other = on(encoder, "onnx", tmp_path)
    for normalize in (False, True):
        expected = encoder.encode(TEXTS, normalize=normalize)
        np.testing.assert_allclose(other.encode(TEXTS, normalize=normalize), expected, rtol=1e-4, atol=ATOL)


@pytest.mark.parametrize("head", ["none", "linear-tanh", "mlp-bn"])
def test_a_head_of_training_is_no_part_of_a_graph(head: str, tmp_path: Path) -> None:
    encoder = Encoder.load(tiny_bert(tmp_path / "model"), pooling="cls", head=head)
    np.testing.assert_allclose(
        on(encoder, "onnx", tmp_path).encode(TEXTS), encoder.encode(TEXTS), rtol=1e-4, atol=ATOL
    )


def test_weighted_words_count_as_in_the_original(tmp_path: Path) -> None:
    encoder = Encoder.load(tiny_bert(tmp_path / "model"), pooling="avg")
    plain = encoder.encode(TEXTS)
    encoder.word_weights = weigh_words(encoder, SAMPLE)
    expected = encoder.encode(TEXTS)
    assert np.abs(plain - expected).max() > 0.01
    np.testing.assert_allclose(on(encoder, "onnx", tmp_path).encode(TEXTS), expected, rtol=1e-4, atol=ATOL)


def test_batches_change_nothing_and_progress_counts_every_text(tmp_path: Path) -> None:
    other = on(Encoder.load(tiny_bert(tmp_path / "model"), pooling="avg"), "onnx", tmp_path)
    counted: list[int] = []
    small = other.encode(TEXTS * 2, tokens_per_batch=8, progress=counted.append)
    assert sum(counted) == 2 * len(TEXTS)
    np.testing.assert_allclose(small, other.encode(TEXTS * 2), atol=ATOL)
    assert other.encode("one text").shape == (WIDTH,)
    assert other.encode([]).shape == (0, WIDTH)


def test_an_encoder_of_one_precision_refuses_another(tmp_path: Path) -> None:
    other = on(Encoder.load(tiny_bert(tmp_path / "model"), pooling="avg"), "onnx", tmp_path)
    with pytest.raises(UsageError, match="computes in fp32, and bf16 was asked for"):
        other.encode(["a"], precision="bf16")
    with pytest.raises(UsageError, match="tokens_per_batch"):
        other.encode(["a"], tokens_per_batch=0)


@pytest.mark.parametrize(
    ("backend", "precision"),
    [("onnx", "int8"), ("openvino", "int8"), ("openvino", "bf16"), ("torch", "bf16")],
)
def test_lower_precision_stays_near_and_its_fingerprint_is_its_own(
    backend: str, precision: str, tmp_path: Path
) -> None:
    for module in ("onnx", "onnxruntime", "openvino", "nncf"):
        pytest.importorskip(module)
    encoder = Encoder.load(tiny_bert(tmp_path / "model"), pooling="avg")
    opened = open_encoder(encoder, backend=backend, precision=precision, sample=SAMPLE, max_loss=100)
    assert opened.checked is not None
    assert 0.9 < opened.checked.cosine_mean < 1 - 1e-9  # near, and it did compute in less
    assert opened.checked.texts == len(SAMPLE)
    if backend != "torch":
        assert opened.encoder.fingerprint() != encoder.fingerprint()


def test_the_original_needs_no_check(tmp_path: Path) -> None:
    encoder = Encoder.load(tiny_bert(tmp_path / "model"))
    opened = open_encoder(encoder)
    assert opened.encoder is encoder
    assert opened.checked is None


def test_int8_of_a_destroyed_graph_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real graph whose products have lost their weights: it opens, it computes, and its vectors mean nothing."""
    onnx = pytest.importorskip("onnx")
    from contrapose.backends import made

    def destroyed(graph: Path, out: Path) -> None:
        model = onnx.load(str(graph))
        wrecked = 0
        for tensor in model.graph.initializer:
            values = onnx.numpy_helper.to_array(tensor)
            if values.ndim == 2:
                tensor.CopyFrom(onnx.numpy_helper.from_array(values[::-1].copy(), tensor.name))
                wrecked += 1
        assert wrecked > LAYERS
        onnx.save(model, str(out))

    monkeypatch.setattr(made, "quantise_onnx", destroyed)
    encoder = Encoder.load(tiny_bert(tmp_path / "model"), pooling="avg")
    with pytest.raises(ModelError, match=r"int8 by onnx lost more than it may .* mean cosine"):
        open_encoder(encoder, backend="onnx", precision="int8", sample=SAMPLE)


def test_a_number_that_tracing_froze_is_found(tmp_path: Path) -> None:
    """The graph of other weights stands for one that computes something else."""
    pytest.importorskip("onnxruntime")
    from contrapose.backends.graph import check_equal

    other = on(Encoder.load(tiny_bert(tmp_path / "a", seed=1), pooling="avg"), "onnx", tmp_path)
    with pytest.raises(ModelError, match="gives other states than the network"):
        check_equal(Encoder.load(tiny_bert(tmp_path / "b", seed=2), pooling="avg"), other.network)


def test_the_second_use_measures_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    encoder = Encoder.load(tiny_bert(tmp_path / "model"), pooling="avg")
    measured: list[int] = []
    real = opening.compare
    monkeypatch.setattr(opening, "compare", lambda *args, **named: measured.append(1) or real(*args, **named))
    first = open_encoder(encoder, backend="onnx", sample=SAMPLE)
    again = open_encoder(encoder, backend="onnx", sample=SAMPLE)
    assert measured == [1]
    assert again.checked == first.checked
    open_encoder(encoder, backend="onnx", sample=SAMPLE[:-1])
    assert measured == [1, 1]


def test_what_is_damaged_in_the_cache_is_made_again(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    encoder = Encoder.load(tiny_bert(tmp_path / "model"), pooling="avg")
    open_encoder(encoder, backend="onnx", sample=SAMPLE)
    graph = cached_folder(encoder.fingerprint(), "onnx", int8=False, sample=()) / "onnx" / "model.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[: len(whole) // 2])
    (record,) = (tmp_path / "cache" / "checks").rglob("*.json")
    record.write_text('{"backend": 3}')
    assert open_encoder(encoder, backend="onnx", sample=SAMPLE).checked is not None
    assert len(graph.read_bytes()) == len(whole)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"backend": "onix"}, "unknown backend 'onix'"),
        ({"backend": "onnx", "precision": "fp8"}, "unknown precision 'fp8'"),
        ({"backend": "onnx", "precision": "bf16"}, "does not compute in bf16"),
        ({"precision": "int8"}, "torch does not compute in int8"),
        ({"precision": "bf16", "max_loss": float("nan")}, "--max-loss"),
    ],
)
def test_a_wrong_request_is_one_message(request_: dict[str, object], said: str, tmp_path: Path) -> None:
    encoder = Encoder.load(tiny_bert(tmp_path / "model"))
    with pytest.raises(UsageError, match=said):
        open_encoder(encoder, sample=SAMPLE, **request_)  # type: ignore[arg-type]


def test_without_text_nothing_can_be_compared(tmp_path: Path) -> None:
    encoder = Encoder.load(tiny_bert(tmp_path / "model"))
    with pytest.raises(EmptyCorpus, match="no text to compare"):
        open_encoder(encoder, precision="bf16", sample=["", " "])


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contrapose.backends.kinds.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"\[onnx\]"):
        check_installed("onnx")
    with pytest.raises(MissingExtra, match=r"\[openvino\]"):
        check_installed("openvino")
    check_installed("torch")


def test_what_is_no_graph_is_one_message(tmp_path: Path) -> None:
    for module, backend, name in (("onnxruntime", "onnx", "a.onnx"), ("openvino", "openvino", "a.xml")):
        pytest.importorskip(module)
        (tmp_path / name).write_bytes(b"no graph at all")
        with pytest.raises(ModelError, match=f"cannot be opened by the backend {backend}"):
            open_network(backend, tmp_path / name)

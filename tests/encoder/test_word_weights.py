from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import contrapose
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.word_weights import LEAST, idf_weights, weigh_words
from contrapose.errors import ModelError, UsageError
from tests.tiny import SENTENCES


def weighed(folder: Path) -> Encoder:
    encoder = Encoder.load(folder, pooling="avg")
    encoder.word_weights = weigh_words(encoder, SENTENCES, power=1.0)
    return encoder


def test_a_word_of_every_text_counts_little_and_a_rare_one_much() -> None:
    texts = [[0, 1, 1], [0, 2], [0, 2]]
    expected = [max(math.log(4 / (count + 0.5)), LEAST) ** 0.5 for count in (3, 1, 2, 0)]
    assert idf_weights(texts, 4, power=0.5).tolist() == pytest.approx(expected, abs=1e-5)
    assert idf_weights(texts, 4, power=0).tolist() == [1, 1, 1, 1]
    with pytest.raises(UsageError, match="between 0 and 4, got 9"):
        idf_weights(texts, 4, power=9)


def test_the_vector_is_the_weighted_mean_of_the_states_of_tokens(bert_folder: Path) -> None:
    encoder = weighed(bert_folder)
    vectors = encoder.encode(SENTENCES, normalize=False)
    for text, vector in zip(SENTENCES, vectors, strict=True):
        ids = encoder.token_ids([text])[0]
        with torch.inference_mode():
            states_TD = encoder.backbone(input_ids=torch.tensor([ids])).last_hidden_state[0]
        weights = [float(encoder.word_weights[token]) for token in ids]
        by_hand = sum(w * state for w, state in zip(weights, states_TD, strict=True)) / sum(weights)
        assert np.allclose(vector, by_hand, atol=1e-5)


def test_equal_weights_change_nothing_and_others_the_fingerprint(bert_folder: Path) -> None:
    plain, encoder = Encoder.load(bert_folder, pooling="avg"), Encoder.load(bert_folder, pooling="avg")
    encoder.word_weights = weigh_words(encoder, SENTENCES, power=0)
    assert np.allclose(plain.encode(SENTENCES), encoder.encode(SENTENCES), atol=1e-6)
    assert plain.fingerprint() != weighed(bert_folder).fingerprint()


def test_a_saved_folder_gives_the_same_vectors_here_and_in_sentence_transformers(
    bert_folder: Path, tmp_path: Path
) -> None:
    encoder = weighed(bert_folder)
    encoder.save(tmp_path / "saved")
    loaded = Encoder.load(tmp_path / "saved")
    assert loaded.fingerprint() == encoder.fingerprint()
    assert np.array_equal(loaded.encode(SENTENCES), encoder.encode(SENTENCES))
    transformer = pytest.importorskip("sentence_transformers")
    other = transformer.SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    assert np.allclose(other.encode(SENTENCES), loaded.encode(SENTENCES, normalize=False), atol=1e-5)
    other.save(str(tmp_path / "theirs"))
    assert np.allclose(
        Encoder.load(tmp_path / "theirs").encode(SENTENCES), loaded.encode(SENTENCES), atol=1e-5
    )


def test_training_goes_on_with_the_weights(bert_folder: Path, tmp_path: Path) -> None:
    encoder = weighed(bert_folder)
    encoder.save(tmp_path / "start")
    text = tmp_path / "text.txt"
    text.write_text("".join(f"{sentence} {number}\n" for number in range(4) for sentence in SENTENCES))
    run = contrapose.train(
        text, model=tmp_path / "start", out=tmp_path / "run", steps=2, batch_size=4, held_out_rows=0,
        criterion="none",
    )  # fmt: skip
    assert torch.equal(run.encoder.word_weights, encoder.word_weights)
    assert not np.allclose(run.encoder.encode(SENTENCES), encoder.encode(SENTENCES), atol=1e-7)


def test_words_are_weighed_in_a_mean_only(bert_folder: Path) -> None:
    encoder = Encoder.load(bert_folder, pooling="cls", head="none")
    with pytest.raises(UsageError, match=r"mean over tokens \(pooling avg\), and this encoder pools by cls"):
        weigh_words(encoder, SENTENCES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocab": None}, "its file of weights is damaged"),
        ({"vocab": [1, 2]}, "its file of weights is damaged"),
        ({"word_weights": []}, "its file of weights is damaged"),
        ({"word_weights": {"1": -1}}, "no number of zero or more"),
        ({"word_weights": {"1": "much"}}, "no number of zero or more"),
        ({"word_weights": {}, "unknown_word_weight": None}, "no number of zero or more"),
        ({"word_weights": {}, "unknown_word_weight": 0}, "no word has a weight"),
        ({"vocab": ["0", "1"], "unknown_word_weight": 1}, "weighs 2 words, and its model knows"),
    ],
)
def test_a_damaged_file_of_weights_is_refused(
    bert_folder: Path, tmp_path: Path, change: dict, message: str
) -> None:
    weighed(bert_folder).save(tmp_path / "saved")
    config = tmp_path / "saved" / "1_WordWeights" / "config.json"
    weights = json.loads(config.read_text())
    for name in ("contrapose.json", "manifest.json"):
        (tmp_path / "saved" / name).unlink()
    config.write_text(json.dumps({**weights, **change}))
    with pytest.raises(ModelError, match=message):
        Encoder.load(tmp_path / "saved")

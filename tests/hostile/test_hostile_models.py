"""A model folder is data, not code: nothing in one may run, lead out of it, or hurt by lying about lengths."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.encoder.headers import LARGEST_HEADER, MOST_TENSORS, check_safetensors
from contrapose.encoder.safety import inspect_folder
from contrapose.errors import ContraposeError, CorruptFile, ModelError, UnsafeModel, UsageError
from tests.tiny import tiny_bert


class Bomb:
    """Unpickling it writes the canary file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return (Path.write_text, (self.canary, "it ran"))


@pytest.fixture
def canary(tmp_path: Path):
    """A file that hostile content would create; the test fails if anything did."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "code from a model folder was run"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_bert(tmp_path / "victim")


@pytest.fixture
def sentence_model(model: Path, tmp_path: Path) -> Path:
    Encoder.load(model, pooling="avg").save(tmp_path / "sentence")
    return tmp_path / "sentence"


def edit(path: Path, **changes: object) -> None:
    values = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**values, **changes}))


def archive(content: bytes) -> bytes:
    """A zip as torch.save writes it: the pickle inside."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", content)
    return buffer.getvalue()


def test_the_bomb_would_go_off_if_anyone_opened_it(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "proof")))
    assert (tmp_path / "proof").read_text() == "it ran"


PICKLES = [
    "pytorch_model.bin",
    "w.pt",
    "w.pth",
    "w.pkl",
    "w.ckpt",
    "w.joblib",
    "w.npz",
    "1_Pooling/x.bin",
    "W.PT",
]


@pytest.mark.parametrize("name", PICKLES)
@pytest.mark.parametrize("wrap", [bytes, archive], ids=["bare", "zip"])
def test_pickled_weights_are_refused_by_name(model: Path, canary: Path, name: str, wrap: Callable) -> None:
    target = model / name
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(wrap(pickle.dumps(Bomb(canary))))
    with pytest.raises(UnsafeModel, match="safetensors"):
        Encoder.load(model)


@pytest.mark.parametrize("name", ["weights.dat", "config2.json", "extra", "model.h5", "tokenizer.model"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_are_refused_by_content_whatever_their_name(
    model: Path, canary: Path, name: str, protocol: int
) -> None:
    (model / name).write_bytes(pickle.dumps(Bomb(canary), protocol=protocol))
    with pytest.raises(UnsafeModel, match="pickled objects"):
        Encoder.load(model)


def test_an_array_of_objects_is_refused(model: Path, canary: Path) -> None:
    np.save(model / "vectors.npy", np.array([Bomb(canary)], dtype=object), allow_pickle=True)
    with pytest.raises(UnsafeModel):
        Encoder.load(model)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("wrap", [bytes, archive], ids=["bare", "zip"])
def test_a_pickle_renamed_safetensors_is_refused(
    model: Path, canary: Path, protocol: int, wrap: Callable
) -> None:
    (model / "model.safetensors").write_bytes(wrap(pickle.dumps(Bomb(canary), protocol=protocol)))
    with pytest.raises((UnsafeModel, CorruptFile)):
        Encoder.load(model)


def test_python_files_are_refused(model: Path, canary: Path) -> None:
    (model / "modeling_evil.py").write_text(f"open({str(canary)!r}, 'w')")
    with pytest.raises(UnsafeModel, match="is code"):
        Encoder.load(model)


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("config.json", {"auto_map": {"AutoModel": "modeling_evil.EvilModel"}}),
        ("config.json", {"auto_map": {"AutoModel": "attacker/repo--modeling_evil.EvilModel"}}),
        ("config.json", {"_attn_implementation_internal": "attacker/kernel"}),
        ("config.json", {"_attn_implementation": "attacker/kernel"}),
        ("config.json", {"attn_implementation": "attacker/kernel"}),
        ("config.json", {"text_config": {"_attn_implementation_internal": "attacker/kernel"}}),
        ("config.json", {"_experts_implementation_internal": "attacker/kernel"}),
        ("config.json", {"_unknown_note": 1}),
        ("config.json", {"quantization_config": {"quant_method": "evil"}}),
        ("config.json", {"custom_pipelines": {"x": {"impl": "evil.Pipeline"}}}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["tok.Evil", None]}}),
        ("tokenizer_config.json", {"tokenizer_class": "EvilTokenizer"}),
        ("tokenizer_config.json", {"tokenizer_class": "os.system"}),
        ("tokenizer_config.json", {"tokenizer_class": ["a"]}),
    ],
)
def test_configurations_that_name_code_are_refused(
    model: Path, canary: Path, file: str, changes: dict
) -> None:
    code = f"open({str(canary)!r}, 'w')\n"
    sys.path.insert(0, str(model.parent))
    try:
        (model.parent / "modeling_evil.py").write_text(code)
        edit(model / file, **changes)
        with pytest.raises(UnsafeModel):
            Encoder.load(model)
    finally:
        sys.path.remove(str(model.parent))


def test_a_name_in_the_configuration_is_a_note_and_allowed(model: Path) -> None:
    edit(model / "config.json", _name_or_path="/somewhere/else", _commit_hash="abc")
    assert Encoder.load(model).width == 32


def test_there_is_no_option_to_trust_remote_code(model: Path) -> None:
    import inspect

    options = inspect.signature(Encoder.load).parameters
    assert not [name for name in options if "trust" in name or "remote" in name or "kwargs" in name]
    with pytest.raises(TypeError):
        Encoder.load(model, trust_remote_code=True)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "kind",
    [
        "evil.Transformer",
        "os.system",
        "subprocess.Popen",
        "sentence_transformers.models.Transformer; import os",
        "",
    ],
)
def test_foreign_module_classes_are_refused_and_never_imported(
    sentence_model: Path, canary: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sentence_model.parent / "evil.py").write_text(f"open({str(canary)!r}, 'w')")
    monkeypatch.syspath_prepend(str(sentence_model.parent))
    modules = json.loads((sentence_model / "modules.json").read_text())
    modules[0]["type"] = kind
    (sentence_model / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UnsafeModel, match="may not name code"):
        Encoder.load(sentence_model)
    assert "evil" not in sys.modules


def test_a_known_module_that_cannot_be_represented_is_a_plain_error(sentence_model: Path) -> None:
    modules = json.loads((sentence_model / "modules.json").read_text())
    modules.append({"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    (sentence_model / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match="Dense is not supported"):
        Encoder.load(sentence_model)


OUTSIDE = ["../other", "/etc", "a/../../b", "..\\x", "C:\\x", "~/x", "nul\0", "file:///etc", "x" * 300]


@pytest.mark.parametrize("path", OUTSIDE, ids=range(len(OUTSIDE)))
@pytest.mark.parametrize("module", [0, 1])
def test_module_paths_that_leave_the_folder_are_refused(sentence_model: Path, path: str, module: int) -> None:
    modules = json.loads((sentence_model / "modules.json").read_text())
    modules[module]["path"] = path
    (sentence_model / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UnsafeModel, match="plain name"):
        Encoder.load(sentence_model)


@pytest.mark.parametrize(
    "shard", ["../model.safetensors", "/etc/passwd", "model.bin", "a/b.safetensors", ".."]
)
def test_shard_names_that_are_paths_are_refused(model: Path, shard: str) -> None:
    index = {"metadata": {}, "weight_map": {"embeddings.LayerNorm.weight": shard}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UnsafeModel, match="plain name"):
        Encoder.load(model)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.txt"])
def test_links_that_lead_out_are_refused(model: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes((model / name).read_bytes() if (model / name).exists() else b"x")
    (model / name).unlink(missing_ok=True)
    (model / name).symlink_to(outside)
    with pytest.raises(UnsafeModel, match="leads out"):
        Encoder.load(model)


def test_a_link_to_a_folder_outside_is_refused(model: Path) -> None:
    (model / "extra").symlink_to("/etc")
    with pytest.raises(UnsafeModel, match="leads out"):
        Encoder.load(model)


def test_links_of_a_hub_snapshot_lead_to_its_blobs_and_load(
    model: Path, tmp_path: Path, canary: Path
) -> None:
    blobs, snapshot = tmp_path / "cache" / "blobs", tmp_path / "cache" / "snapshots" / "0123"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, path in enumerate(sorted(model.iterdir())):
        path.rename(blobs / str(number))
        (snapshot / path.name).symlink_to(blobs / str(number))
    assert Encoder.load(snapshot).width == 32
    (snapshot / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(canary)))
    inspect_folder(snapshot, fetched=True)
    with pytest.raises(UnsafeModel):
        inspect_folder(snapshot)
    (snapshot / "added_tokens.json").symlink_to("/etc/hostname")
    with pytest.raises(UnsafeModel, match="leads out"):
        inspect_folder(snapshot, fetched=True)


def test_a_pipe_in_the_folder_is_refused_and_not_waited_for(model: Path) -> None:
    os.mkfifo(model / "tokenizer.model")
    with pytest.raises(UnsafeModel, match="neither a file nor a folder"):
        Encoder.load(model)


def test_an_adapter_that_points_to_another_model_is_refused(model: Path) -> None:
    (model / "adapter_config.json").write_text('{"base_model_name_or_path": "attacker/model"}')
    with pytest.raises(ModelError, match="adapter"):
        Encoder.load(model)


def test_a_hostile_chat_template_is_never_rendered(model: Path, canary: Path) -> None:
    evil = "{{ cycler.__init__.__globals__.os.popen('touch " + str(canary) + "') }}"
    edit(model / "tokenizer_config.json", chat_template=evil)
    (model / "chat_template.jinja").write_text(evil)
    assert Encoder.load(model).encode(["a cat"]).shape == (1, 32)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "tokenizer.json", "modules.json"])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1, 2", b"\xff\xfe", b'"text"', b"[" * 100_000], ids=range(6)
)
def test_damaged_json_is_one_clear_error(model: Path, file: str, content: bytes) -> None:
    (model / file).write_bytes(content)
    with pytest.raises(ModelError, match=file.replace(".", r"\.")):
        Encoder.load(model)


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../b", "..", "a\0b", "file:///etc/passwd", "https://evil/x", "~root/x", "a/b/c", "org\\name",
     "оrg/mоdel", "x" * 10_000, "", "a\nb", "-x/y", "org/name@main"],
    ids=range(15),
)  # fmt: skip
def test_names_are_never_paths(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[str] = []
    monkeypatch.setattr("contrapose.encoder.source._from_hub", lambda name, revision: asked.append(name))
    with pytest.raises((UsageError, ModelError)):
        Encoder.load(name)
    assert asked == []


# --- damaged safetensors ---


def tensors_file(path: Path, header: object, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_a_sound_file_passes(tmp_path: Path) -> None:
    check_safetensors(
        tensors_file(tmp_path / "x.safetensors", {"a": entry(), "__metadata__": {"format": "pt"}}, bytes(8))
    )


@pytest.mark.parametrize(
    "header",
    [
        {"a": entry(offsets=(0, 4))},
        {"a": entry(offsets=(8, 0))},
        {"a": entry(offsets=(0, 2**70))},
        {"a": entry(offsets=(-8, 0))},
        {"a": entry(offsets=(1, 9))},
        {"a": entry(offsets=(0, 16), shape=(4,))},
        {"a": entry(shape=(2**40, 2**40))},
        {"a": entry(shape=(True, 2))},
        {"a": entry(shape=2)},
        {"a": entry(shape=[1] * 1000 + [2])},
        {"a": entry(dtype="F31")},
        {"a": entry(dtype=["F32"])},
        {"a": entry(dtype="F64")},
        {"a": {**entry(), "extra": 1}},
        {"a": 1},
        {"a": entry(), "b": entry()},
        {"a": entry(shape=(1,), offsets=(0, 4))},
        {"__metadata__": {}},
        [],
        {},
        b'{"a": 1, "a": 1}',
        b"{" * 50_000,
        b"{\xff",
        b"",
    ],
    ids=range(24),
)
def test_headers_that_lie_are_corrupt_files(tmp_path: Path, header: object) -> None:
    with pytest.raises(CorruptFile):
        check_safetensors(tensors_file(tmp_path / "x.safetensors", header, bytes(8)))


@pytest.mark.parametrize("length", [0, 1, 7, 2**31, 2**63, 2**64 - 1])
def test_header_lengths_that_lie_are_corrupt_files(tmp_path: Path, length: int) -> None:
    with pytest.raises(CorruptFile):
        check_safetensors(tensors_file(tmp_path / "x.safetensors", {"a": entry()}, bytes(8), length))


def test_too_many_tensors_and_too_large_headers_are_refused_quickly(tmp_path: Path) -> None:
    many = {f"t{number}": entry(shape=[0], offsets=[0, 0]) for number in range(MOST_TENSORS + 1)}
    with pytest.raises(CorruptFile, match="tensors"):
        check_safetensors(tensors_file(tmp_path / "many.safetensors", many))
    with pytest.raises(CorruptFile, match="limit"):
        check_safetensors(tensors_file(tmp_path / "large.safetensors", b"{" + b" " * LARGEST_HEADER + b"}"))


def test_a_cut_file_is_a_corrupt_file_at_every_length(model: Path) -> None:
    whole = (model / "model.safetensors").read_bytes()
    for length in (*range(0, 200, 7), len(whole) // 2, len(whole) - 1):
        (model / "model.safetensors").write_bytes(whole[:length])
        with pytest.raises((CorruptFile, ModelError)):
            inspect_folder(model)


@pytest.mark.parametrize("mutants", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutated_headers_are_refused_or_load_but_never_crash(
    model: Path, tmp_path: Path, mutants: int
) -> None:
    """Bit flips and overwritten numbers in the header: a clear error, or a file that safetensors itself can read."""
    from safetensors import safe_open

    whole = bytearray((model / "model.safetensors").read_bytes())
    header_end = 8 + struct.unpack("<Q", whole[:8])[0]
    random = np.random.default_rng(0)
    path, refused, passed = tmp_path / "x.safetensors", 0, 0
    for _ in range(mutants):
        mutant = bytearray(whole)
        for position in random.integers(0, header_end, random.integers(1, 4)):
            mutant[position] = int(random.integers(256)) if random.random() < 0.5 else mutant[position] ^ 1
        path.write_bytes(mutant)
        try:
            check_safetensors(path)
        except (CorruptFile, UnsafeModel):
            refused += 1
            continue
        passed += 1
        with safe_open(path, "numpy") as file:
            assert list(file.keys())
    assert refused > 0.8 * mutants
    assert passed > 0


def test_every_refusal_is_an_error_for_users_with_the_path(model: Path) -> None:
    (model / "w.bin").write_bytes(b"x")
    with pytest.raises(ContraposeError) as caught:
        Encoder.load(model)
    assert str(model / "w.bin") in str(caught.value)
    assert caught.value.exit_code == 1

"""A damaged or hostile tree is found and named, and never read in part."""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import pytest

from contrapose.errors import CorruptCheckpoint, StorageError, UsageError
from contrapose.storage.durable import (
    verify_tree,
    write_tree,
)
from tests.storage.trees import OTHER, TREE, names_in


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../up",
        "a/../../up",
        "/absolute",
        "a//b",
        "a/",
        "a\\b",
        "..\\up",
        "~",
        "nul\0",
        "line\n",
        ".hidden",
        "C:evil",
        "file://x",
        "‥/up",
        "n" * 10_000,
        "manifest.json",
    ],
)
def test_unsafe_names_are_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot write a file named"):
        write_tree(tmp_path / "step-1", {"state.json": b"", name: b""})
    assert names_in(tmp_path) == []


def test_a_name_inside_another_file_and_an_empty_tree_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'a' is a file"):
        write_tree(tmp_path / "t", {"a": b"", "a/b/c": b""})
    with pytest.raises(UsageError, match="at least one file"):
        write_tree(tmp_path / "t", {})


def test_a_tree_cut_at_any_length_is_found(tmp_path: Path) -> None:
    target = tmp_path / "step-1"
    write_tree(target, TREE)
    rng = random.Random(0)
    for _ in range(100):
        path = target / rng.choice([*TREE, "manifest.json"])
        whole = path.read_bytes()
        path.write_bytes(whole[: rng.randrange(len(whole))])
        if path.name == "manifest.json" and path.read_bytes().strip() == whole.strip():
            path.write_bytes(whole)
            continue
        with pytest.raises(CorruptCheckpoint, match=str(path)):
            verify_tree(target)
        path.write_bytes(whole)
    verify_tree(target)


def test_one_flipped_bit_anywhere_is_found(tmp_path: Path) -> None:
    target = tmp_path / "step-1"
    write_tree(target, TREE)
    rng = random.Random(1)
    for _ in range(200):
        path = target / rng.choice([*TREE, "manifest.json"])
        whole = path.read_bytes()
        changed = bytearray(whole)
        changed[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(CorruptCheckpoint):
            verify_tree(target)
        path.write_bytes(whole)
    verify_tree(target)


@pytest.mark.parametrize("name", [*TREE, "manifest.json"])
def test_a_missing_renamed_emptied_grown_or_swapped_file_is_named(tmp_path: Path, name: str) -> None:
    def longer(path: Path) -> None:
        path.write_bytes(path.read_bytes() + b"}")

    def swapped(path: Path) -> None:
        path.write_bytes((tmp_path / "other" / name).read_bytes())

    faults = {
        "missing": Path.unlink,
        "renamed": lambda path: path.rename(path.with_name("elsewhere")),
        "emptied": lambda path: path.write_bytes(b""),
        "grown": longer,
        "swapped": swapped,
        "a folder": lambda path: (path.unlink(), path.mkdir()),
        "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
        "a loop": lambda path: (path.unlink(), path.symlink_to(path)),
    }
    write_tree(tmp_path / "other", OTHER)
    for fault, damage in faults.items():
        target = tmp_path / fault
        write_tree(target, TREE)
        damage(target / name)  # type: ignore[operator]
        blamed = str(target) if fault == "swapped" else str(target / name)
        with pytest.raises(CorruptCheckpoint, match="is damaged") as caught:
            verify_tree(target)
        assert blamed in str(caught.value)


ENTRY = {"name": "a", "size": 0, "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"contrapose-tree": 1, "files": []}',
        b'{"contrapose-tree": 1, "files": {"a": 1}}',
        b'{"contrapose-tree": 1, "files": [1, null]}',
        b"[" * 100_000,
        b'{"contrapose-tree": 1, "files": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"contrapose-tree": 1, "files": ' + b"9" * 10_000 + b"}",
        json.dumps({"contrapose-tree": 2, "files": [ENTRY]}).encode(),
        json.dumps({"contrapose-tree": 1, "files": [ENTRY]}).encode(),
        json.dumps({"contrapose-tree": 1, "files": [ENTRY, ENTRY]}).encode(),
        json.dumps({"contrapose-tree": 1, "files": [{**ENTRY, "size": True}]}).encode(),
        json.dumps({"contrapose-tree": 1, "files": [{**ENTRY, "size": -1}]}).encode(),
        json.dumps({"contrapose-tree": 1, "files": [{**ENTRY, "name": ["a"]}]}).encode(),
        json.dumps({"contrapose-tree": 1, "files": [{**ENTRY, "more": 1}]}).encode(),
    ],
)
def test_a_manifest_that_is_none_is_corrupt(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(CorruptCheckpoint, match=r"manifest\.json is damaged"):
        verify_tree(tmp_path)


def _forge(folder: Path, name: str, content: bytes) -> None:
    """A manifest that is right in every respect but its name."""
    from contrapose.storage.manifests import ManifestEntry, hashlib, manifest_bytes

    entry = ManifestEntry(name, len(content), hashlib.sha256(content).hexdigest())
    (folder / "manifest.json").write_bytes(manifest_bytes([entry]))


_opened: list[str] | None = None


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _opened is not None and not isinstance(arguments[0], int):
        _opened.append(str(arguments[0]))


def test_a_hostile_manifest_opens_nothing_outside_its_folder(tmp_path: Path) -> None:
    global _opened
    (tmp_path / "secret").write_bytes(b"secret")
    target = tmp_path / "step-1"
    target.mkdir()
    (target / "link").symlink_to("../secret")
    (target / "folder").symlink_to("..")
    sys.addaudithook(_hook)
    names = ["../secret", str(tmp_path / "secret"), "link", "folder/secret", "a\0b", "..\\secret", "~/secret"]
    for name in names:
        _forge(target, name, b"secret")
        _opened = []
        try:
            with pytest.raises(CorruptCheckpoint):
                verify_tree(target)
            assert _opened == [str(target / "manifest.json")]
        finally:
            _opened = None


def test_a_link_within_the_folder_and_files_beside_the_manifest_are_accepted(tmp_path: Path) -> None:
    target = tmp_path / "step-1"
    write_tree(target, TREE)
    (target / "notes.txt").write_text("mine")
    (target / "state.json").rename(target / "real.json")
    (target / "state.json").symlink_to("real.json")
    assert set(verify_tree(target)) == set(TREE)


def test_a_missing_tree_is_not_called_corrupt(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="step-9"):
        verify_tree(tmp_path / "step-9")

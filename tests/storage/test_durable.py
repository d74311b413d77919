"""Promises of durable.py and the files below it, one by one. Faults of every call: crash/test_durable_faults.py."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from contrapose.errors import StorageError, UsageError
from contrapose.storage import durable, staging, syscalls
from contrapose.storage.durable import (
    RunLock,
    append_line,
    atomic_file,
    remove_tree,
    sha256_file,
    verify_tree,
    write_bytes,
    write_json,
    write_text,
    write_tree,
)
from tests.storage.trees import OTHER, TREE, names_in
from tests.waiting import PATIENCE


def _run(code: str, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **options)  # type: ignore[call-overload]


# Files


def test_a_written_file_holds_the_bytes_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a.bin", b"one")
    write_bytes(tmp_path / "a.bin", b"two")
    write_text(tmp_path / "b.txt", "Grüße\r\n")
    write_json(tmp_path / "c.json", {"x": [1, None, "é"]})
    assert (tmp_path / "a.bin").read_bytes() == b"two"
    assert (tmp_path / "b.txt").read_bytes() == "Grüße\r\n".encode()
    assert json.loads((tmp_path / "c.json").read_text()) == {"x": [1, None, "é"]}
    assert names_in(tmp_path) == ["a.bin", "b.txt", "c.json"]


def test_an_exception_in_the_block_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"old")

    def interrupted() -> None:
        with atomic_file(tmp_path / "a") as file:
            file.write(b"new")
            assert len(names_in(tmp_path)) == 2, "the temporary file must be there while the block runs"
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert names_in(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_file_grows_in_pieces_of_any_size_and_through_a_text_wrapper(tmp_path: Path) -> None:
    pieces = [b"x", b"y" * staging.BUFFER_SIZE, b"", b"z" * 10, bytearray(b"w" * (staging.BUFFER_SIZE - 1))]
    with atomic_file(tmp_path / "a") as file:
        for piece in pieces:
            assert file.write(piece) == len(piece)
        assert file.tell() == sum(map(len, pieces))
    assert (tmp_path / "a").read_bytes() == b"".join(pieces)
    with atomic_file(tmp_path / "t") as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        text.write("ä\n")
    assert (tmp_path / "t").read_bytes() == "ä\n".encode()


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Short(syscalls.Syscalls):
        count = 0

        def write(self, descriptor: int, data: syscalls.Buffer) -> int:
            self.count += 1
            return super().write(descriptor, bytes(data)[:7])

    short = Short()
    monkeypatch.setattr(syscalls, "calls", short)
    write_bytes(tmp_path / "a", b"0123456789" * 5)
    assert short.count == 8
    assert (tmp_path / "a").read_bytes() == b"0123456789" * 5


def test_a_failed_write_that_the_caller_swallows_still_fails_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullOnce(syscalls.Syscalls):
        full = True

        def write(self, descriptor: int, data: syscalls.Buffer) -> int:
            if self.full:
                self.full = False
                raise OSError(errno.ENOSPC, "full")
            return super().write(descriptor, data)

    monkeypatch.setattr(syscalls, "calls", FullOnce())

    def careless() -> None:
        with atomic_file(tmp_path / "a") as file:
            file.write(b"first")
            with pytest.raises(StorageError):
                file.flush()
            file.write(b"second")

    with pytest.raises(StorageError, match="No space left"):
        careless()
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(("umask", "mode", "folder_mode"), [(0o022, 0o600, 0o700), (0o277, 0o400, None)])
def test_files_are_private_and_obey_the_umask(
    tmp_path: Path, umask: int, mode: int, folder_mode: int | None
) -> None:
    before = os.umask(umask)
    try:
        write_bytes(tmp_path / "a", b"")
        if folder_mode:
            write_tree(tmp_path / "tree", TREE)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode
    if folder_mode:
        assert (tmp_path / "tree").stat().st_mode & 0o777 == folder_mode
        assert (tmp_path / "tree" / "1_Pooling").stat().st_mode & 0o777 == folder_mode


def test_a_symbolic_link_planted_at_the_target_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    for name in ("a", "log"):
        (tmp_path / name).symlink_to(tmp_path / "victim")
    write_bytes(tmp_path / "a", b"new")
    with pytest.raises(StorageError, match="symbolic link"):
        append_line(tmp_path / "log", "line")
    assert (tmp_path / "victim").read_text() == "precious"
    assert (tmp_path / "a").read_bytes() == b"new"
    assert not (tmp_path / "a").is_symlink()


def test_a_temporary_name_that_exists_is_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "guessed").symlink_to(tmp_path / "victim")
    monkeypatch.setattr(durable, "temporary", lambda parent: parent / "guessed")
    with pytest.raises(StorageError, match="exists already"):
        write_bytes(tmp_path / "a", b"new")
    assert (tmp_path / "victim").read_text() == "precious"


def test_storage_errors_name_the_path_and_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    wrong = {
        tmp_path / "gone" / "a": "does not exist",
        tmp_path / "file" / "a": "is a file, not a folder",
        tmp_path / "folder": "choose another path",
        tmp_path / ("n" * 300): "shorter path",
    }
    for path, remedy in wrong.items():
        with pytest.raises(StorageError, match=remedy) as caught:
            write_bytes(path, b"")
        assert str(path) in str(caught.value)
    assert names_in(tmp_path) == ["file", "folder"]


def test_a_folder_deleted_while_writing_is_a_clear_error(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()

    def write_while_it_is_deleted() -> None:
        with atomic_file(run / "a") as file:
            file.write(b"x")
            shutil.rmtree(run)

    with pytest.raises(StorageError, match="deleted or moved"):
        write_while_it_is_deleted()
    with pytest.raises(StorageError, match="deleted or moved"):
        append_line(run / "metrics.jsonl", "{}")
    with pytest.raises(StorageError, match="deleted or moved"):
        write_tree(run / "step-1", TREE)
    assert not run.exists(), "the deleted folder must not come back as a half"


def test_sha256_file_equals_the_known_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_file(tmp_path / "a") == known
    with pytest.raises(StorageError, match="missing"):
        sha256_file(tmp_path / "missing")


def test_importing_durable_loads_no_heavy_package() -> None:
    heavy = "('torch', 'numpy', 'pydantic')"
    code = f"import sys, contrapose.storage.durable; print([m for m in {heavy} if m in sys.modules])"
    assert _run(code).stdout.strip() == "[]"


# Lines


def test_append_line_adds_whole_lines(tmp_path: Path) -> None:
    for text in ("one", "zwölf", ""):
        append_line(tmp_path / "log", text, sync=True)
    assert (tmp_path / "log").read_bytes() == "one\nzwölf\n\n".encode()
    with pytest.raises(ValueError, match="one line"):
        append_line(tmp_path / "log", "a\nb")


def test_append_line_does_not_continue_a_torn_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b'{"step": 1}\n{"st')
    append_line(tmp_path / "log", '{"step": 2}')
    assert (tmp_path / "log").read_bytes() == b'{"step": 1}\n{"st\n{"step": 2}\n'


def test_append_line_on_a_full_disk_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Filling(syscalls.Syscalls):
        room = 4

        def write(self, descriptor: int, data: syscalls.Buffer) -> int:
            if not self.room:
                raise OSError(errno.ENOSPC, "full")
            written = super().write(descriptor, bytes(data)[: self.room])
            self.room -= written
            return written

    append_line(tmp_path / "log", "first")
    filling = Filling()
    monkeypatch.setattr(syscalls, "calls", filling)
    with pytest.raises(StorageError, match="Free some space"):
        append_line(tmp_path / "log", "second")
    assert filling.room == 0, "part of the line must have gone in"
    assert (tmp_path / "log").read_bytes() == b"first\n"


def test_lines_of_several_threads_stay_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(syscalls.Syscalls):
        """Writes in two halves with a pause between: without turns, the others would see half a line at the end."""

        def write(self, descriptor: int, data: syscalls.Buffer) -> int:
            time.sleep(0.001)
            return super().write(descriptor, bytes(data)[:26])

    monkeypatch.setattr(syscalls, "calls", Slow())

    def work(letter: str) -> None:
        for _ in range(100):
            append_line(tmp_path / "log", letter * 50)

    threads = [threading.Thread(target=work, args=(letter,)) for letter in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (tmp_path / "log").read_text().splitlines()
    assert sorted(lines) == [letter * 50 for letter in "abc" for _ in range(100)]


# Trees


def test_a_tree_is_written_whole_and_verifies(tmp_path: Path) -> None:
    write_tree(tmp_path / "step-1", {**TREE, "late.bin": lambda file: file.write(b"abc")})
    entries = verify_tree(tmp_path / "step-1")
    assert {name: entry.size for name, entry in entries.items()} == {
        "1_Pooling/config.json": 2,
        "late.bin": 3,
        "state.json": 11,
        "weights.bin": 2048,
    }
    assert all(entries[name].sha256 == sha256_file(tmp_path / "step-1" / name) for name in entries)
    assert names_in(tmp_path) == ["step-1"]


def test_a_member_that_raises_leaves_nothing(tmp_path: Path) -> None:
    def fails(file: object) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        write_tree(tmp_path / "step-1", {**TREE, "fails.bin": fails})
    assert names_in(tmp_path) == []


def test_an_existing_tree_is_refused_and_replaced_only_on_demand(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    write_tree(target, TREE)  # an empty folder counts as absent
    with pytest.raises(UsageError, match="exists already"):
        write_tree(target, OTHER)
    assert (target / "state.json").read_bytes() == TREE["state.json"]
    write_tree(target, OTHER, replace=True)
    verify_tree(target)
    assert (target / "state.json").read_bytes() == OTHER["state.json"]
    assert names_in(tmp_path) == ["model"]


@pytest.mark.parametrize("content", [None, b"{}", b'{"manifest_version": 3}'])
def test_a_folder_that_is_no_tree_is_never_replaced(tmp_path: Path, content: bytes | None) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "holiday.jpg").write_bytes(b"precious")
    if content is not None:
        (photos / "manifest.json").write_bytes(content)
    with pytest.raises(UsageError, match="something else of yours"):
        write_tree(photos, TREE, replace=True)
    assert (photos / "holiday.jpg").read_bytes() == b"precious"


def test_a_replacement_that_died_between_its_renames_is_undone_by_the_next_reader_or_writer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "_REPLACE_PAUSE", 0.0)
    write_tree(tmp_path / "model", TREE)
    (tmp_path / "model").rename(tmp_path / ".model.previous")
    assert set(verify_tree(tmp_path / "model")) == set(TREE)
    assert "previous version was put back" in caplog.text
    (tmp_path / "model").rename(tmp_path / ".model.previous")
    with pytest.raises(UsageError, match="exists already"):
        write_tree(tmp_path / "model", OTHER)
    assert names_in(tmp_path) == ["model"]


def test_remove_tree_removes_the_tree_and_its_previous_version(tmp_path: Path) -> None:
    for name in ("step-1", ".step-1.previous", "step-2"):
        write_tree(tmp_path / name, TREE)
    remove_tree(tmp_path / "step-1")
    remove_tree(tmp_path / "step-1")
    assert names_in(tmp_path) == ["step-2"]


def test_removing_a_tree_does_not_follow_links(tmp_path: Path) -> None:
    write_tree(tmp_path / "kept", TREE)
    write_tree(tmp_path / "gone", TREE)
    (tmp_path / "gone" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    remove_tree(tmp_path / "gone")
    remove_tree(tmp_path / "link")
    assert names_in(tmp_path) == ["kept"]
    assert set(verify_tree(tmp_path / "kept")) == set(TREE)


# Real disks


def _mount(folder: Path, *options: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip(
            "no tmpfs can be mounted here (needs root): a really full or read-only disk is not tested"
        )


def test_a_really_full_disk_leaves_the_old_version_whole(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    _mount(disk, "size=256k")
    try:
        write_tree(disk / "model", TREE)
        write_bytes(disk / "state", b"old")
        big = os.urandom(400_000)
        with pytest.raises(StorageError, match=r"state: No space left on device\. Free some space"):
            write_bytes(disk / "state", big)
        with pytest.raises(StorageError, match="No space left on device"):
            write_tree(disk / "model", {**OTHER, "big.bin": big}, replace=True)
        assert set(verify_tree(disk / "model")) == set(TREE)
        assert (disk / "state").read_bytes() == b"old"
        assert names_in(disk) == ["model", "state"]
        write_tree(disk / "model", OTHER, replace=True)  # the failed attempts gave their space back
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_really_read_only_disk_is_a_clear_error(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    _mount(disk, "size=256k")
    try:
        write_tree(disk / "model", TREE)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for write in (lambda: write_bytes(disk / "a", b""), lambda: remove_tree(disk / "model")):
            with pytest.raises(StorageError, match="file system is read-only"):
                write()
        with pytest.raises(StorageError, match="file system is read-only"), RunLock(disk):
            pass
        assert set(verify_tree(disk / "model")) == set(TREE)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; tested by fault injection instead")
def test_a_read_only_folder_is_a_clear_error(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"old")
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(StorageError, match="You may not write there"):
            write_bytes(tmp_path / "a", b"new")
    finally:
        tmp_path.chmod(0o755)
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_file_size_limit_of_the_kernel_cuts_nothing(tmp_path: Path) -> None:
    code = """
import resource, sys
from contrapose.storage.durable import append_line, write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for write, name, data in ((write_bytes, "/a", b"x" * 5000), (append_line, "/log", "y" * 990)):
    try:
        write(sys.argv[1] + name, data)
    except Exception as error:
        print(type(error).__name__, error)
"""
    write_bytes(tmp_path / "a", b"old")
    append_line(tmp_path / "log", "a first line")
    lines = _run(code, tmp_path).stdout.splitlines()
    assert len(lines) == 2
    assert all("StorageError" in line and "larger than" in line for line in lines)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert (tmp_path / "log").read_bytes() == b"a first line\n"
    assert names_in(tmp_path) == ["a", "log"]

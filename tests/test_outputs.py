"""Files that a person names with -o: links, devices and pipes stay what they are, and nobody's file is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from contrapose.errors import StorageError, UsageError
from contrapose.outputs import (
    MARKS,
    check_output,
    followed,
    is_own,
    is_standard_output,
    output_file,
    write_output,
)


def test_a_regular_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    place = tmp_path / "a.html"
    place.write_text("old")
    with pytest.raises(ZeroDivisionError), output_file(place) as file:
        file.write(b"half" * (1 // 0))
    assert place.read_text() == "old"
    write_output(place, "new")
    assert (place.read_text(), os.listdir(tmp_path)) == ("new", ["a.html"])


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "there").mkdir()
    target, link, outer = tmp_path / "there" / "real.html", tmp_path / "link.html", tmp_path / "outer.html"
    if exists:
        target.write_text("old")
    link.symlink_to(Path("there") / "real.html")
    outer.symlink_to("link.html")
    write_output(outer, "new")
    assert link.is_symlink()
    assert outer.is_symlink()
    assert (target.read_text(), target.is_symlink()) == ("new", False)


def test_a_link_is_refused_where_the_file_behind_it_would_be(tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("my own")
    (tmp_path / "link.html").symlink_to("mine.html")
    with pytest.raises(UsageError, match=r"link\.html exists.*--force"):
        check_output(tmp_path / "link.html", replace_own=True)


def test_a_circle_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(UsageError, match="circle"):
        check_output(tmp_path / "a")


def test_a_device_is_written_through_and_stays_a_device(tmp_path: Path) -> None:
    master, slave = os.openpty()
    name = os.ttyname(slave)
    check_output(name)
    write_output(name, "to the terminal")
    assert os.read(master, 100) == b"to the terminal"
    assert Path(name).is_char_device()
    (tmp_path / "null").symlink_to(os.devnull)
    check_output(tmp_path / "null")
    write_output(tmp_path / "null", "gone")
    assert Path(os.devnull).is_char_device()
    assert (tmp_path / "null").is_symlink()


def test_a_pipe_is_written_through_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe.npy", []
    os.mkfifo(pipe)
    check_output(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_output(pipe, "through" * 300_000)
    reader.join()
    assert read == [b"through" * 300_000]
    assert pipe.is_fifo()


def test_standard_output_that_goes_to_a_file_is_added_to(tmp_path: Path) -> None:
    """Replacing the file behind it would lose what stands there; opening it anew would write over it."""
    log = tmp_path / "log"
    log.write_text("before\n")
    code = (
        "import sys\nfrom contrapose.outputs import *\nwrite_output(sys.argv[1], 'page\\n')\nprint('after')"
    )
    for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        assert is_standard_output(name)
        with log.open("a") as stream:
            subprocess.run([sys.executable, "-c", code, name], stdout=stream, check=True, timeout=60)
    assert log.read_text() == "before\n" + "page\nafter\n" * 3


def test_a_link_to_standard_output_is_standard_output(tmp_path: Path) -> None:
    (tmp_path / "out.html").symlink_to("/dev/stdout")
    assert is_standard_output(tmp_path / "out.html")
    assert followed(tmp_path / "out.html") == Path("/dev/stdout")
    check_output(tmp_path / "out.html")


def test_what_contrapose_did_not_make_is_refused_unless_forced(tmp_path: Path) -> None:
    place = tmp_path / "notes.md"
    place.write_text("my notes\n")
    with pytest.raises(UsageError, match=r"notes\.md exists and was not made by contrapose.*--force"):
        check_output(place, replace_own=True)
    check_output(place, replace_own=True, force=True)
    assert place.read_text() == "my notes\n"


@pytest.mark.parametrize("kind", MARKS)
def test_what_bears_a_mark_at_either_end_is_replaced_only_where_that_is_meant(
    tmp_path: Path, kind: str
) -> None:
    place = tmp_path / f"report.{kind}"
    for text in (f"{MARKS[kind]}{'x' * 10_000}", f"{'x' * 10_000}{MARKS[kind]}\n"):
        place.write_text(text)
        assert is_own(place)
        check_output(place, replace_own=True)
        with pytest.raises(UsageError, match="exists already"):
            check_output(place)
    place.write_text(f"{'x' * 10_000}{MARKS[kind]}{'x' * 10_000}")
    assert not is_own(place)


@pytest.mark.parametrize(
    ("name", "told"), [("", "empty"), ("a\0b", "NUL"), (".", "folder"), ("missing/x", "mkdir -p")]
)
def test_what_cannot_be_written_is_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=told):
        check_output(name)


def test_a_device_that_is_full_is_an_error_that_names_it() -> None:
    if not Path("/dev/full").is_char_device():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(StorageError, match="/dev/full"):
        write_output("/dev/full", "text")

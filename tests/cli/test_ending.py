"""A command's process ends at once, and loses nothing by it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WAITED_FOR = """
import atexit, sys, threading, time
from pathlib import Path
from contrapose.cli.ending import end
{before}
print("written", end="")
print("told", end="", file=sys.stderr)
end(3)
"""


#: Output is kept back until it is flushed.
BUFFERED = {**os.environ, "PYTHONUNBUFFERED": ""}


def ended(before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WAITED_FOR.format(before=before)],
        capture_output=True,
        text=True,
        env=BUFFERED,
    )


def test_output_is_written_and_the_code_is_the_commands() -> None:
    done = ended("")
    assert (done.returncode, done.stdout, done.stderr) == (3, "written", "told")


def test_what_is_registered_for_the_end_runs(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    done = ended(f"atexit.register(lambda: print('last', Path({str(mark)!r}).write_text('here')))")
    assert (done.returncode, done.stdout, mark.read_text()) == (3, "writtenlast 4\n", "here")


@pytest.mark.parametrize("daemon", [False, True])
def test_only_threads_that_a_program_waits_for_are_waited_for(tmp_path: Path, daemon: bool) -> None:
    mark = tmp_path / "mark"
    done = ended(
        f"threading.Thread(target=lambda: (time.sleep(1.0), Path({str(mark)!r}).touch()), daemon={daemon}).start()"
    )
    assert (done.returncode, done.stdout, mark.exists()) == (3, "written", not daemon)


def test_a_reader_that_is_gone_is_no_error() -> None:
    code = WAITED_FOR.format(before="import os; read, write = os.pipe(); os.close(read); os.dup2(write, 1)")
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env=BUFFERED)
    assert (done.returncode, done.stderr) == (3, "told")

"""The other machines are what they are said to be, and a fall on one is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.elsewhere import MACHINES, main

ASKED = """
import os, time
def test_this_is_another_machine():
    assert os.environ["ATEN_CPU_CAPABILITY"] == "avx2"
    assert time.timezone == -(5 * 60 + 45) * 60
def test_it_falls():
    assert os.environ.get("STANDS")
"""


@pytest.mark.parametrize("stands", [True, False])
def test_a_fall_on_another_machine_is_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stands: bool
) -> None:
    path = tmp_path / "test_asked.py"
    path.write_text(ASKED)
    monkeypatch.setenv("STANDS", "yes" if stands else "")
    assert main(["--only", "avx2", str(path)]) == (0 if stands else 1)
    said = capsys.readouterr().out
    assert ("2 passed" in said) == stands
    assert ("fell: avx2" in said) != stands


def test_what_cannot_be_had_here_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["--only", "nobody"]) == 0
    assert "not run, this user is not root anyway" in capsys.readouterr().out


def test_a_machine_without_a_variable_has_none() -> None:
    assert MACHINES["nobody"].environment["HOME"] is None

"""The pages say what the code does."""

from __future__ import annotations

import doctest
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_generated_pages_are_up_to_date() -> None:
    check = subprocess.run(
        [sys.executable, "docs/build.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 150


def test_every_study_that_was_run_has_its_figure() -> None:
    """Those that have rows to answer from, their own or others'; of the rest the page says that it was not run."""
    from studies.pages import STUDIES, rows_for, rows_of_studies

    rows = rows_of_studies(ROOT / "studies/results")
    run = [name for name, study in STUDIES.items() if rows_for(study, rows)]
    assert len(run) > 5
    drawn = {path.stem.removeprefix("study-") for path in (ROOT / "docs/figures").glob("study-*.svg")}
    assert {name for name in drawn if name in STUDIES} == set(run)


def test_links_between_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    ]
    assert links
    broken = [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()]
    assert broken == []


def test_every_committed_file_is_free_of_machine_paths() -> None:
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("what is committed is known in a clone only")
    # git refuses to look into another user's clone unless it is told that this is meant.
    listing = ["git", "-c", "safe.directory=*", "ls-files"]
    files = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert len(files) > 50
    named = [
        name
        for name in files
        if (text := _text(ROOT / name)) and re.search(r"(^|[^A-Za-z0-9_.])/(work|root)/", text)
    ]
    assert named == []


@pytest.mark.parametrize("name", ["fields", "notebook", "prose"])
def test_examples_of_what_makes_the_pages_hold(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    done = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert done.attempted
    assert done.failed == 0


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (UnicodeDecodeError, FileNotFoundError):
        return ""

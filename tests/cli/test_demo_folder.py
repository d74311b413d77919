"""The demo's folder: an unfinished demo goes on, another starts anew, and nothing of anybody else is touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contrapose.cli.demo_folder import MARK, RESULT, RUNS, begin, claim, is_trained
from contrapose.errors import UsageError

ASKED = {"seed": 0, "steps": 100}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


def fill(folder: Path) -> None:
    for stage in RUNS:
        (folder / RUNS[stage] / "model").mkdir(parents=True)
        name, content = (
            ("adaptation.json", '{"outcome": {}}') if stage == "adapted" else ("summary.json", "{}")
        )
        (folder / RUNS[stage] / name).write_text(content, encoding="utf-8")


def test_unfinished_demo_of_the_same_goes_on(folder):
    claim(folder)
    assert not begin(folder, ASKED)
    fill(folder)
    claim(folder)
    assert begin(folder, ASKED)
    assert all(is_trained(folder, stage) for stage in RUNS)


def test_demo_that_is_asked_something_else_starts_anew(folder):
    claim(folder)
    begin(folder, ASKED)
    fill(folder)
    assert not begin(folder, {**ASKED, "seed": 1})
    assert not any((folder / RUNS[stage]).exists() for stage in RUNS)


def test_finished_demo_starts_anew(folder):
    claim(folder)
    begin(folder, ASKED)
    fill(folder)
    (folder / RESULT).write_text("{}", encoding="utf-8")
    (folder / MARK).write_text(json.dumps({"asked": ASKED, "finished": True}), encoding="utf-8")
    assert (folder / RESULT).exists()
    assert not begin(folder, ASKED)
    assert not (folder / RESULT).exists()
    assert not is_trained(folder, "pairs")


def test_files_of_others_in_a_demo_folder_stay(folder):
    claim(folder)
    begin(folder, ASKED)
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    claim(folder)
    begin(folder, {**ASKED, "seed": 1})
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_folder_that_is_not_the_demos_is_refused_untouched(folder):
    (folder / RUNS["pairs"]).mkdir(parents=True)
    with pytest.raises(UsageError, match="not the demo's"):
        claim(folder)
    assert (folder / RUNS["pairs"]).exists()


def test_file_in_the_place_of_the_folder_is_refused(folder):
    folder.write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="is a file"):
        claim(folder)


def test_run_without_summary_is_not_complete(folder):
    claim(folder)
    (folder / RUNS["pairs"] / "model").mkdir(parents=True)
    assert not is_trained(folder, "pairs")


def test_damaged_mark_means_starting_anew(folder):
    claim(folder)
    begin(folder, ASKED)
    (folder / "demo.json").write_text("{ torn", encoding="utf-8")
    claim(folder)
    assert not begin(folder, ASKED)

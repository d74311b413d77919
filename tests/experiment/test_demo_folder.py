"""The demo's folder: an unfinished demo goes on, another starts anew, and nothing of anybody else is touched."""

from __future__ import annotations

import pytest

from contrapose.errors import UsageError
from contrapose.experiment.demo_folder import RESULT, RUNS, DemoFolder

ASKED = {"seed": 0, "steps": 100}


@pytest.fixture
def folder(tmp_path) -> DemoFolder:
    return DemoFolder(tmp_path / "out")


def fill(folder: DemoFolder) -> None:
    for stage in RUNS:
        folder.model(stage).mkdir(parents=True)
        (folder.run(stage) / "summary.json").write_text("{}", encoding="utf-8")


def test_unfinished_demo_of_the_same_goes_on(folder):
    folder.claim()
    assert not folder.begin(ASKED)
    fill(folder)
    folder.claim()
    assert folder.begin(ASKED)
    assert all(folder.is_trained(stage) for stage in RUNS)


def test_demo_that_is_asked_something_else_starts_anew(folder):
    folder.claim()
    folder.begin(ASKED)
    fill(folder)
    assert not folder.begin({**ASKED, "seed": 1})
    assert not any(folder.run(stage).exists() for stage in RUNS)


def test_finished_demo_starts_anew(folder):
    folder.claim()
    folder.begin(ASKED)
    fill(folder)
    folder.end(ASKED, {"numbers": [1]})
    assert (folder.path / RESULT).exists()
    assert not folder.begin(ASKED)
    assert not (folder.path / RESULT).exists()
    assert not folder.is_trained("pairs")


def test_files_of_others_in_a_demo_folder_stay(folder):
    folder.claim()
    folder.begin(ASKED)
    (folder.path / "notes.txt").write_text("mine", encoding="utf-8")
    folder.claim()
    folder.begin({**ASKED, "seed": 1})
    assert (folder.path / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_folder_that_is_not_the_demos_is_refused_untouched(folder):
    folder.run("pairs").mkdir(parents=True)
    with pytest.raises(UsageError, match="not the demo's"):
        folder.claim()
    assert folder.run("pairs").exists()


def test_file_in_the_place_of_the_folder_is_refused(folder):
    folder.path.write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="is a file"):
        folder.claim()


def test_run_without_summary_is_not_complete(folder):
    folder.claim()
    folder.model("pairs").mkdir(parents=True)
    assert not folder.is_trained("pairs")


def test_damaged_mark_means_starting_anew(folder):
    folder.claim()
    folder.begin(ASKED)
    (folder.path / "demo.json").write_text("{ torn", encoding="utf-8")
    folder.claim()
    assert not folder.begin(ASKED)

"""contrapose report: files, formats, standard output, and what is refused before anything is computed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from contrapose.ledger import VARIABLE
from tests.cli.conftest import Command
from tests.tiny import SENTENCES, tiny_bert
from tests.train.runs import OPTIONS, Witness


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from contrapose.train.api import train

    folder = tmp_path_factory.mktemp("report")
    text = folder / "text.txt"
    text.write_text("".join(f"{sentence} number {place}\n" for place in range(20) for sentence in SENTENCES))
    options = {**OPTIONS, "steps": 3, "model": tiny_bert(folder / "tiny"), "out": folder / "run"}
    return train(text, listener=Witness(), **options).folder


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_page_is_written_and_the_verdict_is_told(contrapose: Command, run: Path, tmp_path: Path) -> None:
    done = contrapose("report", run, "-o", "mine.html", "--sample", 20)
    assert (done.code, done.out.splitlines()[0]) == (0, "○ run: not judged")
    assert "wrote mine.html" in done.out
    assert "loading" in done.err
    assert "xdg-open mine.html" in done.err
    assert (tmp_path / "mine.html").read_text().startswith("<!doctype html>")


def test_without_out_the_page_is_report_html_and_is_replaced(
    contrapose: Command, run: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        assert contrapose("report", run, "--sample", 0, "-q").code == 0
        assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("name", ["report.html", "mine.md", "mine.json"])
def test_a_file_that_is_no_report_is_replaced_only_by_force(
    contrapose: Command, run: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("my own")
    arguments = ["report", run, "--sample", 0, "-q", *(["-o", name] if name != "report.html" else [])]
    done = contrapose(*arguments)
    assert (done.code, (tmp_path / name).read_text()) == (2, "my own")
    assert f"{name} exists and was not made by contrapose" in done.err
    assert "--force" in done.err
    assert contrapose(*arguments, "--force").code == 0
    assert contrapose(*arguments).code == 0, "a report is known again in every format"
    assert (tmp_path / name).read_text() != "my own"


def test_a_link_stays_a_link_and_a_device_a_device(contrapose: Command, run: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "report.html").symlink_to("kept/page.html")
    (tmp_path / "nowhere.html").symlink_to(os.devnull)
    for name in ("report.html", "report.html", "nowhere.html"):
        done = contrapose("report", run, "--sample", 0, "-o", name)
        assert (done.code, f"wrote {name}" in done.out) == (0, True), done.err
        assert (tmp_path / name).is_symlink()
    assert (tmp_path / "kept" / "page.html").read_text().startswith("<!doctype html>")
    assert Path(os.devnull).is_char_device()


def test_standard_output_by_its_name_gets_the_report_alone(
    contrapose: Command, run: Path, tmp_path: Path
) -> None:
    done = contrapose("report", run, "--sample", 0, "-o", "/dev/stdout", "--format", "json")
    assert done.json["generator"] == "contrapose"
    assert list(tmp_path.iterdir()) == []


def test_json_is_the_record_and_writes_no_file(contrapose: Command, run: Path, tmp_path: Path) -> None:
    done = contrapose("report", run, "--sample", 20, "--json")
    assert done.json["runs"][0]["name"] == "run"
    assert done.err == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["facts.json", "facts.md"])
def test_the_name_of_the_file_says_the_format(
    contrapose: Command, run: Path, tmp_path: Path, name: str
) -> None:
    assert contrapose("report", run, "--sample", 20, "-o", name).code == 0
    text = (tmp_path / name).read_text()
    assert json.loads(text)["runs"] if name.endswith("json") else text.startswith("# run: simcse from ")


def test_markdown_goes_to_standard_output(contrapose: Command, run: Path, tmp_path: Path) -> None:
    done = contrapose("report", run, "--sample", 20, "--format", "md")
    assert done.out.startswith("# run: simcse from ")
    assert "| loss | run |" in done.out
    assert list(tmp_path.iterdir()) == []


def test_without_evaluations_the_next_step_is_to_evaluate(
    contrapose: Command, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "ledger"))
    done = contrapose("report", run, "--sample", 0)
    assert f"contrapose evaluate {run} --tasks sts,geometry" in done.err
    assert "No evaluation of the pretrained model and of the trained model is in the ledger" in done.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--format", "pdf"], "unknown value 'pdf'"),
        (["-o", "nowhere/x.html"], "there is no folder nowhere"),
        (["-o", "."], "is a folder"),
        (["-o", ""], "cannot be empty"),
        (["--sample", "2"], "at least 3"),
        (["--sample", "-1"], "--sample"),
    ],
)
def test_wrong_options_are_refused(
    contrapose: Command, run: Path, tmp_path: Path, arguments: list[str], told: str
) -> None:
    done = contrapose("report", run, *arguments)
    assert done.code == 2
    assert told in done.err
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_run_is_refused(contrapose: Command, tmp_path: Path) -> None:
    done = contrapose("report", tmp_path)
    assert (done.code, "not the folder of a run" in done.err) == (2, True)
    assert contrapose("report").code == 2


def test_help_has_examples(contrapose: Command) -> None:
    done = contrapose("report", "--help")
    assert done.code == 0
    assert "contrapose report runs/notes -o notes.html" in done.out

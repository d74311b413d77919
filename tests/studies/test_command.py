"""``python -m studies``: the list, a whole study, and what is said of wrong input."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path

import pytest

from contrapose.cli.main import main
from studies.__main__ import PROGRAM, app
from studies.pages import STUDIES
from tests.cli.conftest import Command, Done
from tests.studies.inputs import write_inputs


@pytest.fixture
def studies(capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: object) -> Done:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments], app, PROGRAM)
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return run


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("study"))


def test_alone_it_lists_every_study_with_its_question(studies: Command) -> None:
    done = studies()
    assert done.code == 0
    listed = json.loads(studies("--json").out)
    assert [each["name"] for each in listed] == list(STUDIES)
    for each in listed:
        assert each["question"].endswith("?")
        assert each["command"].startswith(f"python -m studies {each['name']} ")
        assert each["name"] in done.out


def test_a_study_is_run_shown_and_written_down(
    studies: Command, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studies import divergence

    monkeypatch.setattr(divergence, "LEARNING_RATES", (1e-4,))
    words = [
        "divergence",
        str(inputs / "text.txt"),
        "--data",
        str(inputs / "data"),
        "--out",
        str(tmp_path),
    ]
    words += ["--model", str(inputs / "model"), "--steps", "2", "--batch-size", "8"]
    done = studies(*words)
    assert done.code == 0
    assert STUDIES["divergence"].question in " ".join(done.out.split())
    assert "python -m studies ablation" in done.err
    assert (tmp_path / "divergence.jsonl").read_text("utf-8").count("\n") == 3
    assert STUDIES["divergence"].question in (tmp_path / "divergence.md").read_text("utf-8")
    again = studies(*words, "--json")
    assert again.code == 0
    found = json.loads(again.out)
    assert len(found["rows"]) == 3
    assert found["answer"]
    assert (tmp_path / "divergence.jsonl").read_text("utf-8").count("\n") == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ablatoin",), "ablation"),
        (("ablation",), "sentences to train on"),
        (("selection",), "labelled domains"),
        (("ablation", "{text}"), "--data"),
        (("ablation", "{text}", "--data", "nowhere"), "nowhere"),
        (("ablation", "{text}", "--data", "{data}", "--steps", "0"), "--steps"),
    ],
)
def test_wrong_input_is_a_usage_error_that_says_what_to_do(
    studies: Command, inputs: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    given = [word.format(text=inputs / "text.txt", data=inputs / "data") for word in words]
    done = studies(*given, *(["--out", str(tmp_path / "out")] if len(words) > 1 else []))
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "out").exists()


def test_the_verb_of_earlier_versions_says_what_replaces_it(contrapose: Command) -> None:
    done = contrapose("study", "scale", "my notes.txt", "--steps", "7", "--help")
    assert done.code == 2
    assert "`python -m studies scale 'my notes.txt' --steps 7 --help`" in done.err
    assert len(done.err.splitlines()) == 1
    assert " study " not in contrapose("--help").out


def test_the_package_that_is_installed_holds_no_studies() -> None:
    import contrapose

    names = [path.name for path in Path(contrapose.__file__).parent.rglob("stud*")]
    assert [name for name in names if name.endswith(".py")] == [
        "study.py"
    ]  # the verb that says where they are


def test_the_next_step_is_a_command_that_asks_for_the_same(
    studies: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Running it takes an hour; so it is parsed, and what it would do is looked at."""
    from studies import __main__ as command
    from studies import pages
    from studies.runs import Setup

    told: list[str] = []
    monkeypatch.setattr(command.console, "suggest", told.append)
    setup = Setup(
        corpora=("my notes.txt", "more.txt"),
        data=("my data", "SENTEVAL"),
        out=Path("a study"),
        steps=7,
        model="tiny",
    )
    command._suggest(STUDIES["scale"], setup)
    asked: list[tuple[str, Setup]] = []

    def stop(name: str, setup: Setup, *_: object) -> None:
        asked.append((name, setup))
        raise KeyboardInterrupt

    monkeypatch.setattr(pages, "run_study", stop)
    assert shlex.split(told[0])[:3] == ["python", "-m", "studies"]
    assert studies(*shlex.split(told[0])[3:]).code == 130
    assert asked == [("ablation", dataclasses.replace(setup, corpora=("my notes.txt",)))]

"""``contrapose study`` on the command line: the list, a whole study, and what is said of wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contrapose.experiment.studies import STUDIES
from tests.cli.conftest import Command
from tests.experiment.study_place import write_place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_place(tmp_path_factory.mktemp("study"))


def test_alone_it_lists_every_study_with_its_question(contrapose: Command) -> None:
    done = contrapose("study")
    assert done.code == 0
    listed = json.loads(contrapose("study", "--json").out)
    assert [each["name"] for each in listed] == list(STUDIES)
    for each in listed:
        assert each["question"].endswith("?")
        assert each["command"].startswith(f"contrapose study {each['name']} ")
        assert each["name"] in done.out


def test_a_study_is_run_shown_and_written_down(
    contrapose: Command, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contrapose.experiment import study_divergence

    monkeypatch.setattr(study_divergence, "LEARNING_RATES", (1e-4,))
    words = [
        "study",
        "divergence",
        str(place / "text.txt"),
        "--data",
        str(place / "data"),
        "--out",
        str(tmp_path),
    ]
    words += ["--model", str(place / "model"), "--steps", "2", "--batch-size", "8"]
    done = contrapose(*words)
    assert done.code == 0
    assert STUDIES["divergence"].question in " ".join(done.out.split())
    assert "contrapose study ablation" in done.err
    assert (tmp_path / "divergence.jsonl").read_text("utf-8").count("\n") == 3
    assert STUDIES["divergence"].question in (tmp_path / "divergence.md").read_text("utf-8")
    again = contrapose(*words, "--json")
    assert again.code == 0
    found = json.loads(again.out)
    assert len(found["rows"]) == 3
    assert found["answer"]
    assert (tmp_path / "divergence.jsonl").read_text("utf-8").count("\n") == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("study", "ablatoin"), "ablation"),
        (("study", "ablation"), "sentences to train on"),
        (("study", "selection"), "labelled domains"),
        (("study", "ablation", "{text}"), "--data"),
        (("study", "ablation", "{text}", "--data", "nowhere"), "nowhere"),
        (("study", "ablation", "{text}", "--data", "{data}", "--steps", "0"), "--steps"),
    ],
)
def test_wrong_input_is_a_usage_error_that_says_what_to_do(
    contrapose: Command, place: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    given = [word.format(text=place / "text.txt", data=place / "data") for word in words]
    done = contrapose(*given, *(["--out", str(tmp_path / "out")] if len(words) > 2 else []))
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "out").exists()

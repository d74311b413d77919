"""What can be refused before anything is loaded is: no torch, no model, no row of text, and nothing is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contrapose import ledger
from contrapose.errors import DataError, MissingExtra, ResumeRefused, UsageError
from contrapose.train import track
from contrapose.train.configuration import nested, resolve
from contrapose.train.preflight import preflight
from tests.train.runs import OPTIONS, Killed, Place, Witness, run_tiny

WITHOUT_TORCH = """
import json, sys
sys.modules["torch"] = sys.modules["transformers"] = None  # an import of either fails
from contrapose.cli.main import main
sys.stderr.flush()
codes = [main(arguments) for arguments in json.loads(sys.argv[1])]
print(json.dumps(codes))
"""


@pytest.fixture(scope="module")
def begun(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("begun") / "run"
    with pytest.raises(Killed):
        run_tiny(place, folder, listener=Witness(kill_at=7))
    return folder


def look(
    place: Place, out: Path, *, resume: bool = False, told: list[str] | None = None, **options: Any
) -> Any:
    given = {"corpus": (str(place.sentences),), "model": str(place.model), "out": out, **options}
    notes = [] if told is None else told
    return preflight(resolve(nested(given)), resume=resume, notice=notes.append)


def test_a_refusal_comes_before_torch_is_imported(place: Place, begun: Path, tmp_path: Path) -> None:
    again = ["train", "--out", str(begun), "--resume"]
    fresh = ["train", str(place.sentences), "--model", str(place.model), "--out", str(tmp_path / "new")]
    refused = {
        "training.learning_rate was 0.001 and is 0.5": [*again, "--learning-rate", "0.5"],
        "a run can be made longer, not shorter": [*again, "--steps", "3"],
        "method.hyperparameters.temperature was 0.05 and is 0.9": [*again, "--set", "temperature=0.9"],
        "holds a run already": ["train", str(place.sentences), "--out", str(begun)],
        "no such file or folder": ["train", "missing.txt", "--out", str(tmp_path / "new")],
        "is the folder that the text is read from": ["train", str(tmp_path), "--out", str(tmp_path)],
    }
    before = {path: path.read_bytes() for path in begun.rglob("*") if path.is_file()}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, json.dumps([*refused.values(), fresh])],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "WORLD_SIZE": "1"},
    )
    *codes, reached = json.loads(done.stdout.splitlines()[-1])
    assert codes == [2, 2, 2, 2, 1, 2], done.stderr
    for words in refused:
        assert words in done.stderr
    assert reached == 1, "without a refusal torch is needed, or nothing was shown"
    assert "torch" in done.stderr.splitlines()[-2]
    assert {path: path.read_bytes() for path in before} == before
    assert os.listdir(tmp_path) == []


def test_a_world_that_cannot_be_meant_is_refused(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "x")
    with pytest.raises(UsageError, match="WORLD_SIZE"):
        look(place, tmp_path / "run")


def test_a_missing_tensorboard_is_told_before_the_corpus_is_looked_at(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="tensorboard"):
        look(place, tmp_path / "run", tensorboard=True, corpus=("missing.txt",))
    with pytest.raises(DataError):
        look(place, tmp_path / "run", corpus=("missing.txt",))


def test_hyperparameters_that_were_not_given_are_left_for_later(place: Place, begun: Path) -> None:
    options = dict(OPTIONS)
    assert look(place, begun, resume=True, **options).sources == (str(place.sentences),)
    with pytest.raises(ResumeRefused, match="temperature"):
        look(place, begun, resume=True, **options, temperature=0.9)


def test_a_ledger_that_will_take_nothing_is_told_first(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(ledger.VARIABLE, str(tmp_path / "file" / "ledger"))
    told: list[str] = []
    look(place, tmp_path / "run", told=told)
    (note,) = told
    assert "will not be recorded in the ledger" in note
    assert str(tmp_path / "file") in note
    monkeypatch.setenv(ledger.VARIABLE, str(tmp_path / "new" / "ledger"))
    told.clear()
    look(place, tmp_path / "run", told=told)
    assert (told, os.listdir(tmp_path)) == ([], ["file"])


def test_a_run_without_a_home_folder_ends_with_a_warning_and_its_model(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def homeless(path: Path) -> Path:
        if str(path).startswith("~"):
            raise RuntimeError("Could not determine home directory.")
        return path

    monkeypatch.setattr(Path, "expanduser", homeless)
    for name in (ledger.VARIABLE, "XDG_DATA_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    witness = Witness()
    run = run_tiny(place, tmp_path / "run", steps=1, listener=witness)
    assert run.model_folder.is_dir()
    assert any("will not be recorded" in note and "HOME is not set" in note for note in witness.notices)
    assert "not recorded in the ledger" in caplog.text
    assert "Set CONTRAPOSE_LEDGER" in caplog.text

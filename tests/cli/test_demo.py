"""The whole demo on a tiny encoder and a small package: stages, files, continuation, and what a person sees."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from contrapose.cli import demo as demos
from contrapose.cli import demo_progress
from contrapose.cli.demo import run_demo
from contrapose.cli.demo_settings import DemoSettings
from contrapose.errors import Interrupted, RunLocked, UsageError
from contrapose.listening import Listener
from contrapose.storage.locks import RunLock
from tests.cli.conftest import Command


class Remembering(Listener):
    """Keeps the stages, the notices and what was counted."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.notices: list[str] = []
        self.counts: list[tuple[str, int | None, int]] = []
        self.depth = 0

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        self.depth += 1
        if unit:
            self.counts.append((unit, total, 0))
        else:
            self.stages.append(what)

    def advance(self, count: int = 1) -> None:
        unit, total, done = self.counts.pop()
        self.counts.append((unit, total, done + count))

    def end(self) -> None:
        self.depth -= 1

    def notice(self, text: str) -> None:
        self.notices.append(text)


def settings(model: object, out: Path, **changes: Any) -> DemoSettings:
    small = {"steps": 3, "batch_size": 8, "max_length": 16, "sources": ("argparse", "logging", "email")}
    return DemoSettings(**{"out": str(out), "model": str(model), **small, **changes})


@pytest.fixture(scope="module")
def finished(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Remembering]:
    view = Remembering()
    return run_demo(settings(tiny, tmp_path_factory.mktemp("demo") / "out"), view), view


def test_three_stages_are_asked_the_same_and_two_models_are_left(
    finished: tuple[dict[str, Any], Remembering],
) -> None:
    result, _ = finished
    assert [stage["stage"] for stage in result["stages"]] == ["before", "sentences", "pairs"]
    assert len({stage["fingerprint"] for stage in result["stages"]}) == 3, (
        "training must have changed the weights"
    )
    for stage in result["stages"][1:]:
        assert (Path(stage["model"]) / "model.safetensors").is_file()
    counts = {tuple(stage[task]["questions"] for task in demos.TASKS) for stage in result["stages"]}
    assert len(counts) == 1


def test_progress_counts_every_text_and_every_step_and_ends_with_nothing_open(
    finished: tuple[dict[str, Any], Remembering],
) -> None:
    _, view = finished
    assert view.depth == 0
    stages = [stage.partition(" (")[0] for stage in view.stages if " (" in stage]
    assert stages == [
        "asking the encoder as it is",
        "training with hncse-hnm on sentences",
        "asking the encoder trained on sentences alone",
        "training with hncse-hnm on pairs",
        "asking the encoder trained on natural pairs",
    ]
    assert "measuring speed" in next(stage for stage in view.stages if "as it is" in stage)
    assert all("left" in stage for stage in view.stages if "trained on" in stage)
    for unit, times in (("text", 3), ("step", 2)):
        counted = [(total, done) for each, total, done in view.counts if each == unit]
        assert len(counted) == times
        assert all(total == done for total, done in counted)


def test_a_slow_machine_is_told_once(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real demo with a promise that no machine keeps."""
    monkeypatch.setattr(demo_progress, "PROMISED", 1e-6)
    view = Remembering()
    run_demo(settings(tiny, tmp_path / "out", steps=6), view)
    assert sum("slower than the demo was made for" in notice for notice in view.notices) == 1


def test_result_is_plain_json_and_stays_in_the_folder(
    finished: tuple[dict[str, Any], Remembering],
) -> None:
    result, _ = finished
    folder = Path(result["settings"]["out"])
    assert json.loads((folder / "result.json").read_text("utf-8")) == json.loads(json.dumps(result))
    number = result["stages"][2]["description"]["mrr_at_10"]
    assert number["low"] <= number["value"] <= number["high"]
    assert number["vs_before"]["verdict"] in ("better", "worse", "within noise")
    assert "vs_before" not in result["stages"][0]["description"]["mrr_at_10"]
    assert result["training_pairs"] > 20
    assert json.loads((folder / "demo.json").read_text("utf-8"))["finished"]


@pytest.mark.parametrize("width", [80, 60, 120])
def test_shown_result_fits_the_terminal_without_colours(
    finished: tuple[dict[str, Any], Remembering],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
) -> None:
    from rich.console import Console

    result, _ = finished
    terminal = Console(width=width, force_terminal=True, no_color=True, markup=False, highlight=False)
    monkeypatch.setattr(demos.console, "results", lambda: terminal)
    demos.show(result)
    text = capsys.readouterr().out
    assert max(len(line) for line in _plain(text).splitlines()) <= width
    for expected in (
        "held-out questions",
        "MRR@10",
        "natural pairs",
        '"sort a list in place"',
        "effective rank",
    ):
        assert expected in text


def _plain(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_shown_result_ends_with_the_model_and_two_commands_on_a_line_each(
    finished: tuple[dict[str, Any], Remembering], capsys: pytest.CaptureFixture[str]
) -> None:
    result, _ = finished
    demos.say_what_next(result)
    model, _, _, search, train = capsys.readouterr().out.splitlines()
    assert result["model"] in model
    assert shlex.split(search)[:2] == ["contrapose", "search"]
    assert all(Path(word).exists() for word in shlex.split(search)[2:4])
    assert shlex.split(train)[:2] == ["contrapose", "train"]


def test_interrupted_demo_goes_on_where_it_was(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C before the last evaluation: the second call trains nothing again."""
    asked = settings(tiny, tmp_path / "out")
    load = demos._load
    monkeypatch.setattr(demos, "_load", lambda path: _interrupt() if "pairs" in path else load(path))
    with pytest.raises(Interrupted, match="same command goes on") as stopped:
        run_demo(asked, Remembering())
    assert stopped.value.exit_code == 130
    monkeypatch.setattr(demos, "_load", load)
    weights = tmp_path / "out" / "trained-on-pairs" / "model" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    view = Remembering()
    result = run_demo(asked, view)
    assert any("continuing" in notice for notice in view.notices)
    assert not any("training" in stage for stage in view.stages)
    assert weights.stat().st_mtime_ns == before
    assert len(result["stages"]) == 3


def _interrupt() -> Any:
    raise KeyboardInterrupt


def test_wrong_settings_are_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        settings(tiny, tmp_path, batch_size=1)
    with pytest.raises(UsageError, match="no_such_package"):
        run_demo(settings(tiny, tmp_path / "out", sources=("no_such_package",)))


def test_second_demo_in_the_same_folder_is_refused(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with RunLock(tmp_path / "out"), pytest.raises(RunLocked):
        run_demo(settings(tiny, tmp_path / "out"))


def test_the_command_shows_result_and_progress_or_json_alone_or_the_models_folder(
    contrapose: Command, finished: tuple[dict[str, Any], Remembering], monkeypatch: pytest.MonkeyPatch
) -> None:
    result, _ = finished

    def run(settings: DemoSettings, view: Listener, tell: Any) -> dict[str, Any]:
        with view.task("training [with] brackets (1:15, about 3 min left)"):
            view.notice("red \x1b[31m alert")
        tell("before: MRR@10 0.5")
        assert (settings.steps, settings.seed, settings.method) == (3, 4, "hncse-hnm")
        return result

    monkeypatch.setattr(demos, "run_demo", run)
    words = ("demo", "--out", "d", "--steps", 3, "--seed", 4)
    shown = contrapose(*words)
    assert shown.err.splitlines()[:2] == [
        "training [with] brackets (1:15, about 3 min left)",
        "note: red \\x1b[31m alert",
    ]
    assert "before: MRR@10 0.5" in shown.err
    assert "held-out questions" in shown.out
    done = contrapose(*words, "--json")
    assert done.json == json.loads(json.dumps(result))
    assert contrapose(*words, "--quiet").out == f"{result['model']}\n"

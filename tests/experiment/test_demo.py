"""The whole demo on a tiny encoder and a small package: stages, files, continuation, and what a person sees."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from contrapose.errors import Interrupted, RunLocked, UsageError
from contrapose.experiment import demo as demos
from contrapose.experiment.demo import run_demo
from contrapose.experiment.demo_result import DemoSettings
from contrapose.experiment.demo_view import ProgressView, render, run_and_show, show
from tests.tiny import tiny_bert


class Quiet:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.phases, self.notices, self.times, self.stages = [], [], [], []

    def phase(self, text):
        self.phases.append(text)

    def harvested(self, account, split):
        self.counts = (account, split)

    def answered(self, stage, sheet):
        self.stages.append(stage)

    def moved(self, elapsed, remaining):
        self.times.append((elapsed, remaining))

    def notice(self, text):
        self.notices.append(text)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(tiny_bert(tmp_path_factory.mktemp("model") / "tiny"))


def settings(model, out, **changes) -> DemoSettings:
    small = {"steps": 3, "batch_size": 8, "max_length": 16, "sources": ("argparse", "logging", "email")}
    return DemoSettings(**{"out": str(out), "model": model, **small, **changes})


@pytest.fixture(scope="module")
def finished(model, tmp_path_factory):
    watcher = Quiet()
    result = run_demo(settings(model, tmp_path_factory.mktemp("demo") / "out"), watcher)
    return result, watcher


def test_three_stages_are_asked_the_same_and_two_models_are_left(finished):
    result, watcher = finished
    assert watcher.stages == list(result.sheets) == ["before", "sentences", "pairs"]
    assert len({sheet.model for sheet in result.sheets.values()}) == 3, (
        "training must have changed the weights"
    )
    for stage in ("sentences", "pairs"):
        assert (result.folder.model(stage) / "model.safetensors").is_file()
    lengths = {tuple(len(ranks) for ranks in sheet.ranks.values()) for sheet in result.sheets.values()}
    assert len(lengths) == 1


def test_time_left_is_told_and_ends_at_nothing(finished):
    _, watcher = finished
    elapsed = [seconds for seconds, _ in watcher.times]
    assert elapsed == sorted(elapsed)
    assert watcher.times[-1][1] == pytest.approx(0, abs=0.5)


def test_a_slow_machine_is_told_once(model, tmp_path, monkeypatch):
    """The real demo with a promise that no machine keeps."""
    monkeypatch.setattr("contrapose.experiment.demo_promise.PROMISED", 1e-6)
    watcher = Quiet()
    run_demo(settings(model, tmp_path / "out", steps=6), watcher)
    assert sum("slower than the demo was made for" in notice for notice in watcher.notices) == 1


def test_result_is_plain_json_and_stays_in_the_folder(finished):
    result, _ = finished
    stored = json.loads((result.folder.path / "result.json").read_text(encoding="utf-8"))
    assert stored == json.loads(json.dumps(result.to_json()))
    assert [stage["stage"] for stage in stored["stages"]] == ["before", "sentences", "pairs"]
    number = stored["stages"][2]["description"]["mrr_at_10"]
    assert number["low"] <= number["value"] <= number["high"]
    assert number["vs_before"]["verdict"] in ("better", "worse", "within noise")
    assert stored["training_pairs"] > 20
    assert json.loads((result.folder.path / "demo.json").read_text(encoding="utf-8"))["finished"]


@pytest.mark.parametrize("width", [80, 60, 120])
def test_shown_result_fits_the_terminal_without_colours(finished, width):
    result, _ = finished
    shown = io.StringIO()
    Console(file=shown, width=width, no_color=True).print(render(result))
    text = shown.getvalue()
    assert max(len(line) for line in text.splitlines()) <= width
    assert "\x1b" not in text
    for expected in (
        "held-out questions",
        "MRR@10",
        "natural pairs",
        '"sort a list in place"',
        "effective rank",
    ):
        assert expected in text


def test_shown_result_ends_with_the_model_and_two_commands_on_a_line_each(finished):
    result, _ = finished
    shown = io.StringIO()
    show(result, Console(file=shown, width=40))
    *_, model, _, search, train = shown.getvalue().splitlines()
    assert str(result.folder.model("pairs")) in model
    assert search.split()[:2] == ["contrapose", "search"]
    assert all(Path(word).exists() for word in search.split()[2:4])
    assert train.split()[:2] == ["contrapose", "train"]


def test_interrupted_demo_goes_on_where_it_was(model, tmp_path, monkeypatch):
    """Ctrl-C before the last evaluation: the second call trains nothing again."""
    asked = settings(model, tmp_path / "out")
    load = demos._load
    monkeypatch.setattr(demos, "_load", lambda path: _interrupt() if "pairs" in path else load(path))
    with pytest.raises(Interrupted, match="same command goes on") as stopped:
        run_demo(asked, Quiet())
    assert stopped.value.exit_code == 130
    monkeypatch.setattr(demos, "_load", load)
    weights = tmp_path / "out" / "trained-on-pairs" / "model" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    watcher = Quiet()
    result = run_demo(asked, watcher)
    assert any("continuing" in notice for notice in watcher.notices)
    assert not any("training" in phase for phase in watcher.phases)
    assert weights.stat().st_mtime_ns == before
    assert list(result.sheets) == ["before", "sentences", "pairs"]


def _interrupt():
    raise KeyboardInterrupt


def test_wrong_settings_are_refused(model, tmp_path):
    with pytest.raises(ValueError, match="batch_size"):
        settings(model, tmp_path, batch_size=1)
    with pytest.raises(UsageError, match="no_such_package"):
        run_demo(settings(model, tmp_path / "out", sources=("no_such_package",)), Quiet())


def test_second_demo_in_the_same_folder_is_refused(model, tmp_path):
    from contrapose.storage.durable import RunLock

    (tmp_path / "out").mkdir()
    with RunLock(tmp_path / "out"), pytest.raises(RunLocked):
        run_demo(settings(model, tmp_path / "out"), Quiet())


def test_without_a_terminal_each_part_is_a_line_with_its_time():
    shown = io.StringIO()
    view = ProgressView(Console(file=shown, width=80), None)
    view.moved(75.0, 200.0)
    view.phase("training [with] brackets")
    view.notice("red \x1b[31m alert")
    assert shown.getvalue().splitlines() == [
        "training [with] brackets (1:15, about 3 min left)",
        "red \\x1b[31m alert",
    ]


def test_result_is_not_shown_where_only_its_json_is_wanted(monkeypatch, finished):
    result, _ = finished
    monkeypatch.setattr("contrapose.experiment.demo_view.run_demo", lambda settings, watcher: result)
    shown = io.StringIO()
    assert run_and_show(result.settings, Console(file=shown), show_result=False) is result
    assert shown.getvalue() == ""

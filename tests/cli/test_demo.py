"""The whole demo on a tiny encoder and a small package: stages, files, continuation, and what a person sees."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contrapose.cli import demo as demos
from contrapose.cli.demo import run_demo
from contrapose.cli.demo_questions import TASKS
from contrapose.cli.demo_training import DEFAULTS, time_left
from contrapose.cli.demo_view import DemoView, say_what_next, show
from contrapose.errors import Interrupted, RunLocked, UsageError
from contrapose.listening import Listener
from contrapose.storage.locks import RunLock
from tests.cli.conftest import Command


class Remembering(DemoView):
    """Keeps the stages, the notices and what was counted; stopped by Ctrl-C where a stage begins, if it is named."""

    def __init__(self, stopped_at: str = "") -> None:
        super().__init__(quiet=True)
        self.stopped_at = stopped_at
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
        if self.stopped_at and self.stopped_at in what:
            raise KeyboardInterrupt

    def advance(self, count: int = 1) -> None:
        unit, total, done = self.counts.pop()
        self.counts.append((unit, total, done + count))

    def end(self) -> None:
        self.depth -= 1

    def notice(self, text: str) -> None:
        self.notices.append(text)


@pytest.fixture(scope="module", autouse=True)
def short_signals() -> Iterator[None]:
    """An adaptation of a few steps."""
    from contrapose.adapt import signals

    with pytest.MonkeyPatch.context() as patched:
        short = [
            replace(
                each,
                steps=2,
                passes=0,
                options={**each.options, "batch_size": 8, "max_length": 16},
            )
            for each in signals.SIGNALS
        ]
        patched.setattr(signals, "SIGNALS", tuple(short))
        yield


def run(model: object, out: Path, view: Listener | None = None, **changes: Any) -> dict[str, Any]:
    """The demo, small."""
    small = {"steps": 3, "batch_size": 8, "max_length": 16, "sources": ("argparse", "logging", "email")}
    return run_demo(str(out), view=view, **{"model": str(model), **small, **changes})


@pytest.fixture(scope="module")
def finished(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Remembering]:
    view = Remembering()
    return run(tiny, tmp_path_factory.mktemp("demo") / "out", view), view


def test_all_stages_are_asked_the_same_and_three_models_are_left(
    finished: tuple[dict[str, Any], Remembering],
) -> None:
    result, _ = finished
    assert [stage["stage"] for stage in result["stages"]] == ["before", "sentences", "pairs", "adapted"]
    assert len({stage["fingerprint"] for stage in result["stages"][:3]}) == 3, (
        "training must have changed the weights"
    )
    assert (Path(result["settings"]["out"]) / "adapted" / "adaptation.json").is_file()
    for stage in result["stages"][1:]:
        assert (Path(stage["model"]) / "model.safetensors").is_file()
    counts = {tuple(stage[task]["questions"] for task in TASKS) for stage in result["stages"]}
    assert len(counts) == 1


def test_progress_counts_every_text_and_every_step_and_ends_with_nothing_open(
    finished: tuple[dict[str, Any], Remembering],
) -> None:
    _, view = finished
    assert view.depth == 0
    stages = [stage for stage in view.stages if stage.startswith(("asking", "training", "adapting"))]
    assert stages == [
        "asking the encoder as it is",
        "training with hncse-hnm on sentences",
        "asking the encoder trained on sentences alone",
        "training with hncse-hnm on pairs",
        "asking the encoder trained on natural pairs",
        "adapting to the pairs",
        "asking the encoder adapted by contrapose adapt",
    ]
    for unit, times in (("text", 4), ("step", 2)):
        counted = [(total, done) for each, total, done in view.counts if each == unit]
        assert len(counted) >= times
        assert all(total == done for total, done in counted)


def test_the_time_of_the_rest_is_told_once_after_the_first_questions(tiny: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    run(tiny, tmp_path / "out", tell=lines.append)
    assert [number for number, line in enumerate(lines) if "on this machine" in line] == [
        next(number for number, line in enumerate(lines) if line.startswith("before: MRR@10")) + 1
    ]


def test_the_time_of_the_rest_is_that_of_three_evaluations_and_the_trainings_to_come() -> None:
    """600 texts in a minute: a step of 100 rows, which costs six texts per row, takes a minute as well."""
    settings = {**DEFAULTS, "steps": 3, "batch_size": 100}
    assert "about 9 minutes on" in time_left(settings, 60.0, 600, ["sentences", "pairs"])
    assert "about 6 minutes on" in time_left(settings, 60.0, 600, ["pairs"])
    assert "about 3 minutes on" in time_left(settings, 60.0, 600, [])
    assert "about 8 minutes on" in time_left(settings, 60.0, 600, ["adapted"])


def test_a_slow_machine_is_told_what_takes_less_time_and_a_fast_one_is_not() -> None:
    assert "Fewer --steps" in time_left(DEFAULTS, 200.0, 11_000, ["sentences", "pairs"])
    assert "Fewer --steps" not in time_left(DEFAULTS, 20.0, 11_000, ["sentences", "pairs"])


def test_result_is_plain_json_and_stays_in_the_folder(
    finished: tuple[dict[str, Any], Remembering],
) -> None:
    result, _ = finished
    folder = Path(result["settings"]["out"])
    assert json.loads((folder / "result.json").read_text("utf-8")) == json.loads(json.dumps(result))
    number = result["stages"][2]["description"]["mrr_at_10"]
    assert number["low"] <= number["value"] <= number["high"]
    assert number["vs_before"]["verdict"] in ("better", "worse", "no clear change")
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
    show(result)
    text = capsys.readouterr().out
    too_long = [line for line in _plain(text).splitlines() if len(line) > width]
    # A name is never broken, so that it can be copied: it may stand alone on a line that is too short for it.
    assert [line for line in too_long if len(line.split()) > 1] == []
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
    say_what_next(result)
    model, _, _, search, train = capsys.readouterr().out.splitlines()
    assert result["model"] in model
    assert shlex.split(search)[:2] == ["contrapose", "search"]
    assert all(Path(word).exists() for word in shlex.split(search)[2:4])
    assert shlex.split(train)[:2] == ["contrapose", "adapt"]


def test_interrupted_demo_goes_on_where_it_was(tiny: Path, tmp_path: Path) -> None:
    """Ctrl-C before the last evaluation: the second call trains nothing again."""
    with pytest.raises(Interrupted, match="same command goes on") as stopped:
        run(tiny, tmp_path / "out", Remembering("asking the encoder trained on natural pairs"))
    assert stopped.value.exit_code == 130
    weights = tmp_path / "out" / "trained-on-pairs" / "model" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    view = Remembering()
    result = run(tiny, tmp_path / "out", view)
    assert any("continuing" in notice for notice in view.notices)
    assert not any("training" in stage for stage in view.stages)
    assert weights.stat().st_mtime_ns == before
    assert len(result["stages"]) == 4


def test_demo_that_is_stopped_in_a_training_goes_on_in_it_and_ends_with_the_same_numbers(
    tiny: Path, tmp_path: Path, finished: tuple[dict[str, Any], Remembering]
) -> None:
    with pytest.raises(Interrupted, match="same command goes on"):
        run(tiny, tmp_path / "out", Remembering("writing the model"))
    assert list((tmp_path / "out" / "trained-on-sentences" / "checkpoints").glob("step-*"))
    view = Remembering()
    result = run(tiny, tmp_path / "out", view)
    assert [count for count in view.counts if count[0] == "step"][:2] == [("step", 0, 0), ("step", 3, 3)]
    assert [stage["fingerprint"] for stage in result["stages"]] == [
        stage["fingerprint"] for stage in finished[0]["stages"]
    ]


def test_an_adaptation_that_was_stopped_goes_on_and_few_pairs_are_not_adapted_to(
    tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted, match="same command goes on"):
        run(tiny, tmp_path / "out", Remembering("choosing among"))
    result = run(tiny, tmp_path / "out")
    assert result["stages"][-1]["stage"] == "adapted"
    lines: list[str] = []
    few = run(tiny, tmp_path / "few", tell=lines.append, sources=("argparse", "logging"))
    assert [stage["stage"] for stage in few["stages"]] == ["before", "sentences", "pairs"]
    assert any("pairs are too few to adapt to; 200 would do" in line for line in lines)
    assert few["model"].endswith("trained-on-pairs/model")


def test_unknown_method_is_refused_before_any_work(tiny: Path, tmp_path: Path) -> None:
    view = Remembering()
    with pytest.raises(UsageError, match="simcse"):
        run(tiny, tmp_path / "out", view, method="simcs")
    assert not view.stages
    assert not (tmp_path / "out").exists()


def test_wrong_numbers_and_sources_are_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="batch_size"):
        run(tiny, tmp_path / "numbers", batch_size=1)
    with pytest.raises(UsageError, match="no_such_package"):
        run(tiny, tmp_path / "out", sources=("no_such_package",))


def test_second_demo_in_the_same_folder_is_refused(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with RunLock(tmp_path / "out"), pytest.raises(RunLocked):
        run(tiny, tmp_path / "out")


def test_the_command_shows_result_and_progress_or_json_alone_or_the_models_folder(
    contrapose: Command, finished: tuple[dict[str, Any], Remembering], monkeypatch: pytest.MonkeyPatch
) -> None:
    result, _ = finished

    def run(out: str, sources: tuple[str, ...], *, view: Listener, tell: Any, **given: Any) -> dict[str, Any]:
        with view.task("training [with] brackets"):
            view.notice("red \x1b[31m alert")
        tell("before: MRR@10 0.5")
        assert (out, sources, given) == ("d", ("email", "a b"), {"steps": 3, "seed": 4})
        return result

    monkeypatch.setattr(demos, "run_demo", run)
    words = ("demo", "--out", "d", "--steps", 3, "--seed", 4, "--source", "email", "--source", "a b")
    shown = contrapose(*words)
    assert shown.err.splitlines()[:2] == [
        "training [with] brackets",
        "note: red \\x1b[31m alert",
    ]
    assert "before: MRR@10 0.5" in shown.err
    assert "held-out questions" in shown.out
    done = contrapose(*words, "--json")
    assert done.json == json.loads(json.dumps(result))
    assert contrapose(*words, "--quiet").out == f"{result['model']}\n"

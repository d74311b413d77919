from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from contrapose.cli import console
from contrapose.cli.progress import TrainingView, counting, fact_lines, files_counted

FACTS: dict[str, Any] = {
    "rows": 540, "held_out": 60, "views": "dropout", "device": "cpu", "precision": "fp32", "eval_every": 10,
    "account": ["rows read    601"], "temperature": 0.05, "view_cosine": 0.95, "criterion": "the last step",
}  # fmt: skip


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Standard error as a terminal of 80 columns, without colours, whose bytes can be looked at."""
    written = io.StringIO()
    screen = Console(
        file=written, force_terminal=True, no_color=True, width=80, markup=False, legacy_windows=False
    )
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(console, "progress", lambda: screen)
    return written


def train(view: TrainingView, steps: int = 40) -> None:
    with view:
        view.preparing("loading minilm")
        view.reading(8000)
        view.started(0, steps, FACTS)
        view.evaluated(0, {"score": 10.0}, is_best=False)
        for step in range(1, steps + 1):
            view.stepped(step, {"loss": 1 / step, "seconds": 0.0})
        view.evaluated(steps, {"score": 11.0}, is_best=True)
        view.finished({})


def test_without_a_terminal_there_are_twenty_lines_and_no_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    train(TrainingView())
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "\r" not in err
    steps = [line for line in err.splitlines() if line.startswith("step ") and "loss" in line]
    assert len(steps) == 21
    assert steps[0] == "step 1/40: loss 1, measuring speed"
    assert steps[-1] == "step 40/40: loss 0.025, all steps done"
    assert "before: score 10.00" in err
    assert "step 40: score 11.00, the best step so far" in err


def test_the_best_of_steps_that_are_no_better_than_the_start_is_not_praised(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = TrainingView()
    with view:
        view.started(0, 4, FACTS)
        view.evaluated(0, {"score": 0.0}, is_best=False)
        view.evaluated(2, {"score": -0.0004}, is_best=True)
        view.evaluated(4, {"score": 0.002}, is_best=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-3:] == [
        "before: score 0.0000",
        "step 2: score -0.0004, no better than the start",
        "step 4: score 0.0020, the best step so far",
    ]


def test_quiet_keeps_notices_only(capsys: pytest.CaptureFixture[str]) -> None:
    view = TrainingView(quiet=True)
    train(view)
    assert capsys.readouterr() == ("", "")
    view.notice("the encoder collapses \x1b[2J")
    assert capsys.readouterr().err == "note: the encoder collapses \\x1b[2J\n"
    assert view.notices == ["the encoder collapses \x1b[2J"]


def test_a_terminal_gets_a_bar_that_is_gone_at_the_end(terminal: io.StringIO) -> None:
    view = TrainingView()
    train(view)
    written = terminal.getvalue()
    assert "40/40, loss 0.025" in written
    assert "\x1b[?25l" in written
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


def test_looks_are_in_the_bar_and_in_the_estimate_and_the_bar_is_full_after_the_last_one(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("contrapose.cli.progress.time.monotonic", lambda: clock[0])

    def look(view: TrainingView, seconds: float) -> None:
        for done in (0, 50, 100):
            view.looking(done, 100)
            clock[0] += seconds / 2 if done < 100 else 0
            shown.append(view._bar.tasks[0].percentage if view._bar else -1.0)

    shown: list[float] = []
    with TrainingView() as view:
        view.preparing("looking at the start")
        look(view, 20)
        facts = {**FACTS, "eval_every": 10, "evaluations": 1, "closing_looks": 3, "look_in_steps": 5.0}
        view.started(0, 10, facts)
        view.evaluated(0, {"score": 0.0}, is_best=False)
        for step in range(1, 11):
            clock[0] += 1
            view.stepped(step, {"loss": 1.0})
            if step == 6:
                assert view._left() == "80 s left", "4 steps of a second, 4 looks of 20 seconds"
        assert view._left() == "80 s left"
        look(view, 20)
        view.evaluated(10, {"score": 0.1}, is_best=True)
        view.preparing("blending with the start")
        assert view._bar is not None
        assert view._bar.tasks[0].percentage == pytest.approx(50)
        for _ in range(3):
            look(view, 20)
        assert view._left() == "all steps done"
        assert view._bar.tasks[0].percentage == pytest.approx(100)
        assert "blending with the start" in view._bar.tasks[0].description
    while_blending = shown[6:]
    assert while_blending == sorted(while_blending)
    assert max(while_blending[:-1]) < 100


def test_the_cursor_is_back_after_an_error(terminal: io.StringIO) -> None:
    def fail() -> None:
        with TrainingView() as view:
            view.started(0, 10, FACTS)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert "\x1b[?25h" in terminal.getvalue()


def test_facts_name_what_a_person_should_judge() -> None:
    told = "\n".join(fact_lines(0, 100, FACTS))
    for words in ("rows read    601", "540 rows", "60 held out", "0.9500", "scale of 20", "the last step"):
        assert words in told
    assert "continuing after step 7 of 100" in fact_lines(7, 100, FACTS)


def test_facts_say_how_often_held_out_text_is_looked_at() -> None:
    facts = {**FACTS, "evaluations": 4, "closing_looks": 3}
    assert "it is looked at 8 times: the start, 4 evaluations, 3 blends with the start" in fact_lines(
        0, 100, facts
    )


def test_facts_may_be_few() -> None:
    few = {key: FACTS[key] for key in ("rows", "held_out", "views", "device", "precision", "criterion")}
    assert len(fact_lines(0, 5, few)) == 2


def test_counting_shows_how_many_of_how_many(terminal: io.StringIO) -> None:
    with counting("encoding", quiet=False) as counter:
        counter.announce(2000)
        counter.advance(1500)
    assert counter.done == 1500
    assert "1,500 of 2,000 texts" in terminal.getvalue()


def test_nothing_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with counting("encoding", quiet=False) as counter, files_counted("reading", quiet=True) as progress:
        counter.advance(3)
        assert progress is None
    assert capsys.readouterr() == ("", "")

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from contrapose.cli import console
from contrapose.cli.progress import ProgressView
from contrapose.cli.training_progress import fact_lines

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


def train(view: ProgressView, steps: int = 40) -> None:
    with view:
        with view.task("loading minilm"):
            pass
        with view.task("reading the corpus", unit="row"):
            view.advance(8000)
        view.started(0, steps, FACTS)
        view.evaluated(0, {"score": 10.0}, is_best=False)
        for step in range(1, steps + 1):
            view.stepped(step, {"loss": 1 / step, "seconds": 0.0})
        view.evaluated(steps, {"score": 11.0}, is_best=True)
        view.finished({})


def test_without_a_terminal_there_are_twenty_lines_and_no_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    train(ProgressView())
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "\r" not in err
    steps = [line for line in err.splitlines() if line.startswith("step ") and "loss" in line]
    assert len(steps) == 21
    assert steps[0] == "step 1/40: loss 1, measuring speed"
    assert steps[-1] == "step 40/40: loss 0.025, all steps done"
    assert "before training: score 10.00" in err
    assert "step 40: score 11.00, the best step so far" in err


def test_the_best_of_steps_that_are_no_better_than_the_start_is_not_praised(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = ProgressView()
    with view:
        view.started(0, 4, FACTS)
        view.evaluated(0, {"score": 0.0}, is_best=False)
        view.evaluated(2, {"score": -0.0004}, is_best=True)
        view.evaluated(4, {"score": 0.002}, is_best=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-3:] == [
        "before training: score 0.0000",
        "step 2: score -0.0004, no better than before training",
        "step 4: score 0.0020, the best step so far",
    ]


def test_quiet_keeps_notices_only(capsys: pytest.CaptureFixture[str]) -> None:
    view = ProgressView(quiet=True)
    train(view)
    assert capsys.readouterr() == ("", "")
    view.notice("the encoder collapses \x1b[2J")
    assert capsys.readouterr().err == "note: the encoder collapses \\x1b[2J\n"
    assert view.notices == ["the encoder collapses \x1b[2J"]


def test_a_terminal_gets_a_bar_that_is_gone_at_the_end(terminal: io.StringIO) -> None:
    view = ProgressView()
    train(view)
    written = terminal.getvalue()
    assert "40/40, loss 0.025" in written
    assert "\x1b[?25l" in written
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


def test_looks_are_in_the_bar_and_in_the_estimate_and_the_bar_is_full_after_the_last_one(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])

    def left(view: ProgressView) -> str:
        assert view._training is not None
        return view._training.left_in_words()

    def look(view: ProgressView, seconds: float) -> None:
        with view.task("evaluating on held-out text", 100, "text"):
            shown.append(percentage(view))
            for _ in range(2):
                clock[0] += seconds / 2
                view.advance(50)
                shown.append(percentage(view))

    def percentage(view: ProgressView) -> float:
        assert view._bar is not None
        return view._bar.tasks[0].percentage

    shown: list[float] = []
    with ProgressView() as view:
        with view.task("evaluating the pretrained model"):
            look(view, 20)
        facts = {**FACTS, "eval_every": 10, "evaluations": 1, "closing_looks": 3, "look_in_steps": 5.0}
        view.started(0, 10, facts)
        view.evaluated(0, {"score": 0.0}, is_best=False)
        for step in range(1, 11):
            clock[0] += 1
            view.stepped(step, {"loss": 1.0})
            if step == 6:
                assert left(view) == "80 s left", "4 steps of a second, 4 looks of 20 seconds"
        assert left(view) == "80 s left"
        look(view, 20)
        view.evaluated(10, {"score": 0.1}, is_best=True)
        with view.task("blending with the pretrained model"):
            assert view._bar is not None
            assert percentage(view) == pytest.approx(50)
            for number in range(3):
                assert left(view) == f"{60 - 20 * number} s left"
                look(view, 20)
            assert left(view) == "all steps done"
            assert percentage(view) == pytest.approx(100)
            assert "blending with the pretrained model" in view._bar.tasks[0].description
    while_blending = shown[6:]
    assert while_blending == sorted(while_blending)
    assert max(while_blending[:-1]) < 100


def test_the_cursor_is_back_after_an_error(terminal: io.StringIO) -> None:
    def fail() -> None:
        with ProgressView() as view:
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
    assert (
        "it is measured 8 times: the pretrained model, 4 evaluations, 3 blends with the pretrained model"
        in (fact_lines(0, 100, facts))
    )


def test_several_processes_are_told_and_one_is_not() -> None:
    several, one = (fact_lines(0, 5, {**FACTS, "processes": count}) for count in (2, 1))
    assert any(line.endswith("cpu, fp32, 2 processes share each batch") for line in several)
    assert not any("process" in line for line in one)


def test_facts_may_be_few() -> None:
    few = {key: FACTS[key] for key in ("rows", "held_out", "views", "device", "precision", "criterion")}
    assert len(fact_lines(0, 5, few)) == 2


def test_a_task_shows_how_many_of_how_many_and_a_stage_within_it_what_is_done(terminal: io.StringIO) -> None:
    with ProgressView() as view:
        with view.task("encoding", 2000, "text"):
            with view.task("loading the model"):
                assert described(view) == "loading the model"
            view.advance(1500)
            assert described(view) == "encoding"
            assert view._bar is not None
            assert view._bar.tasks[0].fields["words"].startswith("1,500 of 2,000 texts")
        with view.task("reading", unit="row"):
            view.advance(3)
            assert view._bar.tasks[0].total is None, "a bar that knows no end"
            assert view._bar.tasks[0].fields["words"] == "3 rows"


def test_a_total_may_be_known_later_and_grow(terminal: io.StringIO) -> None:
    with ProgressView() as view, view.task("encoding for MTEB", unit="text"):
        view.expect(10)
        view.advance(10)
        view.expect(30)
        assert view._bar is not None
        assert view._bar.tasks[0].percentage == pytest.approx(100 / 3)


def test_a_counted_task_says_how_long_it_will_take(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    said = []
    with ProgressView() as view, view.task("encoding", 100, "text"):
        for _ in range(4):
            clock[0] += 20
            view.advance(10)
            assert view._bar is not None
            said.append(view._bar.tasks[0].fields["words"].partition(", ")[2])
    assert said == ["measuring speed", "measuring speed", "2 min left", "2 min left"]


def described(view: ProgressView) -> str:
    assert view._bar is not None
    return view._bar.tasks[0].description


def test_nothing_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressView() as view, ProgressView(quiet=True) as quiet:
        for each in (view, quiet):
            with each.task("encoding", 3, "text"):
                each.advance(3)
            with each.task("writing"):
                pass
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_stages_are_lines_where_they_are_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ProgressView(lines=True) as view, view.task("reading folders"), view.task("encoding", 3, "text"):
        view.advance(3)
    assert capsys.readouterr().err == "reading folders\n"


def test_a_process_that_does_not_speak_keeps_its_notices_to_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ProgressView(speaks=False, lines=True) as view:
        view.notice("the encoder collapses")
        view.begin("loading")
        view.stopping()
    assert capsys.readouterr() == ("", "")

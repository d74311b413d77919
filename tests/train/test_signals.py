"""The first Ctrl-C or SIGTERM finishes the step and saves; the second one leaves at once; the rest resumes exactly."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from contrapose.errors import Interrupted
from contrapose.train import signals
from contrapose.train.checkpoint import steps_saved
from contrapose.train.signals import StopRequest
from tests.train.processes import error_of, start, wait_for_step
from tests.train.runs import Killed, Place, Witness, outcome, run_tiny, texts
from tests.waiting import PATIENCE

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.mark.parametrize("number", CODES)
def test_a_signal_finishes_the_step_saves_and_the_run_resumes_to_the_bit(
    place: Place, tmp_path: Path, number: signal.Signals
) -> None:
    class Sender(Witness):
        def stepped(self, step: int, row: Any) -> None:
            super().stepped(step, row)
            if step == 7:
                os.kill(os.getpid(), number)

    options: dict[str, Any] = {"method": "hncse-hnm", "parts": ("queue",)}
    whole = run_tiny(place, tmp_path / "whole", **options)
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=r"stopped after step 7 of 12, and saved.*--resume") as stopped:
        run_tiny(place, tmp_path / "run", listener=Sender(), **options)
    assert stopped.value.exit_code == CODES[number]
    assert signal.getsignal(number) is before
    assert steps_saved(tmp_path / "run" / "checkpoints") == [5, 7]
    assert not (tmp_path / "run" / "run.lock").exists()
    run_tiny(place, tmp_path / "run", resume=True, **options)
    assert outcome(tmp_path / "run") == outcome(whole.folder)


def test_a_signal_in_the_last_step_lets_the_run_finish(place: Place, tmp_path: Path) -> None:
    class Sender(Witness):
        def stepped(self, step: int, row: Any) -> None:
            if step == 12:
                os.kill(os.getpid(), signal.SIGTERM)

    assert run_tiny(place, tmp_path / "run", listener=Sender()).model_folder.is_dir()


@pytest.mark.parametrize("number", CODES)
def test_a_process_that_is_signalled_ends_with_the_code_that_shells_know(
    place: Place, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "run"
    process = start(place, out, steps=5000)
    wait_for_step(process, out, 3)
    assert process.pid
    os.kill(process.pid, number)
    process.join(PATIENCE)
    assert process.exitcode == CODES[number]
    assert "Interrupted: stopped after step" in error_of(out)
    assert steps_saved(out / "checkpoints")[-1] >= 3


def test_the_second_signal_ends_the_process_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "TOGETHER", 0.05)
    # The first one is answered only between steps; held in a step, only the second one can end it.
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with StopRequest():
            os.write(writer, b"x")
            while True:
                threading.Event().wait(0.01)
    os.read(reader, 1)
    os.kill(child, signal.SIGINT)
    threading.Event().wait(0.1)
    assert os.waitpid(child, os.WNOHANG) == (0, 0), "the first signal ended it"
    os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (130, 143)


@pytest.mark.parametrize("number", CODES)
def test_in_the_middle_of_a_long_operation_the_first_signal_is_answered_and_the_second_one_ends_it(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """One call of C for minutes, as a backward pass may be: no handler of Python's can run before it is over."""
    monkeypatch.setattr(signals, "TOGETHER", 0.0)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with StopRequest(lambda: os.write(writer, b"answered")):
            os.write(writer, b"begun")
            hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
        os._exit(0)
    try:
        assert os.read(reader, 5) == b"begun"
        os.kill(child, number)
        assert os.read(reader, 8) == b"answered"
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the first signal ended it"
        os.kill(child, number)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == CODES[number]
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise


def test_a_signal_to_a_forked_child_is_not_taken_for_this_process_s_own() -> None:
    answers: list[int] = []
    with StopRequest(lambda: answers.append(1)) as stop:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
            while True:
                threading.Event().wait(0.01)
        threading.Event().wait(0.05)
        os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) in (7, 143)
    assert (stop.received, answers) == (None, [])


@pytest.mark.parametrize("number", CODES)
def test_a_signal_to_the_process_and_to_its_group_is_one_signal(
    place: Place, tmp_path: Path, number: signal.Signals
) -> None:
    """As `timeout` sends it."""

    class Sender(Witness):
        def stepped(self, step: int, row: Any) -> None:
            super().stepped(step, row)
            if step == 7:
                os.kill(os.getpid(), number)
                os.kill(os.getpid(), number)

        def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
            if begun and what.startswith(begun):
                try:
                    os.kill(os.getpid(), number)
                finally:
                    os.kill(os.getpid(), number)

    begun = ""
    with pytest.raises(Interrupted, match="stopped after step 7 of 12, and saved"):
        run_tiny(place, tmp_path / "run", listener=Sender())
    begun = "loading"
    with pytest.raises(Interrupted, match="stopped before the first step"):
        run_tiny(place, tmp_path / "other", listener=Sender())
    assert not (tmp_path / "other").exists()


class SignalsWhile(Witness):
    """Sends a signal to this process when the run tells that it begins something."""

    def __init__(self, number: int, begun: str) -> None:
        super().__init__()
        self.number, self.begun, self.sent = number, begun, 0

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        if what.startswith(self.begun):
            self.sent += 1
            os.kill(os.getpid(), self.number)

    def started(self, first_step: int, num_steps: int, facts: Any) -> None:
        self.begin("started")


BEFORE_THE_FIRST_STEP = ["loading", "reading the corpus", "evaluating the pretrained model", "started"]


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("begun", BEFORE_THE_FIRST_STEP)
def test_a_signal_before_the_first_step_says_one_line_and_leaves_no_folder(
    place: Place, tmp_path: Path, begun: str, number: signal.Signals
) -> None:
    corpus = tmp_path / "many.txt"
    corpus.write_text("\n".join(texts(400, seed=9)))
    before = signal.getsignal(number)
    sender = SignalsWhile(number, begun)
    with pytest.raises(Interrupted, match=r"^stopped before the first step; .*run is gone again$") as stopped:
        run_tiny(place, tmp_path / "run", listener=sender, corpus=corpus, criterion="label-free")
    assert (sender.sent, stopped.value.exit_code) == (1, CODES[number])
    assert signal.getsignal(number) is before
    assert os.listdir(tmp_path) == ["many.txt"]


def test_a_signal_before_the_first_step_of_a_continuation_changes_nothing(
    place: Place, tmp_path: Path
) -> None:
    whole = run_tiny(place, tmp_path / "whole")
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "run", listener=Witness(kill_at=7))
    for begun in ("verifying", "loading", "started"):
        with pytest.raises(Interrupted, match=r"what was saved in .* is kept.*--resume"):
            run_tiny(place, tmp_path / "run", listener=SignalsWhile(signal.SIGTERM, begun), resume=True)
    run_tiny(place, tmp_path / "run", resume=True)
    assert outcome(tmp_path / "run") == outcome(whole.folder)


def test_a_signal_after_the_last_step_keeps_the_training(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contrapose.train import finish as package

    whole = run_tiny(place, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(package, "finish", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Interrupted, match=r"what was saved in .* is kept.*--resume") as stopped:
            run_tiny(place, tmp_path / "run")
    assert stopped.value.exit_code == 143
    witness = Witness()
    run_tiny(place, tmp_path / "run", resume=True, listener=witness)
    assert witness.steps == []
    assert outcome(tmp_path / "run") == outcome(whole.folder)


def test_the_request_remembers_the_first_signal_and_puts_the_handlers_back() -> None:
    before = {number: signal.getsignal(number) for number in CODES}
    with StopRequest() as stop:
        assert stop.received is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert (stop.received, stop.exit_code) == (signal.SIGTERM, 143)
    assert {number: signal.getsignal(number) for number in CODES} == before


def test_signals_keep_their_meaning_in_other_threads() -> None:
    found: list[Any] = []

    def enter() -> None:
        with StopRequest():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]

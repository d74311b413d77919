"""The first Ctrl-C or SIGTERM finishes the step and saves; the second one leaves at once; the rest resumes exactly."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from contrapose.errors import Interrupted
from contrapose.train.checkpoint import steps_saved
from contrapose.train.signals import StopRequest
from tests.train.processes import error_of, start, wait_for_step
from tests.train.runs import Place, Witness, outcome, run_tiny
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


def test_the_second_signal_ends_the_process_at_once(place: Place, tmp_path: Path) -> None:
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

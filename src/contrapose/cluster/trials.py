"""Trials on a Ray cluster: each is a task in a process of its own, with its run folder on the file system they share.

The task does what a process does that is given the same experiment: it locks the trial's folder, goes on with what an
interrupted attempt left there, measures, and appends to the ledger. So its numbers are those of one machine, and a
trial whose process was lost is tried again from its last checkpoint, by Ray or by the next call.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from contrapose.cluster.crew import Share
from contrapose.errors import ClusterError, ContraposeError, UsageError
from contrapose.experiment.trials import PATIENCE, Measure, Measuring, Trial, TrialListener, Trials

#: Times that Ray begins a trial again whose process was lost.
MOST_LOSSES = 3


class ClusterTrials(Trials):
    """Trials that workers of a cluster measure; to be used inside :func:`contrapose.cluster.crew.connected`."""

    def __init__(
        self,
        folder: str | Path,
        *,
        experiment: str,
        share: Share,
        name: str = "trials.jsonl",
        expected: int = 0,
    ) -> None:
        super().__init__(Path(folder).absolute(), experiment=experiment, name=name, expected=expected)
        self._share, self._name = share, name
        self._under_way: dict[Any, Trial] = {}

    def room(self) -> bool:
        return len(self._under_way) < self._share.workers

    def take(self, trials: Sequence[Trial], measure: Measure, listener: TrialListener) -> bool:
        """Give out what is neither measured nor given out, and wait a moment; whether anything is under way.

        Raises what a trial raised in its process, and :class:`ClusterError` where its processes are lost again and
        again.
        """
        import ray

        assert isinstance(measure, Measuring), "a closure cannot be sent to another machine"
        rows, given = self.rows(), {trial.key for trial in self._under_way.values()}
        wanted = {trial.key: trial for trial in trials}
        total = max(len(wanted), self.expected, len(rows))
        task = ray.remote(measured).options(
            **self._share.resources, max_retries=MOST_LOSSES, retry_exceptions=False
        )
        for key, trial in wanted.items():
            if key not in rows and key not in given:
                listener.begun(sum(key in rows for key in wanted), total, trial)
                place = (os.getcwd(), str(self.folder), self.experiment, self._name)
                sent = replace(measure, listener=TrialListener())
                self._under_way[task.remote(place, trial, sent)] = trial
        if not self._under_way:
            return False
        done, _ = ray.wait(list(self._under_way), num_returns=1, timeout=PATIENCE)
        for answer in done:
            trial = self._under_way.pop(answer)
            try:
                ray.get(answer)
            except ray.exceptions.RayTaskError as error:
                raise (error.cause if isinstance(error.cause, ContraposeError) else error) from None
            except ray.exceptions.RayError as error:
                raise ClusterError(_lost(trial, error)) from None
            rows = self.rows()
            if trial.key in rows:  # else another process has it
                finished = len(rows) if self.expected else sum(key in rows for key in wanted)
                listener.ended(finished, total, rows[trial.key].body)
        return True


def measured(place: tuple[str, str, str, str], trial: Trial, measure: Measuring) -> None:
    """The task: measure one trial in a folder that all machines see. place: where the command was given, the folder,
    the experiment, the ledger's name."""
    given_in, folder, experiment, name = place
    if not (os.path.isdir(given_in) and os.path.isdir(folder)):
        raise UsageError(
            f"the machine {socket.gethostname()} does not see {folder if os.path.isdir(given_in) else given_in}: the "
            "folder that the command is given in, and --out, must lie on a file system that all machines of the "
            "cluster share, under the same path"
        )
    os.chdir(given_in)
    Trials(folder, experiment=experiment, name=name).take([trial], measure, measure.listener)


def _lost(trial: Trial, error: BaseException) -> str:
    named = ", ".join(f"{name} {value}" for name, value in trial.factors.items())
    return (
        f"the process of the trial {named} was lost {MOST_LOSSES + 1} times. Perhaps it needs more memory than its "
        "worker has: give fewer --workers. The same command goes on where it stopped. Ray says: "
        f"{str(error).strip().splitlines()[0][:300]}"
    )

"""One training on the machines of a Ray cluster: its workers are the processes that torchrun would start.

Ray finds room for them together (a placement group) and starts one actor each; every actor sets the variables that
torchrun sets and calls the ordinary :func:`contrapose.train.api.train_with`. That is all: the processes find each other
through torch, checkpoints lie in the run's folder, and a lost process ends the others as under torchrun.

Ray's core, and not Ray Train: its TorchTrainer wants the same variables set and the same function called, and besides
it pandas, tensorboardX and a storage layer for checkpoints, which are written here anyway.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.cluster.crew import Crew, Share, connected
from contrapose.errors import ClusterError, ContraposeError, ProcessLost, UsageError
from contrapose.foreign import parse_json_object
from contrapose.listening import Listener

if TYPE_CHECKING:
    from contrapose.train.api import Run
    from contrapose.train.settings import RunSettings

#: Seconds in which the others say why, once a process has failed.
GRACE = 10.0

#: Seconds between looks at how far the training is.
PAUSE = 2.0

#: Bytes at the end of the metrics that hold the last line.
LINE_BYTES = 16_384


class TrainingProcess:
    """The actor: one process of a training."""

    def where(self) -> tuple[str, str, int]:
        """The machine's id in Ray, its address, and a port that is free there."""
        from importlib import import_module

        ray: Any = import_module("ray")
        with socket.socket() as free:
            free.bind(("", 0))
            return (
                ray.get_runtime_context().get_node_id(),
                ray.util.get_node_ip_address(),
                free.getsockname()[1],
            )

    def train(self, settings: RunSettings, resume: bool, variables: dict[str, str], given_in: str) -> None:
        """The ordinary training, as one of several processes."""
        if not os.path.isdir(given_in):
            raise UsageError(
                f"the machine {socket.gethostname()} does not see {given_in}: the folder that the command is given in, "
                "the text and --out must lie on a file system that all machines of the cluster share, under the same "
                "paths"
            )
        os.chdir(given_in)
        os.environ.update(variables)
        from contrapose.train.api import train_with

        train_with(settings, resume=resume)


def train_on(crew: Crew, settings: RunSettings, *, resume: bool, listener: Listener) -> Run:
    """Train with as many processes as ``crew`` asks for; the run.

    Raises what the training raises, and :class:`ClusterError` where one of its processes is lost.
    """
    from contrapose.train.api import Run
    from contrapose.train.settings import run_folder

    if "-" in settings.data.corpus:
        raise UsageError("standard input can only be read by one process: write the text to a file first")
    with connected(crew) as share:
        told = f"training in {share.workers} process{'es' * (share.workers != 1)} on Ray"
        with listener.task(told), listener.task(told, unit="step"):
            processes = _started(share)
            variables = variables_of(_asked(processes), sees_own_gpu=share.gpus > 0)
            answers = [
                process.train.remote(settings, resume, mine, os.getcwd())
                for process, mine in zip(processes, variables, strict=True)
            ]
            _wait(answers, run_folder(settings) / "metrics.jsonl", listener)
        return Run(run_folder(settings))


def variables_of(places: list[tuple[str, str, int]], *, sees_own_gpu: bool) -> list[dict[str, str]]:
    """What torchrun sets for each process. places: machine, address and a free port of each, the first one's counts.

    sees_own_gpu: Ray shows every process its own GPU alone, which is then the first one that it sees.

    >>> [mine["LOCAL_RANK"] for mine in variables_of([("a", "h", 1), ("a", "h", 2), ("b", "g", 3)], sees_own_gpu=False)]
    ['0', '1', '0']
    """
    _, address, port = places[0]
    of_machine: Counter[str] = Counter()
    found = []
    for rank, (machine, _, _) in enumerate(places):
        local_rank = 0 if sees_own_gpu else of_machine[machine]
        of_machine[machine] += 1
        numbers = {"RANK": rank, "LOCAL_RANK": local_rank, "WORLD_SIZE": len(places), "MASTER_PORT": port}
        found.append({"MASTER_ADDR": address, **{name: str(number) for name, number in numbers.items()}})
    return found


def _started(share: Share) -> list[Any]:
    """The actors, once there is room for all of them together."""
    import ray
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group = ray.util.placement_group([share.bundle] * share.workers, strategy="PACK")
    ray.get(group.ready())
    actor = ray.remote(TrainingProcess).options(
        **share.resources, max_restarts=0, scheduling_strategy=PlacementGroupSchedulingStrategy(group)
    )
    return [actor.remote() for _ in range(share.workers)]


def _asked(processes: list[Any]) -> list[tuple[str, str, int]]:
    import ray

    places: list[tuple[str, str, int]] = ray.get([process.where.remote() for process in processes])
    return places


def _wait(answers: list[Any], metrics: Path, listener: Listener) -> None:
    """Until all have ended. Where one fails, the reason is that of the one that did not lose another.

    How far the first process is, the run's metrics tell.
    """
    import ray

    done, rest, steps = [], answers, _last_step(metrics)
    while rest:
        ended, rest = ray.wait(rest, num_returns=1, timeout=PAUSE)
        before, steps = steps, _last_step(metrics)
        listener.advance(max(0, steps - before))
        done += ended
        if ended and _error(ended[0]) is not None:
            done += ray.wait(rest, num_returns=len(rest), timeout=GRACE)[0] if rest else []
            break
    errors = [error for answer in done if (error := _error(answer)) is not None]
    if errors:
        errors.sort(key=lambda error: isinstance(error, ProcessLost))
        raise errors[0] from None


def _last_step(metrics: Path) -> int:
    """The step of the last whole line; 0 where there is none yet."""
    try:
        with metrics.open("rb") as file:
            file.seek(max(0, metrics.stat().st_size - LINE_BYTES))
            last = file.read().split(b"\n")[-2]
        return int(parse_json_object(last).get("step", 0))
    except (OSError, IndexError, ValueError, TypeError):
        return 0


def _error(answer: Any) -> BaseException | None:
    """What an ended process raised, in words of ours."""
    import ray

    try:
        ray.get(answer)
    except ray.exceptions.RayTaskError as error:
        return error.cause if isinstance(error.cause, ContraposeError) else error
    except ray.exceptions.RayError as error:
        return ClusterError(
            "a process of the training was lost, and the others were ended. What was saved is kept: go on with the "
            f"same command and --resume. Ray says: {str(error).strip().splitlines()[0][:300]}"
        )
    return None

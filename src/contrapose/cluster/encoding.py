"""Blocks of a bulk encoding on a Ray cluster: actors that hold the encoder, one output file per block.

Ray's core actors, and not Ray Data. Ray Data cuts its input into blocks of its own, splits and merges them as it goes,
and holds what it made in its object store; here a block must stay one block from the input to the one file that a
manifest can name, so that a restart knows exactly what is missing. What Ray Data would bring besides, actors that stay
and a bounded number of blocks under way, is the loop of :func:`_encoded`.

    this process: reads the input, cuts blocks, keeps the record      worker: encodes a block, writes its file, says so

A worker that is lost is started again by Ray, and its block is given to whoever is free. When this process is lost,
its workers end, and the same command goes on with the blocks that are not recorded. Vectors never pass between
processes: a block's texts go to the worker, and its record of a few hundred bytes comes back.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from contrapose.cluster.crew import Crew, Share, connected
from contrapose.errors import ClusterError, ContraposeError, UsageError
from contrapose.listening import Listener
from contrapose.use.block_folder import OWN
from contrapose.use.block_plan import Plan
from contrapose.use.blocks import Block, BlockRecord, write_block
from contrapose.use.encode_blocks import Engine, Task

#: Workers that one block may cost before it is held to be what kills them.
MOST_LOSSES = 3

#: Seconds before a worker that could not be asked is asked again.
PAUSE = 1.0


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How a worker opens the model. sample: text that another backend or precision is compared on before it is used."""

    model: str
    device: str = "auto"
    backend: str = "torch"
    precision: str = "fp32"
    sample: tuple[str, ...] = ()
    max_loss: float = 0.0


class BlockWorker:
    """The actor: an encoder, loaded once, and blocks as they come."""

    def __init__(self, task: Task, opening: Opening) -> None:
        self.task, self.opening = task, opening

    @cached_property
    def encoder(self) -> Any:
        """The encoder, once it is sure that this machine sees the same folder and the same model."""
        from contrapose.backends.opening import open_encoder
        from contrapose.encoder.encoder import Encoder
        from contrapose.train.environment import pick_device

        opening = self.opening
        here, plan = socket.gethostname(), self.task.folder / OWN / "plan.json"
        if not plan.is_file() or Plan.read(plan) != self.task.plan:
            raise UsageError(
                f"the machine {here} does not see {self.task.folder}: the output must lie on a file system that all "
                "machines of the cluster share, under the same path"
            )
        original = Encoder.load(opening.model).to(pick_device(opening.device)).eval()
        encoder = open_encoder(
            original,
            backend=opening.backend,
            precision=opening.precision,
            sample=opening.sample,
            max_loss=opening.max_loss,
            model=Path(opening.model),
        ).encoder
        if encoder.fingerprint() != self.task.plan.fingerprint:
            raise UsageError(
                f"on the machine {here} the model {opening.model} is another one: give a model folder on the file "
                "system that all machines share, with its graphs where another backend computes (contrapose export)"
            )
        return encoder

    def ready(self) -> str:
        """The machine's name, once the encoder is loaded."""
        assert self.encoder is not None
        return socket.gethostname()

    def encode(self, block: Block) -> BlockRecord:
        task = self.task
        return write_block(self.encoder, block, task.folder, task.plan.options, about=task.about)


def ray_engine(crew: Crew, opening: Opening) -> Engine:
    """What encodes blocks for :func:`contrapose.use.encode_blocks.encode_folder`."""

    def encoded(task: Task, blocks: Iterable[Block], listener: Listener) -> Iterator[BlockRecord]:
        waiting = iter(blocks)
        first = next(waiting, None)
        if first is None:
            return  # all is there: no cluster is needed
        model = Path(opening.model)
        everywhere = replace(opening, model=str(model.resolve())) if model.exists() else opening
        shared = replace(task, folder=task.folder.resolve())
        with connected(crew) as share:
            workers = _workers(share, shared, everywhere)
            with listener.task(_told(share)):
                yield from _encoded(workers, _after(first, waiting), listener)

    return encoded


def _workers(share: Share, task: Task, opening: Opening) -> list[Any]:
    import ray

    actor = ray.remote(BlockWorker).options(**share.resources, max_restarts=-1, max_task_retries=0)
    return [actor.remote(task, opening) for _ in range(share.workers)]


@dataclass
class _Given:
    """A block, how many workers it cost so far, and which one has it."""

    block: Block
    losses: int = 0
    worker: Any = None


def _encoded(workers: list[Any], blocks: Iterator[Block], listener: Listener) -> Iterator[BlockRecord]:
    """Every block by whichever worker is free; as many blocks are read ahead as there are workers."""
    import ray

    lost = ray.exceptions.RayActorError
    idle: list[Any] = []
    starting = {worker.ready.remote(): worker for worker in workers}
    ahead: deque[_Given] = deque()
    busy: dict[Any, _Given] = {}
    lost_in_a_row = 0
    while True:
        while len(ahead) < len(workers) and (block := next(blocks, None)) is not None:
            ahead.append(_Given(block))
        while idle and ahead:
            given = ahead.popleft()
            given.worker = idle.pop()
            busy[given.worker.encode.remote(given.block)] = given
        if not busy and not ahead:
            return
        (answer, *_), _ = ray.wait([*busy, *starting], num_returns=1)
        given_or_worker = busy.pop(answer, None) or starting.pop(answer)
        worker = given_or_worker.worker if isinstance(given_or_worker, _Given) else given_or_worker
        try:
            result = ray.get(answer)
        except lost as error:
            lost_in_a_row += 1
            if isinstance(given_or_worker, _Given):
                ahead.appendleft(_given_again(given_or_worker, error, listener))
            elif lost_in_a_row > MOST_LOSSES * len(workers):
                raise ClusterError(_cannot_start(error)) from None
            else:
                time.sleep(PAUSE)
            starting[worker.ready.remote()] = worker
        except ray.exceptions.RayTaskError as error:
            raise _cause(error) from None
        else:
            idle.append(worker)
            lost_in_a_row = 0
            if isinstance(given_or_worker, _Given):
                listener.advance(result.rows)
                yield result


def _cannot_start(error: BaseException) -> str:
    return (
        "workers end while they load the model. Perhaps they have too little memory: give fewer --workers or a larger "
        f"--memory-per-worker. Ray says: {str(error).strip().splitlines()[0][:300]}"
    )


def _given_again(given: _Given, error: BaseException, listener: Listener) -> _Given:
    rows = given.block.rows
    place = f"lines {rows[0].line:,} to {rows[-1].line:,} of {rows[0].file}"
    if given.losses + 1 >= MOST_LOSSES:
        raise ClusterError(
            f"{MOST_LOSSES} workers in a row were lost over {place}. Perhaps it needs more memory than they have: give "
            "fewer --workers, a larger --memory-per-worker or a smaller --block-rows; what is encoded is kept. Ray "
            f"says: {str(error).strip().splitlines()[0][:300]}"
        )
    listener.notice(f"a worker was lost; {place} are given to another")
    return _Given(given.block, given.losses + 1)


def _cause(error: Any) -> BaseException:
    """The error as it was raised in the worker, where it is one of ours."""
    return error.cause if isinstance(error.cause, ContraposeError) else error


def _after(first: Block, rest: Iterator[Block]) -> Iterator[Block]:
    yield first
    yield from rest


def _told(share: Share) -> str:
    each = f"{share.cpus} CPU" + (f", {share.gpus} GPU" if share.gpus else "")
    workers = f"{share.workers:,} worker{'s' * (share.workers != 1)}"
    return f"{workers} on Ray, {each} each" if share.workers > 1 else f"{workers} on Ray with {each}"

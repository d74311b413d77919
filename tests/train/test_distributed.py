"""Two processes with half a batch each are one process with the whole batch: losses, gradients, weights, queues."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch

from contrapose.errors import ProcessLost, UsageError
from contrapose.objectives.catalogue import recipe
from contrapose.storage.staging import locked_folder
from contrapose.train.checkpoint import load as load_checkpoint
from contrapose.train.distributed import ProcessGroup
from tests.train.processes import LOADED
from tests.train.runs import OPTIONS, Place, run_tiny, step_rows
from tests.train.two_processes import CASES, mask_of_two_batches, pretraining_steps, three_steps
from tests.waiting import PATIENCE

REPOSITORY = Path(__file__).resolve().parents[2]
#: A text part that prepares, one that is refreshed, and a protocol with state.
WHOLE_CORPUS = {
    "method": str(Path(__file__).with_name("whole_corpus.py")),
    "views": "nearest-other,retrieved",
    "neighbours": 8,
    "refresh_neighbours": 3,
    "dropout": 0.0,
    "steps": 8,
    "learning_rate": 1e-4,
}
#: Clients that take turns, and whose weights are averaged between steps.
FEDERATED = {
    "parts": ["federated"],
    "clients": 3,
    "clients_per_round": 2,
    "local_steps": 2,
    "topics": 2,
    "dirichlet_alpha": 5.0,
    "dropout": 0.0,
    "steps": 8,
    "learning_rate": 1e-4,
}


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    return subprocess.run(
        [*command, *arguments],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "src")]),
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.fixture(scope="module")
def out(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left, all cases in one start."""
    out = tmp_path_factory.mktemp("two")
    shared = {**OPTIONS, "model": str(place.model)}
    runs = {"run": {**shared, **WHOLE_CORPUS}, "federated": {**shared, **FEDERATED, "views": "crop"}}
    job = {"model": str(place.model), "out": str(out), "corpus": str(place.sentences), "runs": runs}
    (out / "job.json").write_text(json.dumps(job))
    ended = torchrun("-m", "tests.train.two_processes", str(out / "job.json"))
    assert ended.returncode == 0, ended.stderr[-3000:]
    return out


@cache
def in_one_process(model: Path, name: str) -> dict[str, torch.Tensor]:
    return three_steps(model, name, CASES[name], ProcessGroup())


@pytest.mark.parametrize("number", range(len(CASES)), ids=list(CASES))
def test_two_processes_equal_one(place: Place, out: Path, number: int) -> None:
    from safetensors.torch import load

    name = list(CASES)[number]
    first, second = (load((out / f"case-{number}-rank-{rank}.safetensors").read_bytes()) for rank in (0, 1))
    alone = in_one_process(place.model, name)
    assert first.keys() == second.keys() == alone.keys()
    queued = sum(tensor.numel() for key, tensor in alone.items() if key.endswith("vectors_MD"))
    parts = recipe(name.replace(",", " ").split()[0]).parts
    assert (queued > 0) == any("queue" in each for each in (name, *(part.name for part in parts)))
    for key, expected in alone.items():
        assert torch.equal(first[key], second[key]), f"{key} differs between the processes"
        if key.startswith("weight") and "num_batches" not in key:
            # Adam divides a gradient by its size: one of nothing but rounding moves a weight by the rate at each of
            # three steps, in one process up and in two down.
            torch.testing.assert_close(
                first[key], expected, rtol=1e-5, atol=2e-6 if has(alone, key) else 6.1e-4
            )
        elif key.startswith("loss"):
            assert first[key].item() == pytest.approx(expected.item(), rel=1e-6, abs=1e-6), key
        else:
            # What a batch norm remembers is of vectors that those moved weights made: 6e-6 without vector units.
            near = 2e-5 if "running_mean" in key else 3e-6
            torch.testing.assert_close(first[key], expected, rtol=1e-4, atol=near, msg=key)


def test_two_processes_pretrain_as_one(place: Place, out: Path) -> None:
    from safetensors.torch import load

    first, second = (load((out / f"pretraining-rank-{rank}.safetensors").read_bytes()) for rank in (0, 1))
    alone = pretraining_steps(place.model, ProcessGroup())
    assert first.keys() == second.keys() == alone.keys()
    assert {key.split()[0] for key in alone} == {"loss", "accuracy", "gradient", "weight"}
    assert any(alone[key] > 0 for key in alone if key.startswith("accuracy"))
    for key, expected in alone.items():
        assert torch.equal(first[key], second[key]), f"{key} differs between the processes"
        if key.startswith("weight"):
            near = 2e-6 if has(alone, key) else 4e-4
            torch.testing.assert_close(first[key], expected, rtol=1e-5, atol=near, msg=key)
        else:
            torch.testing.assert_close(first[key], expected, rtol=1e-4, atol=3e-6, msg=key)


def has(found: dict[str, torch.Tensor], weight: str) -> bool:
    """Whether the weight has a gradient that is more than rounding everywhere."""
    gradient = found.get(weight.replace("weight ", "gradient ", 1))
    return gradient is None or bool((gradient.abs() > 1e-4).all())


def test_a_batch_that_cannot_be_split_is_refused_in_every_process(out: Path) -> None:
    for rank in (0, 1):
        told = (out / f"refused-{rank}").read_text()
        assert told.startswith("batch_size 1 is less than a row for each of 2 processes")


def test_gradients_are_on_their_way_before_the_backward_pass_ends(out: Path) -> None:
    """Weights that the pass does not reach hold up the buckets behind them, and no gradient is wrong for it."""
    for rank in (0, 1):
        buckets, early, error = json.loads((out / f"early-{rank}").read_text())
        assert buckets > 2
        assert early == buckets - 1, "the last bucket has the weights that learn nothing"
        assert error == 0.0


def test_what_one_process_says_all_know(out: Path) -> None:
    assert [json.loads((out / f"flags-{rank}").read_text()) for rank in (0, 1)] == [[True, False, 0.1]] * 2


def test_all_processes_save_or_none_however_late_one_of_them_looks(out: Path) -> None:
    assert [json.loads((out / f"late-{rank}").read_text()) for rank in (0, 1)] == [True, True]


def test_a_run_with_prepared_and_refreshed_texts_and_a_protocol_is_that_of_one_process(
    place: Place, out: Path, tmp_path: Path
) -> None:
    one = run_tiny(place, tmp_path / "one", **WHOLE_CORPUS).folder
    alone, together = (
        [[row["loss"], row["grad_norm"]] for row in step_rows(folder)] for folder in (one, out / "run")
    )
    assert len(alone) == 8
    assert torch.tensor(together) == pytest.approx(torch.tensor(alone), rel=1e-4)
    masks = [
        load_checkpoint(folder / "checkpoints", 8).of("protocol")["mask"] for folder in (one, out / "run")
    ]
    for mask in masks:
        assert mask.float().mean().item() == pytest.approx(0.5, abs=0.01)
    # A weight that lies at the limit to rounding may fall on either side.
    assert (masks[0] != masks[1]).float().mean() < 0.01


def test_two_processes_mask_the_weights_that_one_masks(place: Place, out: Path) -> None:
    from safetensors.torch import load

    first, second = (load((out / f"masks-{rank}.safetensors").read_bytes()) for rank in (0, 1))
    alone = mask_of_two_batches(place.model, ProcessGroup())
    assert first.keys() == alone.keys()
    for name, mask in alone.items():
        assert torch.equal(first[name], second[name]), f"{name} differs between the processes"
        assert (first[name] != mask).float().mean() < 0.01, "all but those whose scores are equal to rounding"
    assert any(not mask.all() for mask in alone.values())


def test_a_federated_run_is_that_of_one_process(place: Place, out: Path, tmp_path: Path) -> None:
    one = run_tiny(place, tmp_path / "one", views="crop", **FEDERATED).folder
    alone, together = (
        [[row["loss"], row["grad_norm"]] for row in step_rows(folder)] for folder in (one, out / "federated")
    )
    assert len(alone) == 8
    assert torch.tensor(together) == pytest.approx(torch.tensor(alone), rel=1e-4)
    ours, theirs = (
        load_checkpoint(folder / "checkpoints", 8).of("protocol") for folder in (one, out / "federated")
    )
    moved = [name for name, tensor in ours.items() if not torch.equal(tensor, theirs[name])]
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=2e-4, msg=f"{name} of {moved}")


def train_as(rank: int, port: int, place: Place, out: Path) -> None:
    """One of two processes that train into ``out``; what a shell would see is written beside it."""
    from contrapose.cli.failures import explain

    os.environ |= {"WORLD_SIZE": "2", "RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    try:
        run_tiny(place, out)
    except BaseException as error:
        (out.parent / f"told-{rank}").write_text(json.dumps(explain(error)))


def test_what_stops_one_process_alone_is_no_internal_error_of_the_others(
    place: Place, tmp_path: Path
) -> None:
    """The first finds the folder locked; the other only that the first is gone."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    lock, _ = locked_folder(tmp_path / "run")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pair = [context.Process(target=train_as, args=(rank, port, place, tmp_path / "run")) for rank in (0, 1)]
    try:
        for process in pair:
            process.start()
        for process in pair:
            process.join(PATIENCE)
    finally:
        lock.release()
    first, second = (json.loads((tmp_path / f"told-{rank}").read_text()) for rank in (0, 1))
    assert "is in use by process" in first[0]
    assert second == [
        "process 1 of 2: process 0 ended, or no longer answers; its message says why. What was saved is kept: start "
        "all processes again with the same command and --resume",
        1,
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("Connection reset by peer", ProcessLost),
        ("Timed out waiting 8000ms for recv operation to complete", ProcessLost),
        ("out of memory", RuntimeError),
    ],
)
def test_an_error_of_its_own_is_not_taken_for_a_lost_process(
    monkeypatch: pytest.MonkeyPatch, told: str, expected: type[Exception]
) -> None:
    def barrier() -> None:
        raise RuntimeError(told)

    monkeypatch.setattr("torch.distributed.barrier", barrier)
    with pytest.raises(expected) as raised:
        ProcessGroup(rank=1, size=2).wait()
    assert type(raised.value) is expected


def test_every_row_belongs_to_one_process() -> None:
    rows = [list(range(12))[ProcessGroup(rank=rank, size=3).rows(12)] for rank in range(3)]
    assert rows == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    uneven = [list(range(10))[ProcessGroup(rank=rank, size=4).rows(10)] for rank in range(4)]
    assert uneven == [[0, 1, 2], [3, 4, 5], [6, 7], [8, 9]]
    with pytest.raises(UsageError, match="batch_size 3 is less than a row for each of 4 processes"):
        ProcessGroup(rank=0, size=4).rows(3)


def test_a_process_alone_is_a_group_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    processes = ProcessGroup.join()
    assert (processes.rank, processes.size, processes.is_first) == (0, 1, True)
    pooled = torch.ones(2, 3, 4, requires_grad=True)
    assert not processes.gather_rows(pooled, 3).requires_grad


@pytest.mark.slow
def test_a_whole_run_in_two_processes_equals_one(place: Place, tmp_path: Path) -> None:
    options = {**OPTIONS, "dropout": 0.0, "views": "crop", "steps": 4, "model": str(place.model)}
    script = tmp_path / "script.py"
    script.write_text(
        "from contrapose.train.api import train\n"
        f"train({str(place.documents)!r}, out={str(tmp_path / 'two')!r}, **{options!r})\n"
    )
    ended = torchrun(str(script))
    assert ended.returncode == 0, ended.stderr[-3000:]
    options.pop("model")
    run_tiny(place, tmp_path / "one", corpus=place.documents, **options)
    one, two = (
        [[row["loss"], row["grad_norm"]] for row in step_rows(tmp_path / name)] for name in ("one", "two")
    )
    assert torch.tensor(two) == pytest.approx(torch.tensor(one), rel=1e-4)


@pytest.mark.parametrize("number", range(len(CASES)), ids=list(CASES))
def test_every_gradient_of_two_processes_is_within_a_millionth(place: Place, out: Path, number: int) -> None:
    from safetensors.torch import load

    name = list(CASES)[number]
    together = load((out / f"case-{number}-rank-0.safetensors").read_bytes())
    alone = in_one_process(place.model, name)
    keys = [key for key in alone if key.startswith("gradient")]
    assert keys
    expected = torch.cat([alone[key].flatten() for key in keys])
    found = torch.cat([together[key].flatten() for key in keys])
    assert expected.norm() > 0
    assert (found - expected).abs().max() <= 1e-6 * max(1.0, float(expected.abs().max()))

"""What the environment says of several processes is believed where it can be meant, and refused by name elsewhere."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import Any

import pytest
import torch.distributed as dist

from contrapose.errors import UsageError
from contrapose.train.distributed import ProcessGroup
from contrapose.train.environment import pick_device
from contrapose.train.launch import Launch, launched

TWO = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TWO:
        monkeypatch.delenv(name, raising=False)


def announce(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in {**TWO, **variables}.items():
        monkeypatch.setenv(name, value)


def test_what_torchrun_announces_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert launched() == Launch(0, 1, 0, 1)
    announce(monkeypatch)
    assert launched() == Launch(1, 2, 1, 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    assert launched() == Launch(1, 2, 1, 1), "the other is on another machine"


def test_without_a_group_the_rest_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    announce(monkeypatch, WORLD_SIZE="1", RANK="x", LOCAL_RANK="-1", MASTER_PORT="")
    assert launched() == Launch()


@pytest.mark.parametrize("name", ["WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_PORT"])
@pytest.mark.parametrize(
    "value", ["x", "", "-1", "1.0", "²", "٣", "1e400", "9" * 400, "0x1", "\x1b[2J", "99999999"]
)
def test_nonsense_is_a_usage_error_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    announce(monkeypatch, **{name: value})
    with pytest.raises(
        UsageError, match=f"the environment variable {name} is .*`unset WORLD_SIZE`"
    ) as refused:
        launched()
    assert "\x1b" not in str(refused.value)
    with pytest.raises(UsageError, match=name):
        ProcessGroup.join()


@pytest.mark.parametrize("name", ["RANK", "MASTER_ADDR", "MASTER_PORT"])
def test_what_is_missing_beside_a_group_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    announce(monkeypatch)
    monkeypatch.delenv(name)
    with pytest.raises(UsageError, match=f"variable {name} is not set"):
        launched()


@pytest.mark.parametrize(("name", "value"), [("WORLD_SIZE", "0"), ("RANK", "2"), ("MASTER_PORT", "65536")])
def test_numbers_out_of_their_range_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    announce(monkeypatch, **{name: value})
    with pytest.raises(UsageError, match=f"{name} is '{value}'"):
        launched()


def test_others_that_cannot_be_found_are_an_error_that_names_the_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as taken:  # the first process listens itself, and this port is taken
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        announce(monkeypatch, RANK="0", LOCAL_RANK="0", MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
        with pytest.raises(
            UsageError, match=rf"process 0 of 2 cannot join the others at 127\.0\.0\.1:{port}: "
        ):
            ProcessGroup.join()


@pytest.mark.parametrize(("device", "backend"), [("cpu", "gloo"), ("cuda", "nccl")])
def test_processes_talk_by_the_device_that_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, device: str, backend: str
) -> None:
    """On a machine with a GPU, `--device cpu` exchanges tensors that lie in the memory of the CPU."""
    chosen: list[str] = []

    def init(name: str, **_: object) -> None:
        chosen.append(name)
        raise RuntimeError("far enough")

    announce(monkeypatch)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.distributed.init_process_group", init)
    monkeypatch.setattr("contrapose.train.distributed.meet", lambda *_: (None, ()))
    with pytest.raises(UsageError, match="far enough"):
        ProcessGroup.join(device)
    assert chosen == [backend]


def test_a_run_on_the_cpu_of_a_machine_with_a_gpu_asks_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert pick_device("cpu", 1).type == "cpu"
    assert str(pick_device("auto", 0)) == str(pick_device("cuda", 0)) == "cuda:0"
    with pytest.raises(UsageError, match=r"process 1 of this machine \(LOCAL_RANK\), and torch sees 1 GPU"):
        pick_device("auto", 1)


def test_processes_wait_for_one_another_longer_than_a_corpus_takes_to_encode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(dist, "init_process_group", lambda *_, **options: asked.update(options))
    monkeypatch.setattr("contrapose.train.distributed.meet", lambda *_: (None, ()))
    announce(monkeypatch)
    assert ProcessGroup.join() == ProcessGroup(rank=1, size=2)
    assert asked["timeout"] >= timedelta(hours=12)

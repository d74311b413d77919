"""What is asked of a cluster, and what is said where there is none."""

from __future__ import annotations

import copy
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrapose.cluster import crew as crew_module
from contrapose.cluster.crew import Crew, bytes_of, check_ray, connected, share_of
from contrapose.cluster.training import variables_of
from contrapose.errors import ClusterError, Interrupted, MissingExtra, UsageError
from tests.cluster.conftest import answer, needs_ray

machines = st.lists(
    st.fixed_dictionaries({"CPU": st.integers(0, 9), "GPU": st.integers(0, 3)}), min_size=1, max_size=4
)


def room(nodes: list[dict[str, int]], cpus: int, gpus: int) -> int:
    """Workers that fit, one placed after the other."""
    placed = 0
    for node in nodes:
        free_cpus, free_gpus = node["CPU"], node["GPU"]
        while free_cpus >= cpus and free_gpus >= gpus:
            free_cpus, free_gpus, placed = free_cpus - cpus, free_gpus - gpus, placed + 1
    return placed


@given(nodes=machines, workers=st.one_of(st.none(), st.integers(1, 12)))
def test_the_share_fits_and_no_larger_one_does(nodes: list[dict[str, int]], workers: int | None) -> None:
    gpus = sum(node["GPU"] for node in nodes)
    wanted = workers or gpus or len(nodes)
    each = int(gpus >= wanted)
    try:
        share = share_of(nodes, workers)
    except UsageError:
        assert room(nodes, 1, each) < wanted
        return
    assert (share.workers, share.gpus) == (wanted, each)
    assert room(nodes, share.cpus, share.gpus) >= wanted
    assert room(nodes, share.cpus + 1, share.gpus) < wanted


def test_memory_counts_on_each_machine() -> None:
    nodes = [{"CPU": 8, "memory": 6 * 2**30}, {"CPU": 8, "memory": 2 * 2**30}]
    share = share_of(nodes, 4, 2 * 2**30)
    assert (share.cpus, share.resources["memory"], share.bundle["memory"]) == (2, 2**31, 2.0**31)
    with pytest.raises(
        UsageError, match=r"5 workers of 2\.0 GiB do not fit .*8 CPU and 6\.0 GiB.*--memory-per-worker"
    ):
        share_of(nodes, 5, 2 * 2**30)


@pytest.mark.parametrize("text", ["", "4XB", "-1GB", "0", "0.0001K", "GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no size"):
        bytes_of(text)


@pytest.mark.parametrize(
    ("address", "words"),
    [("ray://head:10001", "Ray client"), ("head", "no address"), ("a b:1", "no address")],
)
def test_what_is_no_address_is_refused(address: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Crew(address)


def test_without_ray_the_message_holds_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew_module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"needs the package 'ray'. Install it with: .*\[ray\]"):
        check_ray()


@needs_ray
def test_no_cluster_at_an_address_is_one_message_after_a_bounded_wait(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
        port = taken.getsockname()[1]
        with (
            pytest.raises(ClusterError, match=f"no Ray cluster answers at 127.0.0.1:{port}: "),
            connected(Crew(f"127.0.0.1:{port}")),
        ):
            pytest.fail("connected to nothing")
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
        with (
            pytest.raises(ClusterError, match=rf"answers at auto \(127.0.0.1:{port}\)"),
            connected(Crew("auto")),
        ):
            pytest.fail("connected to nothing")
    monkeypatch.delenv("RAY_ADDRESS")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(ClusterError, match="no cluster was found on this machine"), connected(Crew("auto")):
        pytest.fail("connected to nothing")
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_variables_are_those_of_torchrun() -> None:
    places = [("a", "10.0.0.1", 4000), ("b", "10.0.0.2", 5000), ("a", "10.0.0.1", 6000)]
    found = variables_of(places, sees_own_gpu=False)
    assert [mine["RANK"] for mine in found] == ["0", "1", "2"]
    assert [mine["LOCAL_RANK"] for mine in found] == ["0", "0", "1"]
    assert {(mine["MASTER_ADDR"], mine["MASTER_PORT"], mine["WORLD_SIZE"]) for mine in found} == {
        ("10.0.0.1", "4000", "3")
    }
    assert {mine["LOCAL_RANK"] for mine in variables_of(places, sees_own_gpu=True)} == {"0"}


def test_options_of_a_cluster_without_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")
    said = answer("encode", "tiny", "a.txt", "-o", "out/", "--workers", 2, cwd=tmp_path, code=2)
    assert "add --engine ray" in said
    said = answer("encode", "tiny", "a.txt", "-o", "out.npy", "--block-rows", 2, cwd=tmp_path, code=2)
    assert "give --output FOLDER/" in said
    said = answer("compare", "a.txt", "--data", "x", "--workers", 2, cwd=tmp_path, code=2)
    assert "give its --address" in said


def test_an_error_of_another_process_keeps_its_class_message_and_exit_code() -> None:
    from contrapose.data.quarantine import BadLine, BadRow

    line = BadLine(BadRow(file="a.txt", line=3, byte_offset=None, reason="invalid UTF-8"))
    for error in (MissingExtra("a sweep", "sweep", "optuna"), Interrupted("stopped", exit_code=143), line):
        there = copy.copy(error)  # by the same way as a message to another process
        assert (type(there), str(there), there.exit_code) == (type(error), str(error), error.exit_code)
        assert there is not error
        assert vars(there) == vars(error)

"""Free memory is the least that any limit leaves; tensors are counted while they are alive, each storage once."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contrapose.train.memory import LiveBytes, free_memory, in_gib, peak_bytes

CPU = torch.device("cpu")
GIB = 2**30


def system(root: Path, *, available_gib: int = 8, **files: str) -> Path:
    """A tree of the system's files: ``proc__self__cgroup`` stands for proc/self/cgroup."""
    named = {"proc__meminfo": f"MemTotal: 999 kB\nMemAvailable: {available_gib * 2**20} kB\n", **files}
    for name, text in named.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture(autouse=True)
def _no_limit_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr("contrapose.train.memory.resource.getrlimit", lambda _kind: unlimited)


def test_without_limits_it_is_what_the_system_can_give(tmp_path: Path) -> None:
    assert free_memory(CPU, system(tmp_path)) == 8 * GIB


def test_a_control_group_of_version_2_limits_it_and_files_it_can_drop_count_as_free(tmp_path: Path) -> None:
    root = system(
        tmp_path,
        proc__self__cgroup="0::/outer/inner\n",
        **{
            "sys__fs__cgroup__outer__memory.max": f"{4 * GIB}\n",
            "sys__fs__cgroup__outer__memory.current": f"{3 * GIB}\n",
            "sys__fs__cgroup__outer__memory.stat": f"anon 5\ninactive_file {GIB}\n",
            "sys__fs__cgroup__outer__inner__memory.max": "max\n",
            "sys__fs__cgroup__outer__inner__memory.current": f"{GIB}\n",
        },
    )
    assert free_memory(CPU, root) == 2 * GIB


def test_a_container_sees_its_own_group_as_the_top(tmp_path: Path) -> None:
    files = {"sys__fs__cgroup__memory.max": f"{2 * GIB}", "sys__fs__cgroup__memory.current": f"{GIB}"}
    root = system(tmp_path, proc__self__cgroup="0::/somewhere/else\n", **files)
    assert free_memory(CPU, root) == GIB


def test_a_control_group_of_version_1_limits_it(tmp_path: Path) -> None:
    at = "sys__fs__cgroup__memory__batch__job"
    files = {
        f"{at}__memory.limit_in_bytes": f"{3 * GIB}",
        f"{at}__memory.usage_in_bytes": f"{2 * GIB}",
        f"{at}__memory.stat": f"inactive_file 7\ntotal_inactive_file {GIB // 2}\n",
    }
    lines = "5:cpu,cpuacct:/batch/job\n4:memory,hugetlb:/batch/job\n0::/\n"
    assert free_memory(CPU, system(tmp_path, proc__self__cgroup=lines, **files)) == GIB + GIB // 2


def test_an_address_space_with_a_limit_limits_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contrapose.train.memory.resource.getrlimit", lambda _kind: (4 * GIB, 8 * GIB))
    assert free_memory(CPU, system(tmp_path, proc__self__status=f"VmSize:\t{3 * 2**20} kB\n")) == GIB


def test_it_is_never_less_than_nothing(tmp_path: Path) -> None:
    files = {"sys__fs__cgroup__memory.max": f"{GIB}", "sys__fs__cgroup__memory.current": f"{2 * GIB}"}
    assert free_memory(CPU, system(tmp_path, proc__self__cgroup="0::/\n", **files)) == 0


def test_this_machine_has_memory_and_a_system_without_files_does_too(tmp_path: Path) -> None:
    assert 0 < free_memory(CPU) < 2**60
    assert free_memory(CPU, tmp_path) > 0


def test_only_what_is_alive_is_counted() -> None:
    with LiveBytes() as live:
        first = torch.zeros(1000)
        seen = first.view(10, 100)[3:]
        assert live.now == 4000, "a view has no memory of its own"
        del first
        assert live.now == 4000, "the view keeps the storage"
        del seen
        assert live.now == 0
    assert live.most == 4000


@given(sizes=st.lists(st.integers(1, 500), min_size=1, max_size=8))
def test_the_peak_of_tensors_kept_is_their_sum_and_of_tensors_dropped_their_largest(sizes: list[int]) -> None:
    def kept() -> list[torch.Tensor]:
        return [torch.zeros(size) for size in sizes]

    def dropped() -> None:
        for size in sizes:
            torch.zeros(size)

    assert peak_bytes(kept, CPU) == 4 * sum(sizes)
    assert peak_bytes(dropped, CPU) == 4 * max(sizes)


def test_what_a_graph_saves_is_counted_until_it_went_backward() -> None:
    weight = torch.randn(100, 100, requires_grad=True)
    size = 4 * weight.numel()
    with LiveBytes() as live:
        output = torch.randn(50, 100)
        for _ in range(10):
            output = torch.tanh(output @ weight)
        saved = live.now
        assert saved >= 10 * 50 * 100 * 4, "each tanh keeps its result"
        torch.autograd.backward(output.sum())
        del output
        assert live.now <= 2 * size < saved, "what is left is the gradient of the weight"


def test_gib_in_words() -> None:
    assert [in_gib(size) for size in (0, 2**20, GIB // 2, 12.34 * GIB)] == [
        "0.001 GiB", "0.001 GiB", "0.5 GiB", "12.3 GiB",
    ]  # fmt: skip

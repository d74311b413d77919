"""The suite as other machines would run it: ``python -m tests.elsewhere [--only NAME,NAME] [pytest arguments]``.

Other vector units and libraries' kernels, numbers of threads, locales, time zones, orders of hashes and of tests, a
machine that is busy, a user who is not root and has no home. What holds only here falls on one of them. Without
arguments the whole suite runs on each; the last lines of each are shown, and the exit code is 1 where one fell.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
#: The user without rights that every Unix has.
NOBODY = "65534"
AVX2 = {
    "OPENBLAS_CORETYPE": "Haswell",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}
OLD = {
    "OPENBLAS_CORETYPE": "Nehalem",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What differs: environment variables (None: unset), pytest's arguments, other work, the user."""

    environment: dict[str, str | None] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    busy: bool = False
    as_nobody: bool = False

    def missing(self) -> str:
        """Why it cannot be had here, or ""."""
        if "randomly" in self.arguments and not _importable("pytest_randomly"):
            return "needs pytest-randomly"
        if self.as_nobody:
            if os.geteuid() != 0:
                return "this user is not root anyway"
            if not shutil.which("setpriv"):
                return "needs setpriv"
            if subprocess.run(
                [*_becoming_nobody(), sys.executable, "-c", "import pytest"], cwd="/"
            ).returncode:
                return f"another user may not read {sys.executable} or its packages"
        return ""


MACHINES = {
    "avx2": Machine(
        environment={**AVX2, "OMP_NUM_THREADS": "1", "LANG": "C", "LC_ALL": "C", "TZ": "KTM-5:45"}
    ),
    "old": Machine(
        environment={
            **OLD,
            "OMP_NUM_THREADS": "4",
            "LC_ALL": "C.UTF-8",
            "TZ": "APIA-13",
            "FORCE_COLOR": "1",
        }
    ),
    "shuffled": Machine(
        environment={"OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "3", "NO_COLOR": "1", "COLUMNS": "60"},
        arguments=("-p", "randomly"),
    ),
    "busy": Machine(environment={"OMP_NUM_THREADS": "2"}, busy=True),
    "nobody": Machine(environment={"HOME": None, "LANG": None, "LC_ALL": None}, as_nobody=True),
}


def main(arguments: list[str]) -> int:
    names = list(MACHINES)
    if arguments[:1] == ["--only"]:
        names, arguments = arguments[1].split(","), arguments[2:]
    fell = []
    for name in names:
        machine = MACHINES[name]
        why_not = machine.missing()
        if why_not:
            print(f"== {name}: not run, {why_not}", flush=True)
            continue
        print(f"== {name}", flush=True)
        if not run(machine, arguments):
            fell.append(name)
    print(f"fell: {', '.join(fell)}" if fell else "held wherever it was run")
    return bool(fell)


def run(machine: Machine, arguments: list[str]) -> bool:
    """Whether the suite holds on it; its last lines are printed."""
    wanted = {**os.environ, **machine.environment}
    environment = {name: value for name, value in wanted.items() if value is not None}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *machine.arguments, *arguments]
    if machine.as_nobody:
        command = [*_becoming_nobody(), *command]
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    if machine.busy:
        command = ["nice", "-n", "10", *command]
    with _other_work(machine.busy):
        done = subprocess.run(
            command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    print("\n".join(done.stdout.decode(errors="replace").splitlines()[-25:]), flush=True)
    return done.returncode == 0


@contextmanager
def _other_work(wanted: bool) -> Iterator[None]:
    """A process on each core that does nothing but keep it busy."""
    spinning = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(spinning) for _ in range(os.cpu_count() or 1)] if wanted else []
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def _becoming_nobody() -> list[str]:
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


def _importable(module: str) -> bool:
    return not subprocess.run(
        [sys.executable, "-c", f"import {module}"], stderr=subprocess.DEVNULL
    ).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

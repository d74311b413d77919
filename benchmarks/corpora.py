"""Corpora larger than memory: building, striking repetitions, opening again, the first batch, random reads.

    python -m benchmarks.corpora [--quick] [--rows 100000000] [--folder DIR] [--json]

The rows are made by counting, 30 bytes each; every tenth repeats an earlier one, so it is known how many are kept. Each
phase runs in a process of its own, whose highest memory is read when it ends: what is mapped from files counts in it,
and is told apart as far as the system says. Disk: about 130 bytes for each row at the worst moment.

The floor of a phase is its bytes (read and written once) over the rate at which a file is copied in the same folder.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.corpora_phases import (
    BATCH,
    READS,
    REPEATS,
    ROW_BYTES,
    WINDOW_BATCHES,
    write_lines,
    write_shards,
)
from contrapose.data.spill import require_space

#: Bytes of disk for each row while everything lies there.
DISK_BYTES = 130
#: Rows that building was expected to do in a second, before it was measured.
PREDICTED_RATE = 200_000


def measure(
    *, quick: bool, rows: int = 100_000_000, folder: str | Path | None = None
) -> list[dict[str, Any]]:
    """One line for each phase, and for how each grows. ``quick``: 100,000 rows, and growth to 10,000.

    Needs :data:`DISK_BYTES` for each row in ``folder``, a folder that is made and emptied; the system's by default.
    """
    rows = min(rows, 100_000) if quick else rows
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        place = Path(scratch)
        require_space(place, DISK_BYTES * rows, "the benchmark")
        copied = _copy_rate(place, 32 << 20 if quick else 512 << 20)
        lines = _phases(place / "whole", rows, copied)
        sizes = [10**power for power in range(3, 5 if quick else 8) if 10**power <= rows]
        lines += _growth(place / "growth", sizes)
    return lines


def _phases(place: Path, rows: int, copied: float) -> list[dict[str, Any]]:
    place.mkdir()
    kept = rows - rows // REPEATS
    write_lines(place / "a.txt", rows)
    write_shards(place / "shards", rows)
    text = rows * ROW_BYTES
    ran = {name: _run(name, place, rows) for name in ("build", "split", "reopen", "reads")}
    assert ran["build"]["rows"] == kept, "every repetition is found, and nothing else"
    lines = [
        _line("build and strike repetitions", ran["build"], rows / PREDICTED_RATE, 2 * text / copied,
              rival=_sort(place), note=f"{rows:,} rows, {rows / ran['build']['seconds']:,.0f} rows/s"),
        _line("choose held-out rows, once", ran["split"], rows / 1e6, text / copied),
        _line("reopen and first batch", ran["reopen"], 2.0, 0.0, note="verified as a resumed run does; under 10 s"),
        _line(f"{READS:,} random reads", ran["reads"], READS * 1e-4, 0.0,
              note=f"{1e6 * ran['reads']['seconds'] / READS:,.0f} microseconds each"),
    ]  # fmt: skip
    (place / "a.txt").unlink()
    shutil.rmtree(place / "corpus")
    ran = {
        name: _run(name, place, rows) for name in ("index", "split-in-place", "reopen-in-place", "windows")
    }
    assert ran["index"]["rows"] == kept
    packed = sum(path.stat().st_size for path in (place / "shards").iterdir())
    read = WINDOW_BATCHES * BATCH
    return [
        *lines,
        _line("index Parquet shards in place", ran["index"], rows / PREDICTED_RATE, packed / copied,
              note=f"{rows:,} rows, {rows / ran['index']['seconds']:,.0f} rows/s"),
        _line("choose held-out rows of shards, once", ran["split-in-place"], rows / 5e5, packed / copied),
        _line("reopen shards and first batch", ran["reopen-in-place"], 4.0, 0.0, note="under 10 s"),
        _line(f"{WINDOW_BATCHES} batches of shards", ran["windows"], 2.0, 0.0,
              note=f"{read / ran['windows']['seconds']:,.0f} rows/s, start and one window of row groups in it"),
    ]  # fmt: skip


def _growth(place: Path, sizes: list[int]) -> list[dict[str, Any]]:
    """Seconds and memory against rows, as exponents over the larger sizes."""
    seen: dict[str, list[dict[str, Any]]] = {"build": [], "reopen": [], "index": []}
    for rows in sizes:
        place.mkdir()
        write_lines(place / "a.txt", rows)
        write_shards(place / "shards", rows)
        for name, ran in seen.items():
            if name == "reopen":
                _run("split", place, rows)
            ran.append(_run(name, place, rows))
            if name != "build":
                shutil.rmtree(place / "corpus")
        shutil.rmtree(place)
    lines = []
    for name, ran in seen.items():
        shown = ", ".join(
            f"{rows:.0e}: {each['seconds']:.3f} s {each['peak_mib']:.0f} MiB"
            for rows, each in zip(sizes, ran, strict=True)
        )
        time_power, memory_power = (
            _exponent(sizes, [each[what] for each in ran]) for what in ("seconds", "peak_mib")
        )
        slope = {"seconds": time_power, "peak_mib": None}
        note = f"exponents over rows: time {time_power:.2f}, memory {memory_power:.2f}; {shown}"
        lines.append(_line(f"growth of {name}", slope, 0.0 if name == "reopen" else 1.0, 0.0, note=note))
    return lines


def _exponent(sizes: list[int], values: list[float]) -> float:
    """The slope between the last and the third last size, on logarithms; a start-up of half a second hides in less."""
    first = max(0, len(sizes) - 3)
    return math.log(values[-1] / max(values[first], 1e-9)) / math.log(sizes[-1] / sizes[first])


def _line(
    name: str, ran: dict[str, Any], predicted: float, floor: float, *, rival: Any = "", note: str = ""
) -> dict[str, Any]:
    memory = f"{ran['peak_mib']:,.0f} MiB at most" if ran["peak_mib"] else ""
    if "anonymous_mib" in ran:
        memory += f", {ran['anonymous_mib']:,.0f} of its own at the end"
    if "processor_seconds" in ran:
        note += f"{'; ' if note else ''}{ran['processor_seconds']:.2f} s of one processor"
    return {
        "name": f"corpora: {name}",
        "predicted": round(predicted, 3),
        "measured": round(ran["seconds"], 3),
        "floor": round(floor, 3) if floor else "",
        "times_floor": round(ran["seconds"] / floor, 2) if floor else "",
        "rival": rival,
        "note": "; ".join(part for part in (note, memory) if part),
    }


def _sort(place: Path) -> str:
    """The rival: GNU sort, which strikes repetitions in as much memory, and loses the order of the rows."""
    if shutil.which("sort") is None:
        return "not measured: no sort"
    command = ["sort", "-u", "-S", "256M", "--parallel=1", "-T", str(place), "-o", os.devnull]
    began = time.perf_counter()
    subprocess.run([*command, str(place / "a.txt")], check=True, env={**os.environ, "LC_ALL": "C"})
    return f"sort -u: {time.perf_counter() - began:.1f} s"


def _copy_rate(place: Path, size: int) -> float:
    """Bytes read and written in a second by a copy that reaches the disk."""
    block = os.urandom(1 << 20)
    with open(place / "from", "wb") as made:
        for _ in range(size >> 20):
            made.write(block)
    began = time.perf_counter()
    with open(place / "from", "rb") as source, open(place / "to", "wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
        os.fsync(sink.fileno())
    seconds = time.perf_counter() - began
    for name in ("from", "to"):
        (place / name).unlink()
    return 2 * size / seconds


def _run(name: str, place: Path, rows: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.corpora_phases", name, str(place), str(rows)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    ran: dict[str, Any] = json.loads(done.stdout)
    return ran


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--folder", type=Path, help="where to work; the system's temporary folder by default")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    lines = measure(quick=given.quick, rows=given.rows, folder=given.folder)
    if given.json:
        print(json.dumps(lines, indent=1))
        return
    for line in lines:
        print(", ".join(f"{name} {value}" for name, value in line.items() if value not in ("", None)))


if __name__ == "__main__":
    main()

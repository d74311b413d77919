"""What ``benchmarks/corpora.py`` measures, each phase in a process of its own; and its rows, made by counting.

python -m benchmarks.corpora_phases PHASE FOLDER ROWS
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrapose.data.corpus import Corpus, build_corpus
from contrapose.data.source_stamps import described
from contrapose.seeds import derive, permute

if TYPE_CHECKING:
    from contrapose.train.batches import Batches

#: Bytes of a row with its end of line.
ROW_BYTES = 30
#: One row in so many is a repetition.
REPEATS = 10
BATCH, READS, WINDOW_BATCHES = 64, 10_000, 500
SHARDS, GROUP_ROWS = 8, 1 << 20
_MADE_AT_ONCE = 1 << 18
#: A hundred words of five letters and a space.
_WORDS = np.array([list(f"{a}{b}nes ".encode()) for a in "bcdfghjklm" for b in "anersoutix"], dtype=np.uint8)


def texts(rows: int) -> Iterator[np.ndarray]:
    """(N, 30) bytes of lines, some at a time: five words and a line feed; every tenth line is one from before."""
    for start in range(0, rows, _MADE_AT_ONCE):
        number_N = np.arange(start, min(start + _MADE_AT_ONCE, rows), dtype=np.uint64)
        is_repeat_N = number_N % np.uint64(REPEATS) == np.uint64(REPEATS - 1)
        fresh_N = number_N - number_N // np.uint64(REPEATS)
        random = np.random.default_rng(start).random(len(number_N))
        value_N = np.where(is_repeat_N, (random * fresh_N).astype(np.uint64), fresh_N)
        mixed_N = value_N * np.uint64(7_777_777_777) % np.uint64(10**10)  # coprime: no two values meet
        lines = np.empty((len(number_N), 5, _WORDS.shape[1]), dtype=np.uint8)
        for place in range(5):
            lines[:, place] = _WORDS[mixed_N % np.uint64(100)]
            mixed_N //= np.uint64(100)
        lines[:, -1, -1] = ord("\n")
        yield lines.reshape(len(number_N), -1)


def write_lines(path: Path, rows: int) -> None:
    with open(path, "wb") as file:
        for lines in texts(rows):
            file.write(lines.tobytes())


def write_shards(folder: Path, rows: int) -> None:
    """The same rows in Parquet files of row groups of a million."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    schema = pa.schema([("text", pa.string())])
    shard, written, writer = 0, 0, None
    for lines in texts(rows):
        width = lines.shape[1] - 1
        offsets = np.arange(0, len(lines) * width + 1, width, dtype=np.int32)
        data = np.ascontiguousarray(lines[:, :-1])
        column = pa.Array.from_buffers(
            pa.string(), len(lines), [None, pa.py_buffer(offsets), pa.py_buffer(data)]
        )
        if writer is None:
            writer = pq.ParquetWriter(folder / f"{shard:03}.parquet", schema, use_dictionary=False)
        writer.write_table(pa.table([column], schema=schema), row_group_size=GROUP_ROWS)
        written += len(lines)
        if written >= (shard + 1) * rows / SHARDS:
            writer.close()
            shard, writer = shard + 1, None
    if writer is not None:
        writer.close()


def _batches(place: Path, *, in_place: bool) -> Batches:
    """As a run that goes on opens them."""
    from contrapose.text.pairs import PairColumns
    from contrapose.train.batches import Batches
    from contrapose.train.distributed import ProcessGroup
    from contrapose.train.split_of_run import split_of_run

    corpus = Corpus.open(place / "corpus", verify=True)
    described([place / ("shards" if in_place else "a.txt")], corpus.built_from)
    rows, _ = split_of_run(place, corpus, min(1_000, len(corpus) // 10), 0, ProcessGroup())
    return Batches(corpus, rows, batch_size=BATCH, text_parts=[PairColumns()], seed=0, mask_repeats=False)


def _build(place: Path, rows: int) -> int:
    return len(build_corpus(place / "a.txt", place / "corpus"))


def _index(place: Path, rows: int) -> int:
    return len(build_corpus(place / "shards", place / "corpus", in_place=True))


def _first_batch(place: Path, rows: int) -> int:
    return len(_batches(place, in_place=False).at(rows // 3).row_ids)


def _first_batch_in_place(place: Path, rows: int) -> int:
    return len(_batches(place, in_place=True).at(rows // 3).row_ids)


def _reads(place: Path, rows: int) -> int:
    corpus = Corpus.open(place / "corpus")
    ids = permute(np.arange(min(READS, len(corpus))), len(corpus), derive(0, "reads"))
    return sum(len(corpus.take([row])["text"]) for row in ids.tolist())


def _windows(place: Path, rows: int) -> int:
    batches = _batches(place, in_place=True)
    return sum(len(batches.at(step).row_ids) for step in range(WINDOW_BATCHES))


PHASES: dict[str, Callable[[Path, int], int]] = {
    "build": _build,
    "split": _first_batch,
    "reopen": _first_batch,
    "reads": _reads,
    "index": _index,
    "split-in-place": _first_batch_in_place,
    "reopen-in-place": _first_batch_in_place,
    "windows": _windows,
}


def _phase(name: str, place: Path, rows: int) -> dict[str, Any]:
    """Run one phase here, and say how long it took, and how much memory."""
    began, began_cpu = time.perf_counter(), time.process_time()
    count = PHASES[name](place, rows)
    ran: dict[str, Any] = {
        "rows": count,
        "seconds": time.perf_counter() - began,
        "processor_seconds": time.process_time() - began_cpu,
    }
    status = Path("/proc/self/status")
    if (
        status.exists()
    ):  # the counter of getrusage begins with the memory of the process that started this one
        named = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        of_kernel = {"peak_mib": "VmHWM", "anonymous_mib": "RssAnon"}
        known = {
            what: int(named[name].split()[0]) / 1024 for what, name in of_kernel.items() if name in named
        }
        return ran | known
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return ran | {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}


if __name__ == "__main__":
    name, folder, rows = sys.argv[1:]
    print(json.dumps(_phase(name, Path(folder), int(rows))))

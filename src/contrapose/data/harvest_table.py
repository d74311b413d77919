"""A harvest as a parquet file that every reader of this package (and others) takes as a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from contrapose.data.docstring_split import Pair, Split, split_documented
from contrapose.data.harvest import Documented, HarvestStatistics, harvest_python
from contrapose.errors import EmptyCorpus, UsageError, nearest
from contrapose.listening import Progress

#: What a row can be: a sentence; a first line with the rest of its description; a name with its first line.
KINDS = ("sentences", "pairs", "names")


def write_harvest(
    targets: Sequence[str | Path],
    out: str | Path,
    *,
    kind: str = "sentences",
    progress: Progress = None,
) -> tuple[int, HarvestStatistics]:
    """Harvest ``targets`` into the parquet file ``out``; the number of rows and the statistics of the files.

    kind "sentences": columns text, name. "pairs": anchor (first line), positive (rest of the description), name.
    "names": anchor (name in words), positive (first line), name. Nothing is held out, equal rows are written once.

    Raises :class:`UsageError` for an unknown kind or target, :class:`EmptyCorpus` where nothing documented is found.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown kind '{kind}'{nearest(kind, KINDS)} Known: {', '.join(KINDS)}")
    statistics = HarvestStatistics()
    rows = harvested_rows(harvest_python(targets, statistics=statistics, progress=progress), kind)
    if not rows["name"]:
        raise EmptyCorpus("no documented Python object found. " + "; ".join(statistics.lines()))
    write_parquet(out, rows)
    return len(rows["name"]), statistics


def harvested_rows(documented: Iterable[Documented], kind: str) -> dict[str, list[str]]:
    """Columns of a harvest in which nothing is held out."""
    split = split_documented(documented, share=0)
    if kind == "sentences":
        return sentence_rows(split)
    return pair_rows(split.pairs if kind == "pairs" else split.name_pairs)


def sentence_rows(split: Split) -> dict[str, list[str]]:
    """The columns text and name of the training sentences."""
    return {
        "text": [sentence.text for sentence in split.sentences],
        "name": [sentence.name for sentence in split.sentences],
    }


def pair_rows(pairs: Iterable[Pair]) -> dict[str, list[str]]:
    """The columns anchor, positive and name of pairs."""
    pairs = list(pairs)
    return {
        "anchor": [pair.anchor for pair in pairs],
        "positive": [pair.positive for pair in pairs],
        "name": [pair.name for pair in pairs],
    }


def write_parquet(out: str | Path, columns: dict[str, list[str]]) -> None:
    """Write columns of texts, whole or not at all; the folder is made where it is missing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from contrapose.outputs import output_file
    from contrapose.storage.syscalls import reporting

    path = Path(out)
    with reporting(path.parent, "make the folder"):
        path.parent.mkdir(parents=True, exist_ok=True)
    table: Any = pa.table({name: pa.array(texts, pa.string()) for name, texts in columns.items()})
    with output_file(path) as file:
        _write(pq, table, file)


def _write(pq: Any, table: Any, file: BinaryIO) -> None:
    pq.write_table(table, file, compression="zstd")

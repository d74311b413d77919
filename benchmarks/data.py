"""Where benchmarks find text: the data folder that CONTRAPOSE_DATA names, else what every machine has."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

#: Sentences of Wikipedia in the data folder, one per line.
WIKIPEDIA = "corpora/general/wiki.txt.gz"


def data_folder() -> Path | None:
    """The folder that CONTRAPOSE_DATA names; None where it names none."""
    named = os.environ.get("CONTRAPOSE_DATA", "")
    return Path(named).expanduser() if named else None


def own_corpus(data: Path | None, folder: Path, sources: Sequence[str] = ("stdlib",)) -> str:
    """A file of sentences: the data folder's, or the docstrings of Python sources, harvested into ``folder``."""
    if data is not None and (data / WIKIPEDIA).is_file():
        return str(data / WIKIPEDIA)
    from contrapose.data.harvest_table import write_harvest

    out = folder / "harvested.parquet"
    write_harvest(sources, out, kind="sentences")
    return str(out)


def text_batches(corpus: str, count: int, size: int) -> list[list[str]]:
    """``count`` batches of so many sentences, drawn once for all rivals that are not ours."""
    import numpy as np

    from contrapose.data.corpus import build_corpus
    from contrapose.seeds import derive, permute

    with tempfile.TemporaryDirectory() as folder:
        rows = build_corpus(corpus, Path(folder, "corpus"))
        positions = np.arange(count * size) % len(rows)
        row_ids = permute(positions, len(rows), derive(0, "shuffle", 0))
        (texts,) = rows.take(row_ids).values()
    return [texts[start : start + size] for start in range(0, len(texts), size)]

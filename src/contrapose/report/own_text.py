"""The run's own text, encoded before and after training: which rows are looked at, and what is drawn of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contrapose.maths.nearest import nearest_others
from contrapose.report import cosines, neighbours, projection
from contrapose.report.record import NeighbourChange, OwnText
from contrapose.seeds import derive, numpy_generator
from contrapose.train.run_folder import RunFolder

if TYPE_CHECKING:
    from contrapose.data.corpus import Corpus

#: Rows looked at: enough to see, few enough for seconds on a CPU.
SAMPLE = 500
#: With fewer held-out rows, rows of the training text are looked at.
FEWEST_ROWS = 20
#: True pairs needed for a histogram of them.
FEWEST_PAIRS = 10
#: Characters kept of a text: what a person reads of it in a page.
LONGEST_TEXT = 300

#: Texts -> unit vectors (N, D).
Encode = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """texts: first column of the rows. first, second: texts that belong together, and what they are, in words."""

    source: str
    rows_of: int
    texts: tuple[str, ...]
    first: tuple[str, ...]
    second: tuple[str, ...]
    positives: str

    @property
    def distinct(self) -> list[str]:
        """All texts that must be encoded, each once."""
        return list(dict.fromkeys([*self.texts, *self.first, *self.second]))


def sample_of(run: RunFolder, size: int = SAMPLE) -> Sample:
    """Held-out rows of the run, those that its checkpoint was chosen on; training rows where there are too few.

    Raises the errors of :meth:`Corpus.open`.
    """
    from contrapose.data.corpus import Corpus

    corpus = Corpus.open(run.folder / "cache" / "corpus")
    rows, held_out = split_of(run, corpus)
    source = "rows held out of training" if len(held_out) >= FEWEST_ROWS else "rows that it was trained on"
    pool = held_out if len(held_out) >= FEWEST_ROWS else rows
    chosen = pool
    if len(pool) > size:
        chosen = np.sort(numpy_generator(0, "report").choice(pool, size, replace=False))
    columns = corpus.take(chosen)
    texts = list(dict.fromkeys(columns[corpus.columns[0]]))
    first, second, kind = true_pairs(columns, run.settings.data.columns or ())
    enough = len(first) >= FEWEST_PAIRS
    return Sample(
        source=source,
        rows_of=len(pool),
        texts=tuple(texts),
        first=tuple(first) if enough else (),
        second=tuple(second) if enough else (),
        positives=kind if enough else "",
    )


def true_pairs(
    columns: Mapping[str, Sequence[str]], called: Sequence[str] = ()
) -> tuple[Sequence[str], Sequence[str], str]:
    """Two texts per row that belong together, and what they are: the first two columns, or halves of the one text.

    called: the user's own names of the columns.

    >>> true_pairs({"text": ["one two three four five six seven eight", "short"]})
    (['one two three four'], ['five six seven eight'], 'the two halves of a text')
    >>> true_pairs({"anchor": ["a"], "positive": ["b"]}, ("title", "body"))[2]
    'title and body of a row'
    """
    from contrapose.evaluate.probes import split_in_halves

    names = list(columns)
    if len(names) > 1:
        first, second = called[:2] if len(called) >= 2 else names[:2]
        return columns[names[0]], columns[names[1]], f"{first} and {second} of a row"
    halves = [pair for text in columns[names[0]] if (pair := split_in_halves(text)) is not None]
    return [first for first, _ in halves], [second for _, second in halves], "the two halves of a text"


def split_of(run: RunFolder, corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """(training rows, held-out rows), as train/prepare.py splits."""
    count = min(run.settings.data.held_out_rows, len(corpus) // 10)
    return corpus.split_held_out(count, derive(run.settings.training.seed, "held-out") >> 1)


def own_text(sample: Sample, before: Encode | None, after: Encode) -> OwnText:
    """All pictures of the sample. ``before``: None where the pretrained model cannot be loaded."""
    after_ND = after(sample.texts)
    before_ND = before(sample.texts) if before is not None else None
    keys = list(sample.texts)
    tables = [_cosines(sample, encode) for encode in (after, before) if encode is not None]
    edges = cosines.bin_edges(tables)
    k = min(neighbours.K, len(keys) - 1)
    kept: float | None = None
    changed: list[NeighbourChange] = []
    if before_ND is not None and k > 0:
        kept, changed = neighbours.changes(
            nearest_others(before_ND, k).rows_QK, nearest_others(after_ND, k).rows_QK
        )
    groups, group_N = projection.groups_of(before_ND if before_ND is not None else after_ND, sample.texts)
    return OwnText(
        source=sample.source,
        rows_of=sample.rows_of,
        positives=sample.positives,
        texts=tuple(shortened(text) for text in sample.texts),
        edges=edges,
        before=cosines.histograms(tables[1], edges) if before is not None else (),
        after=cosines.histograms(tables[0], edges),
        planes=tuple(projection.planes(before_ND, after_ND)),
        groups=tuple(groups),
        group_of=tuple(int(group) for group in group_N),
        neighbours=k,
        kept_share=kept,
        changes=tuple(changed[: neighbours.MOST_CHANGES]),
        suspects=tuple(
            neighbours.suspects(after_ND, before_ND, sample.texts, tables[0].get(cosines.POSITIVES))
        ),
    )


def _cosines(sample: Sample, encode: Encode) -> dict[str, np.ndarray]:
    if sample.first:
        return cosines.cosines_of(encode(sample.first), encode(sample.second), sample.first, true_pairs=True)
    vectors_ND = encode(sample.texts)
    return cosines.cosines_of(vectors_ND, vectors_ND, sample.texts, true_pairs=False)


def shortened(text: str, limit: int = LONGEST_TEXT) -> str:
    """
    >>> shortened("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"

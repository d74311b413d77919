"""What the user named, as texts of one kind each: pairs, documents, short texts. Kinds are learned from apart."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from contrapose.data.harvest import lines_of_left_out
from contrapose.data.own_folders import OwnFolders
from contrapose.data.sources import FORMATS
from contrapose.documents.harvest import READERS, DocumentStatistics, read_documents
from contrapose.documents.natural_pairs import PARAGRAPH_WORDS, natural_pairs, says
from contrapose.errors import DataError, EmptyCorpus, UsageError
from contrapose.listening import Listener
from contrapose.seeds import numpy_generator

PAIRS, DOCUMENTS, SHORT = "pairs", "documents", "short texts"
#: Columns of tables that belong together though a table of theirs is also one of single texts.
TITLED = (
    ("title", "text"),
    ("title", "body"),
    ("question", "answer"),
    ("heading", "text"),
    ("name", "docstring"),
)
#: Endings that are read as documents with headings; .txt is lines, as everywhere in contrapose.
DOCUMENT_ENDINGS = tuple(ending for ending in READERS if ending != ".txt")
#: A text of so many words is a document.
DOCUMENT_WORDS = 40
#: Rows of a table that are read, drawn at random: more than is learned from.
MOST_ROWS = 50_000
#: Fewer rows of a kind teach nothing that could be proven.
FEWEST_ROWS = 200
#: Long lines among short ones, or the reverse, are a kind of their own from this share on.
SMALLEST_SHARE = 0.2
WHAT_WOULD_DO = (
    "give more text of the same sort, hundreds of lines or of titles with texts; thousands are better"
)


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Rows of one kind. columns: ("anchor", "positive") of pairs, else ("text",); what: of these, in a person's
    words."""

    kind: str
    columns: Mapping[str, list[str]]
    what: str

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def bodies(self) -> list[str]:
        """The texts themselves: of pairs the second ones."""
        return list(self.columns.values())[-1]

    def __add__(self, other: Texts) -> Texts:
        """The rows of both, which are of one kind."""
        columns = {name: [*texts, *other.columns[name]] for name, texts in self.columns.items()}
        return Texts(kind=self.kind, columns=columns, what=self.what)

    def rows(self, positions: Sequence[int] | np.ndarray) -> Texts:
        """These rows only."""
        columns = {name: [texts[row] for row in positions] for name, texts in self.columns.items()}
        return Texts(kind=self.kind, columns=columns, what=self.what)


@dataclass
class Found:
    """What was read: texts by kind, and what a person should know of it."""

    texts: list[Texts]
    notices: list[str] = field(default_factory=list)
    malformed: int = 0


def read_texts(paths: Sequence[str], columns: Sequence[str] | None, listener: Listener) -> Found:
    """The texts of files and folders by kind, each text once.

    Raises :class:`UsageError` where no kind has :data:`FEWEST_ROWS` rows, and the errors of reading.
    """
    documents, tables = _documents_and_tables(paths)
    pairs: dict[tuple[str, str], None] = {}
    singles: dict[str, None] = {}
    malformed = repeats = 0
    with listener.task("reading the text"):
        unread, given = _take_documents(documents, pairs, singles, listener) if documents else ([], 0)
        for path in tables:
            table = _read_table(path, columns)
            malformed, repeats = malformed + table.malformed, repeats + table.repeats
            first, *others = table.columns.values()
            given += len(first)
            if others:
                pairs |= dict.fromkeys(zip(first, others[0], strict=True))
            else:
                singles |= dict.fromkeys(first)
    found = Found([], notices=lines_of_left_out(unread), malformed=malformed + len(unread))
    if repeats := repeats + given - len(pairs) - len(singles):
        found.notices.append(f"{repeats:,} of the rows were there before: each text counts once")
    for texts in _by_kind(list(pairs), list(singles)):
        if len(texts) >= FEWEST_ROWS:
            found.texts.append(texts)
        elif len(texts):
            found.notices.append(
                f"{len(texts)} {texts.what} are left aside: with fewer than {FEWEST_ROWS} nothing could be proven"
            )
    if not found.texts:
        total = len(pairs) + len(singles)
        raise UsageError(
            f"{total} rows are too little to adapt to ({FEWEST_ROWS} are needed): {WHAT_WOULD_DO}"
        )
    if len(found.texts) > 1:
        kinds = " and ".join(f"{len(texts):,} {texts.what}" for texts in found.texts)
        found.notices.append(f"the text is of several kinds, which are learned from apart: {kinds}")
    return found


def _by_kind(pairs: list[tuple[str, str]], singles: list[str]) -> list[Texts]:
    long = [text for text in singles if len(text.split()) >= DOCUMENT_WORDS]
    short = [text for text in singles if len(text.split()) < DOCUMENT_WORDS]
    few = max(FEWEST_ROWS, SMALLEST_SHARE * len(singles))
    if len(long) < few <= len(short):
        short, long = singles, []
    elif len(short) < few <= len(long):
        long, short = singles, []
    anchors, positives = ([pair[side] for pair in pairs] for side in (0, 1))
    return [
        Texts(kind=PAIRS, columns={"anchor": anchors, "positive": positives}, what="pairs of title and text"),
        Texts(kind=DOCUMENTS, columns={"text": long}, what="documents"),
        Texts(kind=SHORT, columns={"text": short}, what="sentences or short texts"),
    ]


def _documents_and_tables(paths: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Folders and files that are read as documents; the others, as ``train`` reads them."""
    documents: list[Path] = []
    tables: list[str] = []
    for path in paths:
        here = Path(path).expanduser()
        if here.is_dir():
            files = _files_below(here)
            if not any(file.suffix.lower() in DOCUMENT_ENDINGS for file in files):
                tables.append(path)
                continue
            documents.append(here)  # its .txt files are documents, too
            tables += [str(file) for file in files if _is_table(file)]
        elif here.suffix.lower() in DOCUMENT_ENDINGS:
            documents.append(here)
        else:
            tables.append(path)
    return documents, tables


def _files_below(folder: Path) -> list[Path]:
    """The files of a folder, without hidden ones and what contrapose made itself: a run's log is no text."""
    own = OwnFolders()
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    shown = [file for file in files if not any(part[0] == "." for part in file.relative_to(folder).parts)]
    return [file for file in shown if own.keeps(file, below=folder)]


def _is_table(file: Path) -> bool:
    ending = Path(file.name.removesuffix(".gz")).suffix.lower().removeprefix(".")
    return ending in FORMATS and ending != "txt"


def _take_documents(
    paths: Sequence[Path], pairs: dict[tuple[str, str], None], singles: dict[str, None], listener: Listener
) -> tuple[list[tuple[str, str]], int]:
    """Add pairs and paragraphs; the files that could not be read, with the reason, and how many were added."""
    statistics = DocumentStatistics()
    documents = list(read_documents(paths, statistics=statistics, progress=listener))
    paired = [(pair.anchor, pair.positive) for pair in natural_pairs(documents)]
    single = [text for each in documents for text in each.paragraphs if says(text, PARAGRAPH_WORDS)]
    pairs |= dict.fromkeys(paired)
    singles |= dict.fromkeys(single)
    return statistics.left_out, len(paired) + len(single)


class _Table(NamedTuple):
    """Texts by column; how many rows could not be read, and how many were there before."""

    columns: Mapping[str, list[str]]
    malformed: int
    repeats: int


def _read_table(path: str, columns: Sequence[str] | None) -> _Table:
    """What ``path`` names, read as ``train`` reads it."""
    from contrapose.data.corpus import build_corpus

    tried: list[tuple[str, ...] | None] = [tuple(columns)] if columns else [*TITLED, None]
    with tempfile.TemporaryDirectory(prefix="contrapose-") as folder:
        for number, names in enumerate(tried):
            try:
                corpus = build_corpus([path], Path(folder) / str(number), columns=names)
            except (DataError, UsageError, EmptyCorpus):
                if number == len(tried) - 1:
                    raise
            else:
                drawn = numpy_generator(0, "adapt", "rows").permutation(len(corpus))[:MOST_ROWS]
                told = corpus.statistics
                return _Table(corpus.take(np.sort(drawn)), told.quarantined, told.duplicates)
    raise AssertionError("unreachable: the last attempt returns or raises")

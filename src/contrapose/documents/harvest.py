"""Files and folders of documents, read by their endings; what cannot be read is counted and named, with the reason."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contrapose.data.harvest import lines_of_left_out
from contrapose.data.own_folders import OwnFolders
from contrapose.documents.blocks import document_of, paragraphs_of
from contrapose.documents.document import Document
from contrapose.documents.html import read_html
from contrapose.documents.mail import read_eml, read_mbox
from contrapose.documents.markdown import read_markdown
from contrapose.documents.natural_pairs import PAIR_KINDS, PARAGRAPH_WORDS, NaturalPair, natural_pairs, says
from contrapose.documents.pdf import read_pdf
from contrapose.documents.stack_exchange import read_posts
from contrapose.errors import DataError, EmptyCorpus, MissingExtra, UsageError, nearest
from contrapose.listening import Progress, listener_of
from contrapose.paths import expanded


def read_text(path: Path) -> Iterator[Document]:
    """Plain text: paragraphs between blank lines."""
    yield document_of([(0, text) for text in paragraphs_of(path.read_text(encoding="utf-8-sig"))], str(path))


#: Ending of a file -> who reads it. Of XML only a dump's Posts.xml is read.
READERS: dict[str, Callable[[Path], Iterator[Document]]] = {
    ".md": read_markdown, ".markdown": read_markdown, ".html": read_html, ".htm": read_html, ".txt": read_text,
    ".eml": read_eml, ".mbox": read_mbox, ".pdf": read_pdf, ".xml": read_posts,
}  # fmt: skip
POSTS = "Posts.xml"
#: What a row of a harvest is.
ROW_KINDS = ("pairs", "paragraphs")


@dataclass(slots=True)
class DocumentStatistics:
    """What a harvest met. left_out: file and reason."""

    files: int = 0
    documents: int = 0
    pairs: Counter[str] = field(default_factory=Counter)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """In words, a line per fact; the reasons for files left out are counted."""
        lines = [f"{self.files:,} files read, {self.documents:,} documents"]
        lines += [
            f"{self.pairs[kind]:,} pairs: {words}" for kind, words in PAIR_KINDS.items() if self.pairs[kind]
        ]
        return [*lines, *lines_of_left_out(self.left_out)]


def write_documents(
    targets: Sequence[str | Path], out: str | Path, *, kind: str = "pairs", progress: Progress = None
) -> tuple[int, DocumentStatistics]:
    """Harvest ``targets`` into the parquet file ``out``; the number of rows, and what was met.

    kind "pairs": columns anchor, positive, kind, name. "paragraphs": text, name; each text once.

    Raises :class:`UsageError` for an unknown kind or target, :class:`EmptyCorpus` where nothing is found.
    """
    from contrapose.data.harvest_table import write_parquet

    if kind not in ROW_KINDS:
        raise UsageError(f"unknown kind '{kind}'{nearest(kind, ROW_KINDS)} Known: {', '.join(ROW_KINDS)}")
    statistics = DocumentStatistics()
    documents = read_documents(targets, statistics=statistics, progress=progress)
    columns = _paragraph_columns(documents) if kind == "paragraphs" else _pair_columns(documents, statistics)
    if not columns["name"]:
        raise EmptyCorpus(f"no {kind} found. " + "; ".join(statistics.lines()))
    write_parquet(out, columns)
    return len(columns["name"]), statistics


def read_documents(
    targets: Sequence[str | Path], *, statistics: DocumentStatistics | None = None, progress: Progress = None
) -> Iterator[Document]:
    """The documents of files and folders, in a fixed order. ``statistics`` is filled while iterating.

    A file that cannot be read is left out; where that was all of them for want of a package, :class:`MissingExtra` says
    which. Raises :class:`UsageError` for a target that is not there, or a file of an unknown kind.
    """
    statistics = statistics or DocumentStatistics()
    files = list(dict.fromkeys(file for target in targets for file in _files(target)))
    listener = listener_of(progress)
    missing: MissingExtra | None = None
    with listener.task("reading documents", len(files), "file"):
        for file in files:
            try:
                for document in READERS[file.suffix.lower()](file):
                    if document.sections:
                        statistics.documents += 1
                        yield document
                statistics.files += 1
            except MissingExtra as error:
                missing = error
                statistics.left_out.append((str(file), str(error)))
            except (DataError, UnicodeDecodeError, OSError, LookupError, ValueError) as error:
                reason = (
                    "not UTF-8"
                    if isinstance(error, UnicodeDecodeError)
                    else str(error) or type(error).__name__
                )
                statistics.left_out.append((str(file), reason))
            listener.advance()
    if missing and not statistics.documents:
        raise missing


def _files(target: str | Path) -> Iterator[Path]:
    path = expanded(target)
    if path.is_dir():
        own = OwnFolders()
        own.refuse(path)
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if name[0] != ".")
            for name in sorted(names):
                file = Path(folder, name)
                known = file.suffix.lower() in READERS and (file.suffix.lower() != ".xml" or name == POSTS)
                if known and name[0] != "." and own.keeps(file, below=path):
                    yield file
    elif not path.exists():
        raise UsageError(f"{target}: no such file or folder")
    elif path.suffix.lower() not in READERS:
        raise UsageError(f"{target}: documents end in {', '.join(READERS)}. Tables are read by train itself")
    else:
        yield path


def _pair_columns(documents: Iterable[Document], statistics: DocumentStatistics) -> dict[str, list[str]]:
    pairs: list[NaturalPair] = list(natural_pairs(documents))
    statistics.pairs.update(pair.kind for pair in pairs)
    return {name: [getattr(pair, name) for pair in pairs] for name in ("anchor", "positive", "kind", "name")}


def _paragraph_columns(documents: Iterable[Document]) -> dict[str, list[str]]:
    name_of: dict[str, str] = {}
    for document in documents:
        for paragraph in document.paragraphs:
            if says(paragraph, PARAGRAPH_WORDS):
                name_of.setdefault(paragraph, document.source)
    return {"text": list(name_of), "name": list(name_of.values())}

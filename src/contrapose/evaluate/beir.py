"""Reads a retrieval task in BEIR's layout.

    corpus.jsonl[.gz]     _id, title (may be empty, null or absent), text
    queries.jsonl[.gz]    _id, text
    qrels/test.tsv        header (may be absent); query id, document id, gain (0 and below: judged, not relevant)

Title and text are joined by a blank, as BEIR's dense models do. Queries without a judged relevant document are not
asked. A document with the query's own id is not counted (BEIR's rule for sets whose queries are documents).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contrapose.data.columns import cell_text
from contrapose.data.formats_table import tsv_records
from contrapose.data.formats_text import json_records
from contrapose.data.quarantine import BadLine, NoneBad
from contrapose.errors import DataError, UsageError
from contrapose.evaluate.files import COLLECTION, TABLE, file_source

#: A gain has a digit or two; int() would take digits of other scripts, and thousands of them.
_GAIN = re.compile(r"-?[0-9]{1,9}")
_EXPECTED = "; expected an object with _id and text"


@dataclass(frozen=True, kw_only=True)
class RetrievalData:
    """Documents and queries by id, and ``gains[query][document]``."""

    task: str
    split: str
    documents: dict[str, str]
    queries: dict[str, str]
    gains: dict[str, dict[str, int]]
    fingerprint: str

    @property
    def texts(self) -> list[str]:
        return [*self.documents.values(), *self.queries.values()]


def is_beir(folder: str | Path) -> bool:
    """Whether a folder has the layout: a corpus, queries and judgements."""
    folder = Path(folder)
    return all(any(folder.glob(f"{name}.jsonl*")) for name in ("corpus", "queries")) and any(
        folder.glob("qrels/*.tsv")
    )


def read_beir(folder: str | Path, split: str = "test") -> RetrievalData:
    """Read the judgements of one split and what they judge. :class:`DataError` names file and line."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"data folder not found: {folder}")
    qrels = folder / "qrels" / f"{split}.tsv"
    if not qrels.is_file():
        there = ", ".join(sorted(path.stem for path in folder.glob("qrels/*.tsv"))) or "none"
        raise DataError(f"{qrels}: no such file; splits in {qrels.parent}: {there}")
    digest = hashlib.sha256()
    documents: dict[str, str] = {}
    for where, record in _records(_one_of(folder, "corpus"), digest):
        text = " ".join(
            part for part in (_text(record, "title", where, ""), _text(record, "text", where)) if part
        )
        _add(documents, _id(record, where), text, where)
    queries: dict[str, str] = {}
    for where, record in _records(_one_of(folder, "queries"), digest):
        text = _text(record, "text", where)
        if not text:
            raise DataError(f"{where}: a query without text")
        _add(queries, _id(record, where), text, where)
    gains = _gains(qrels, documents, queries, digest)
    asked = {
        query: text for query, text in queries.items() if any(g > 0 for g in gains.get(query, {}).values())
    }
    if not asked:
        raise DataError(f"{qrels}: no query has a relevant document")
    return RetrievalData(
        task=folder.name,
        split=split,
        documents=documents,
        queries=asked,
        gains={query: gains[query] for query in asked},
        fingerprint=digest.hexdigest(),
    )


def _one_of(folder: Path, name: str) -> Path:
    for path in (folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz"):
        if path.is_file():
            return path
    raise DataError(f"{folder}: no {name}.jsonl or {name}.jsonl.gz. Expected is BEIR's folder layout.")


def _records(path: Path, digest: hashlib._Hash) -> Iterator[tuple[str, dict[str, object]]]:
    empty = True
    try:
        for line, value in json_records(file_source(path), NoneBad(), COLLECTION):
            digest.update(line.text.encode() + b"\n")
            if value is not None and not isinstance(value, dict):
                raise DataError(f"{path}:{line.number}: a bare text{_EXPECTED}")
            if value is not None:
                empty = False
                yield f"{path}:{line.number}", value
    except BadLine as error:
        raise DataError(f"{error}{_EXPECTED}") from None
    if empty:
        raise DataError(f"{path}: the file is empty")


def _id(record: dict[str, object], where: str) -> str:
    if "_id" not in record:
        raise DataError(f"{where}: no _id; the record has: {', '.join(record) or 'nothing'}")
    return str(record["_id"])


def _text(record: dict[str, object], name: str, where: str, default: str | None = None) -> str:
    value = default if record.get(name) is None else record[name]
    text, wrong = cell_text(value, "text")
    if wrong:
        raise DataError(f"{where}: no text under '{name}': it is {wrong}")
    return text.strip()


def _add(table: dict[str, str], key: str, text: str, where: str) -> None:
    if key in table:
        raise DataError(f"{where}: the id {key!r} occurs twice")
    table[key] = text


def _gains(
    path: Path, documents: dict[str, str], queries: dict[str, str], digest: hashlib._Hash
) -> dict[str, dict[str, int]]:
    gains: dict[str, dict[str, int]] = {}
    for line, columns in tsv_records(file_source(path), NoneBad(), TABLE):
        digest.update(line.text.encode() + b"\n")
        where = f"{path}:{line.number}"
        if not columns or (line.number == 1 and not _is_gain(columns[-1])):
            continue
        if len(columns) != 3:
            raise DataError(f"{where}: {len(columns)} columns instead of 3 (query, document, gain)")
        query, document, gain = columns
        if query not in queries or document not in documents:
            missing = f"query {query!r}" if query not in queries else f"document {document!r}"
            raise DataError(f"{where}: {missing} is judged but not in the data")
        if not _is_gain(gain):
            raise DataError(f"{where}: the gain {gain!r} is not a whole number")
        if gains.setdefault(query, {}).setdefault(document, int(gain)) != int(gain):
            raise DataError(
                f"{where}: query {query!r} and document {document!r} were judged before, with another gain"
            )
    return gains


def _is_gain(cell: str) -> bool:
    return _GAIN.fullmatch(cell) is not None

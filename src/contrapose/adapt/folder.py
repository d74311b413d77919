"""An adaptation's folder: what lies where, and what makes an interrupted one go on as if nothing had happened.

    adaptation.json          what was asked, and what came of it: the mark of a folder that is an adaptation's
    text/KIND.jsonl          rows to train on            text/KIND.held-out.jsonl    rows that prove
    text/KIND.all.jsonl      both, for what is trained once more
    text/KIND.queries.jsonl  what is ranked: titles, or salient spans of documents, and the queries of a log
    start/                   the start with its words weighed, where that is proven: what signals are trained from
    plan.json                the steps of every signal, as the budget allowed on the machine where it was begun
    signals/NAME/            the training run of a signal of a kind of text; NAME-all: once more, on all rows
    model/                   the encoder that was taken

A stage that finds its file there takes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from contrapose.adapt.settings import AdaptSettings
from contrapose.adapt.texts import Texts
from contrapose.errors import ContraposeError, UsageError
from contrapose.foreign import read_json_object
from contrapose.storage.durable import atomic_file, remove_tree, write_json

MARK, PLAN, START, MODEL = "adaptation.json", "plan.json", "start", "model"
#: Settings that an adaptation that goes on may change. Not the minutes: its steps are planned already.
MAY_CHANGE = {"device", "out"}


def begin(folder: Path, settings: AdaptSettings, *, resume: bool) -> dict[str, Any]:
    """What is written of the adaptation so far. Raises :class:`UsageError` where the folder is another's."""
    here = {each.name for each in folder.iterdir() if each.name[0] != "."} - {"run.lock"}
    if not here:
        write_json(folder / MARK, {"asked": settings.model_dump(mode="json")})
        return {}
    if MARK not in here:
        raise UsageError(f"{folder} holds files that are no adaptation's: choose another --out")
    written = read_json_object(folder / MARK)
    if not resume:
        raise UsageError(
            f"{folder} holds an adaptation already: go on with --resume, or choose another --out"
        )
    asked, now = written.get("asked", {}), settings.model_dump(mode="json")
    if differing := sorted(name for name in now if name not in MAY_CHANGE and asked.get(name) != now[name]):
        name = differing[0]
        raise UsageError(
            f"--resume: {folder} was begun with {name} {asked.get(name)!r}, and now it is {now[name]!r}: give what "
            "it was begun with, or choose another --out"
        )
    return written


def is_finished(folder: Path) -> bool:
    """Whether an adaptation came to its end there."""
    path = folder / MARK
    return path.is_file() and "outcome" in read_json_object(path)


def remove_unless_begun(folder: Path) -> None:
    """A folder that was made for this adaptation is gone again where not even the text could be read."""
    if not (folder / "text").is_dir():
        with suppress(ContraposeError, OSError):
            remove_tree(folder)


def text_path(folder: Path, kind: str, *, part: str = "") -> Path:
    """Where rows of a kind lie; part: "", "held-out" or "queries"."""
    return folder / "text" / f"{kind.replace(' ', '-')}{'.' + part if part else ''}.jsonl"


def write_texts(path: Path, texts: Texts) -> None:
    """Rows as json lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        for row in zip(*texts.columns.values(), strict=True):
            line = json.dumps(dict(zip(texts.columns, row, strict=True)), ensure_ascii=False)
            file.write(line.encode() + b"\n")


def read_written(path: Path, kind: str, what: str) -> Texts:
    """Rows that :func:`write_texts` wrote."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return Texts(kind=kind, columns=columns, what=what)


def write_outcome(folder: Path, settings: AdaptSettings, facts: Mapping[str, Any]) -> None:
    """The end: what came of it, beside what was asked."""
    write_json(folder / MARK, {"asked": settings.model_dump(mode="json"), **facts})

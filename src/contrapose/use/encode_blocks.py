"""Bulk encoding into a folder: block by block, so that a killed run goes on where it was, on one machine or many.

    input files -> blocks (use/blocks.py) -> an engine encodes those that are missing -> FOLDER (use/block_folder.py)

The blocks are the same whoever encodes them: here one after the other, with ``contrapose.cluster`` on the machines of a
Ray cluster. The folder is whole when every row of the input is in it or in its list of rows that could not be read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from contrapose.data.quarantine import Quarantine
from contrapose.data.sources import Source, find_sources
from contrapose.errors import EmptyCorpus
from contrapose.listening import Listener, Progress, listener_of
from contrapose.paths import expanded
from contrapose.use.block_folder import OWN, BlockFolder, check_folder, opened
from contrapose.use.block_plan import Plan, Stamp, check_unchanged, fingerprinted
from contrapose.use.blocks import Block, BlockRecord, EncodeOptions, cut, write_block
from contrapose.use.rows import Sources, TextEncoder


class FingerprintedEncoder(TextEncoder, Protocol):
    """An encoder that can say which one it is."""

    def fingerprint(self) -> str: ...


@dataclass(frozen=True)
class Task:
    """What an engine needs to encode any block of a folder."""

    folder: Path
    plan: Plan

    @property
    def about(self) -> str:
        """What every file of the folder carries in its metadata."""
        known = {"model": self.plan.model, "fingerprint": self.plan.fingerprint}
        return json.dumps({**known, "normalize": self.plan.options.normalize})


#: From blocks to the records of their files, in any order. A block is taken from the iterator when there is room.
Engine = Callable[[Task, Iterable[Block], Listener], Iterator[BlockRecord]]


@dataclass(frozen=True, kw_only=True)
class FolderSummary:
    """What :func:`encode_folder` did. kept: blocks that were there; lost: recorded ones that were damaged or gone."""

    rows: int
    width: int
    output: Path
    normalize: bool
    blocks: int
    kept: int
    lost: int
    strays: int
    quarantined: int
    reasons: dict[str, int]
    quarantine_folder: Path | None
    notices: tuple[str, ...]
    seconds: float

    def lines(self) -> list[str]:
        """The summary lines for people."""
        length = "unit length" if self.normalize else "as pooled"
        new = self.blocks - self.kept
        lines = [
            f"{self.rows:,} rows of {self.width} float32 ({length}) in {_blocks(self.blocks)} in {self.output}",
            f"{_blocks(new)} encoded now, {self.kept:,} were there already",
        ]
        if self.lost:
            lines.append(f"{self.lost:,} block files were damaged or missing, and were made anew")
        if self.strays:
            lines.append(f"{self.strays:,} block files of an earlier state were taken away")
        if self.quarantined:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.items())
            lines.append(
                f"{self.quarantined:,} rows could not be read and have no vector ({reasons}); "
                f"listed with file and line in {self.quarantine_folder}"
            )
        return [*lines, *self.notices]

    def to_json(self) -> dict[str, Any]:
        """The summary for programs."""
        listed = None if self.quarantine_folder is None else str(self.quarantine_folder)
        return {
            **vars(self),
            "output": str(self.output),
            "quarantine_folder": listed,
            "notices": list(self.notices),
            "seconds": round(self.seconds, 3),
        }


def encode_folder(
    encoder: FingerprintedEncoder,
    sources: Sources,
    output: str | Path,
    *,
    model: str,
    options: EncodeOptions | None = None,
    overwrite: bool = False,
    max_bad_share: float = 0.5,
    engine: Engine | None = None,
    progress: Progress = None,
) -> FolderSummary:
    """Encode every row of ``sources`` into the folder ``output``, or what of them is missing there.

    The same call again does nothing where all is there. A changed input, model or option is refused; with
    ``overwrite`` exactly the blocks that it touches are made anew.

    model           what the encoder is called, for people
    max_bad_share   above this share of unreadable rows a file is probably not what it seems
    engine          what encodes blocks; by default ``encoder``, one block after the other

    Raises :class:`UsageError` (standard input, several texts per row, a folder of something else), :class:`RunLocked`,
    :class:`EmptyCorpus`, :class:`StorageError`, and the readers' errors.

    >>> import tempfile
    >>> import numpy as np
    >>> class Lengths:
    ...     width = 1
    ...     def encode(self, texts, **options):
    ...         return np.array([[len(text)] for text in texts], dtype=np.float32)
    ...     def fingerprint(self):
    ...         return "lengths"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.txt").write_text("one\\nthree\\n")
    ...     options = EncodeOptions(rows_per_block=1)
    ...     for _ in range(2):
    ...         done = encode_folder(Lengths(), Path(folder, "a.txt"), Path(folder, "out"), model="l", options=options)
    ...         done.rows, done.blocks, done.kept
    (2, 2, 0)
    (2, 2, 2)
    """
    began, listener, folder = monotonic(), listener_of(progress), expanded(output)
    options = options or EncodeOptions()
    check_folder(folder)
    found = find_sources(sources, out=folder)
    with listener.task("hashing the input"):
        hashed = fingerprinted(found)
    plan = Plan(
        model=model,
        fingerprint=encoder.fingerprint(),
        width=encoder.width,
        options=options,
        files=tuple(file for file, _ in hashed),
    )
    with opened(folder, plan, overwrite=overwrite) as state:
        known = set(state.done)
        missing = _missing(
            state, [(source, at) for source, (_, at) in zip(found, hashed, strict=True)], max_bad_share
        )
        with listener.task("encoding", unit="row"):
            for record in (engine or _here(encoder))(Task(folder, plan), missing, listener):
                state.add(record)
        if not any(record.blocks for record in state.files.values()):
            raise EmptyCorpus(_nothing_read(found, state))
        strays = state.finish()
        return _summary(state, known, strays, monotonic() - began)


def _here(encoder: TextEncoder) -> Engine:
    def encoded(task: Task, blocks: Iterable[Block], listener: Listener) -> Iterator[BlockRecord]:
        for block in blocks:
            yield write_block(
                encoder,
                block,
                task.folder,
                task.plan.options,
                about=task.about,
                advanced=listener.advance,
            )

    return encoded


def _missing(
    state: BlockFolder, sources: Sequence[tuple[Source, Stamp]], max_bad_share: float
) -> Iterator[Block]:
    """The blocks that are not there yet, in order; files are read as blocks are asked for."""
    for number, (source, hashed_at) in enumerate(sources):
        if state.is_read(number):
            continue
        quarantine, names = Quarantine(max_bad_share=max_bad_share), []
        for block in cut(source, number, state.plan.key, state.plan.options, quarantine):
            names.append(block.name)
            if block.name not in state.done:
                yield block
        check_unchanged(source, hashed_at)
        state.finish_file(number, tuple(names), quarantine)


def _nothing_read(sources: Sequence[Source], state: BlockFolder) -> str:
    bad = sum(record.bad for record in state.files.values())
    named = ", ".join(source.shown for source in sources)
    return f"nothing to encode in {named}: " + (f"none of its {bad:,} rows can be read" if bad else "no rows")


def _summary(state: BlockFolder, known: set[str], strays: int, seconds: float) -> FolderSummary:
    records = [state.files[file.name] for file in state.plan.files]
    names = {name for record in records for name in record.blocks}
    reasons: Counter[str] = Counter()
    for record in records:
        reasons.update(record.reasons)
    bad = sum(record.bad for record in records)
    return FolderSummary(
        rows=sum(state.done[name].rows for name in names),
        width=state.plan.width,
        output=state.folder,
        normalize=state.plan.options.normalize,
        blocks=len(names),
        kept=len(names & known),
        lost=state.lost,
        strays=strays,
        quarantined=bad,
        reasons=dict(reasons.most_common()),
        quarantine_folder=state.folder / OWN / "quarantine" if bad else None,
        notices=tuple(notice for record in records for notice in record.notices),
        seconds=seconds,
    )


def _blocks(number: int) -> str:
    return f"{number:,} block{'' if number == 1 else 's'}"

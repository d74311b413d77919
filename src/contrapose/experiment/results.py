"""What an experiment says, written down once: results.md, results.json and the terminal show the same.

What it is, how the numbers came about, the tables, and what they mean in words. The numbers are those of the folder's
ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contrapose.markdown_table import markdown_table
from contrapose.storage.durable import write_text


@dataclass(frozen=True, kw_only=True)
class ResultTable:
    """title: "" for the first, which bears the experiment's; note: what its numbers are."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Results:
    """conclusions: the result in words; facts: how the numbers came about; warnings: what went wrong.

    chosen: the hyperparameters to go on with, where the experiment was a search.
    """

    folder: Path
    title: str
    conclusions: Sequence[str]
    facts: Sequence[str]
    tables: Sequence[ResultTable]
    json: Mapping[str, Any]
    warnings: Sequence[str] = ()
    chosen: Mapping[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> tuple[Path, Path]:
        return self.folder / "results.md", self.folder / "results.json"

    @property
    def markdown(self) -> str:
        """The page: what the experiment says, then the numbers."""
        lines = [f"# {self.title}", ""]
        for listed in (self.conclusions, self.facts):
            lines += [*(f"- {line}" for line in listed), ""] if listed else []
        for table in self.tables:
            lines += [f"## {table.title}", ""] if table.title else []
            lines += [*markdown_table(table.header, table.rows), ""]
            lines += [table.note.replace("*", "\\*"), ""] if table.note else []
        return "\n".join([*lines, *(f"- {line}" for line in self.warnings), *([""] if self.warnings else [])])

    def write(self) -> None:
        """Write the files, each whole or not at all."""
        from contrapose.train.track import strict_json

        page, plain = self.files
        write_text(page, self.markdown)
        write_text(plain, strict_json(self.json) + "\n")


def facts_of(folder: Path, corpus: Sequence[str], options: Mapping[str, Any], *others: str) -> list[str]:
    """The facts that every experiment has, in its results."""
    named = ", ".join(f"{name} {value}" for name, value in options.items()) or "defaults"
    return [
        f"text: {', '.join(corpus)}; options: {named}",
        *others,
        f"every number is read from {folder / 'trials.jsonl'}",
    ]

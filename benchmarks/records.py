"""Results that stay: a line of JSON for each benchmark and run, and a page whose old sections are never rewritten."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from benchmarks.machine import in_words
from benchmarks.table import NOT_MEASURED, Row, as_markdown, shown
from contrapose.markdown_table import markdown_table
from contrapose.storage.durable import append_line, write_text

HERE = Path(__file__).resolve().parent
PAGE, LINES, OPTIMISATIONS = HERE / "RESULTS.md", HERE / "results.jsonl", HERE / "optimisations.toml"
#: Above it the page is made anew at each run; below it stands what was measured, and nothing is ever changed.
MARK = "<!-- below: what was measured, run by run; only ever appended to -->"
READING = """# Results

Made by `python -m benchmarks --record`; the same as lines of JSON is in `results.jsonl`.

How to read it:

- **floor** is the least that this machine allows: operations over its measured rate of matrix products, bytes over its
  measured bandwidth (`python -m benchmarks floors`). **times floor** is the measured over that.
- A ratio is of one run on one machine: both sides took turns, each number is a median of several. Compare seconds of
  two runs only where machine, threads and versions are the same.
- **rival** is the named other way at its best settings, which stand in the note.
- "not measured" is just that: no machine for it, or nobody ran it. A run with `--quick` shows that a benchmark works;
  its numbers mean little, and the table of optimisations does not take them.
"""


def record(results: Sequence[Mapping[str, Any]], folder: Path = HERE) -> None:
    """Append each result (``date``, ``machine``, ``benchmark``, ``quick``, ``seconds``, ``rows``) to both files."""
    page = folder / PAGE.name
    before = page.read_text(encoding="utf-8") if page.exists() else MARK + "\n"
    _, mark, body = before.partition(MARK)
    if not mark:
        raise SystemExit(
            f"{page} has not the line {MARK!r}: put it above the first section that must not be changed"
        )
    for result in results:
        append_line(folder / LINES.name, json.dumps(result, allow_nan=False))
    write_text(page, f"{_head(folder)}{MARK}{body.rstrip()}\n\n{section(results)}")


def section(results: Sequence[Mapping[str, Any]]) -> str:
    """One run, as a section of the page."""
    first = results[0]
    lines = [
        f"## {first['date']}{', quick' if first['quick'] else ''}", "", f"{in_words(first['machine'])}.", "",
    ]  # fmt: skip
    for result in results:
        rows = [Row.of(row) for row in result["rows"]]
        told = as_markdown(rows) if rows else [result.get("error") or NOT_MEASURED]
        lines += [f"### {result['benchmark']} ({shown(float(result['seconds']))} s)", "", *told, ""]
    return "\n".join(lines)


def read_results(folder: Path = HERE) -> list[dict[str, Any]]:
    """All that was recorded, oldest first."""
    path = folder / LINES.name
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def latest(benchmark: str, folder: Path = HERE) -> str:
    """The newest recorded run of a benchmark as Markdown, for a page; of a run that was not quick."""
    for result in reversed(read_results(folder)):
        if result["benchmark"] == benchmark and result["rows"] and not result["quick"]:
            rows = [Row.of(row) for row in result["rows"]]
            return "\n".join(
                [f"{result['date'][:10]}, {in_words(result['machine'])}:", "", *as_markdown(rows)]
            )
    return "Not measured yet."


def _head(folder: Path) -> str:
    path = folder / OPTIMISATIONS.name
    tables = tomllib.loads((path if path.exists() else OPTIMISATIONS).read_text(encoding="utf-8"))
    lines = optimisations(tables["optimisation"], read_results(folder))
    return "\n".join([READING, "## Optimisations", "", *lines, "", ""])


def optimisations(entries: Sequence[Mapping[str, str]], results: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each: predicted, measured (newest recorded row of its name), kept or dropped."""
    rows = []
    for entry in entries:
        found = newest(entry["row"], results)
        if found is None:
            measured, verdict = NOT_MEASURED, ""
        else:
            result, row = found
            facts = [f"{row.name}: {shown(row.measured)}"]
            facts += [f"{shown(row.times_floor)} times floor"] if row.times_floor is not None else []
            facts += [f"rival {shown(row.rival)}"] if row.rival is not None else []
            measured = f"{', '.join(facts)} ({result['benchmark']}, {result['date'][:10]})"
            verdict = entry["verdict"] or "not decided"
        rows.append([entry["name"], entry["predicted"], measured, verdict])
    return markdown_table(["optimisation", "predicted", "measured", "kept or dropped"], rows)


def newest(pattern: str, results: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], Row] | None:
    """The newest measured row that "benchmark:name" names, letters of any case; of a run that was not quick."""
    benchmark, _, name = pattern.partition(":")
    for result in reversed(results):
        if result["benchmark"] != benchmark or result["quick"]:
            continue
        for row in map(Row.of, result["rows"]):
            if row.measured is not None and fnmatchcase(row.name.lower(), name.lower()):
                return result, row
    return None

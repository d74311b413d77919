"""All benchmarks, each in a process of its own, one after the other.

    python -m benchmarks [NAME ...] [--quick] [--record] [--list] [--json] [--rival-python PATH]

``--record`` appends what was measured to benchmarks/RESULTS.md and benchmarks/results.jsonl, with machine and versions.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, describe, in_words
from benchmarks.records import HERE, record
from benchmarks.rival_python import VARIABLE
from benchmarks.table import Row, as_text
from contrapose.errors import nearest


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; without one, all (--list)")
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds: does it work?")
    parser.add_argument(
        "--record", action="store_true", help="append to benchmarks/RESULTS.md and results.jsonl"
    )
    parser.add_argument("--list", action="store_true", help="the names, and what each measures")
    parser.add_argument("--json", action="store_true", help="the results as JSON on standard output")
    parser.add_argument(
        "--rival-python", metavar="PATH", help="a Python with the rivals, if this one lacks them"
    )
    parser.add_argument("--rows-of", nargs=2, help=argparse.SUPPRESS)  # in a process of its own: NAME FILE
    given = parser.parse_args(arguments)
    known = found()
    if given.rows_of:
        name, file = given.rows_of
        Path(file).write_text(json.dumps(rows_of(name, quick=given.quick)), encoding="utf-8")
        return 0
    if given.list:
        print(json.dumps(known, indent=2) if given.json else listed(known))
        return 0
    if given.rival_python and not os.access(given.rival_python, os.X_OK):
        parser.error(f"--rival-python: {given.rival_python} is no program; give the path of a python")
    for name in given.names:
        if name not in known:
            parser.error(
                f"no benchmark is called '{name}'{nearest(name, list(known))} Known: {', '.join(known)}"
            )
    results = [result_of(name, given) for name in given.names or known]
    if given.json:
        print(json.dumps(results, indent=2))
    if given.record:
        record(results)
        print(f"recorded in {HERE / 'RESULTS.md'} and results.jsonl", file=sys.stderr)
    return 1 if any("error" in result for result in results) else 0


def found(folder: Path = HERE) -> dict[str, str]:
    """Name -> first line, of each module that has ``measure(*, quick)``; read as text: nothing is imported."""
    names = {}
    for path in sorted(folder.glob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(each, ast.FunctionDef) and _is_measure(each) for each in module.body):
            names[path.stem] = (ast.get_docstring(module) or "").partition("\n")[0]
    return names


def _is_measure(function: ast.FunctionDef) -> bool:
    taken = function.args
    optional = {
        a.arg for a, default in zip(taken.kwonlyargs, taken.kw_defaults, strict=True) if default is not None
    }
    needed = {argument.arg for argument in taken.kwonlyargs} - optional
    return function.name == "measure" and not (taken.args or taken.posonlyargs) and needed == {"quick"}


def listed(known: dict[str, str]) -> str:
    """A line for each benchmark."""
    width = max(map(len, known))
    return "\n".join(f"{name.ljust(width)}  {about}" for name, about in known.items())


def rows_of(name: str, *, quick: bool) -> list[dict[str, Any]]:
    """What the benchmark hands out, each row looked at."""
    rows: list[dict[str, Any]] = importlib.import_module(f"benchmarks.{name}").measure(quick=quick)
    for row in rows:
        Row.of(row)
    return rows


def result_of(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Run one benchmark in a process of its own, print its table, and hand out its record."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    machine, began = describe(), time.perf_counter()
    result: dict[str, Any] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "benchmark": name, "quick": given.quick,
        "machine": machine, "rows": [],
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="contrapose-bench-") as folder:
        rows = Path(folder, "rows.json")
        command = [sys.executable, "-m", "benchmarks", "--rows-of", name, str(rows)]
        command += ["--quick"] if given.quick else []
        environment = {**os.environ, **({VARIABLE: given.rival_python} if given.rival_python else {})}
        # What a rival logs goes to standard error, so that --json stays readable.
        done = subprocess.run(command, stdout=2, env=environment, check=False, cwd=ROOT)
        if rows.exists():
            result["rows"] = json.loads(rows.read_text(encoding="utf-8"))
    result["seconds"] = round(time.perf_counter() - began, 1)
    if done.returncode:
        result["error"] = f"it ended with exit code {done.returncode}: not measured"
    if not given.json:
        told = (
            as_text([Row.of(row) for row in result["rows"]])
            if result["rows"]
            else [result.get("error", "no rows")]
        )
        print("\n".join(["", f"{name}: {in_words(machine)}", *told]), flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())

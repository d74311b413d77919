"""``python -m benchmarks``: what it finds, what it refuses, and that what was recorded is never changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.machine import commit, describe, in_words
from benchmarks.records import MARK, newest, optimisations, read_results, record
from benchmarks.table import Row, as_markdown, as_text, shown

from benchmarks import __main__ as runner

MACHINE = {
    "processor": "A processor", "cores": 4, "instructions": ["avx2"], "memory_GB": 8, "python": "3.11.0",
    "versions": {"torch": "2"}, "threads": "1", "commit": "abc",
}  # fmt: skip


def result(
    date: str, *rows: dict[str, Any], quick: bool = False, benchmark: str = "losses"
) -> dict[str, Any]:
    return {
        "date": date,
        "benchmark": benchmark,
        "quick": quick,
        "machine": MACHINE,
        "rows": list(rows),
        "seconds": 1.0,
    }


def test_list_names_every_module_with_measure_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["--list", "--json"]) == 0
    names = json.loads(capsys.readouterr().out)
    assert {"floors", "speed", "overhead", "growth", "startup", "compiled"} <= set(names)
    # They take other arguments: results of docs/, not of this table.
    assert not {"start", "demo", "quality", "transfer", "table", "data"} & set(names)
    assert all(names.values())


def test_a_module_is_found_by_its_measure_alone_and_never_imported(tmp_path: Path) -> None:
    (tmp_path / "right.py").write_text(
        '"""What it is.\n\nMore."""\nraise SystemExit\ndef measure(*, quick): ...\n'
    )
    (tmp_path / "other.py").write_text('"""Other."""\ndef measure(model, *, quick): ...\n')
    (tmp_path / "some.py").write_text('"""Some."""\ndef measure(*, quick, methods=None): ...\n')
    assert runner.found(tmp_path) == {"right": "What it is.", "some": "Some."}


def test_an_unknown_name_is_refused_with_the_nearest_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        runner.main(["flors"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "no benchmark is called 'flors'. Did you mean 'floors'?" in said
    assert "Traceback" not in said


def test_a_rival_python_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        runner.main(["floors", "--rival-python", "/nowhere/python"])
    assert "/nowhere/python is no program" in capsys.readouterr().err


def test_a_benchmark_runs_in_its_own_process_and_hands_out_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["floors", "--quick", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["benchmark"], told["quick"]) == ("floors", True)
    assert told["machine"]["versions"]["torch"]
    assert all(Row.of(row).measured for row in told["rows"])


def test_a_benchmark_that_fails_is_told_and_the_others_still_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "found", lambda: {"not_there": "", "floors": ""})
    assert runner.main(["--quick"]) == 1
    said = capsys.readouterr().out
    assert "it ended with exit code 1: not measured" in said
    assert "copying, GB/s" in said


def test_what_was_recorded_is_never_rewritten(tmp_path: Path) -> None:
    record([result("2026-01-01 00:00 UTC", {"name": "hnm / simcse", "measured": 1.25})], tmp_path)
    page, lines = tmp_path / "RESULTS.md", tmp_path / "results.jsonl"
    first_section = page.read_text("utf-8").partition(MARK)[2].rstrip()
    first_line = lines.read_text("utf-8")
    assert "| hnm / simcse | 1.25 |" in first_section
    assert "hnm / simcse: 1.25" in page.read_text("utf-8").partition(MARK)[0]
    record([result("2026-02-02 00:00 UTC", {"name": "hnm / simcse", "measured": 1.5})], tmp_path)
    assert page.read_text("utf-8").partition(MARK)[2].startswith(first_section + "\n\n## 2026-02-02")
    assert lines.read_text("utf-8").startswith(first_line)
    assert [each["date"][:10] for each in read_results(tmp_path)] == ["2026-01-01", "2026-02-02"]
    assert "hnm / simcse: 1.5" in page.read_text("utf-8").partition(MARK)[0]


def test_a_page_without_the_mark_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "RESULTS.md").write_text("notes of my own\n")
    with pytest.raises(SystemExit, match="has not the line"):
        record([result("2026-01-01 00:00 UTC", {"name": "a", "measured": 1})], tmp_path)
    assert (tmp_path / "RESULTS.md").read_text() == "notes of my own\n"
    assert not (tmp_path / "results.jsonl").exists()


def test_an_optimisation_without_a_measured_row_is_not_measured_and_has_no_verdict() -> None:
    entry = {"name": "tiles", "predicted": "half", "row": "losses:*tiled*", "verdict": "kept"}
    assert optimisations([entry], [])[-1] == "| tiles | half | not measured |  |"
    quick = result("2026-01-01", {"name": "Tiled, s", "measured": 1.0}, quick=True)
    empty = result("2026-01-02", {"name": "Tiled, s"})
    other = result("2026-01-03", {"name": "Tiled, s", "measured": 1.0}, benchmark="gpu")
    assert newest("losses:*tiled*", [quick, empty, other]) is None
    whole = result("2026-01-04", {"name": "Tiled, s", "measured": 2.0, "floor": 1.0, "rival": "3 s"})
    (line,) = optimisations([entry], [whole, quick])[2:]
    assert line == "| tiles | half | Tiled, s: 2, 2 times floor, rival 3 s (losses, 2026-01-04) | kept |"


def test_every_optimisation_of_the_table_has_its_words() -> None:
    import tomllib

    from benchmarks.records import OPTIMISATIONS

    entries = tomllib.loads(OPTIMISATIONS.read_text("utf-8"))["optimisation"]
    assert len(entries) >= 13
    assert all(
        set(entry) == {"name", "predicted", "row", "verdict"} and ":" in entry["row"] for entry in entries
    )


def test_a_row_refuses_what_no_table_can_show() -> None:
    with pytest.raises(ValueError, match="the keys unit; known: floor"):
        Row.of({"name": "a", "unit": "s"})
    with pytest.raises(ValueError, match="has no name"):
        Row.of({"measured": 1.0})
    with pytest.raises(ValueError, match="'a' has no finite number as measured"):
        Row.of({"name": "a", "measured": float("nan")})


def test_tables_leave_empty_columns_out_and_say_what_was_not_measured() -> None:
    rows = [Row(name="a|b", measured=0.001234, note="with care"), Row(name="c", predicted="half")]
    assert as_markdown(rows) == [
        "| what | predicted | measured | note |",
        "| --- | --- | --- | --- |",
        "| a\\|b |  | 0.00123 | with care |",
        "| c | half | not measured |  |",
    ]
    assert as_text(rows)[1].split() == ["a|b", "0.00123"]
    assert as_text(rows)[2] == "    with care"
    assert shown(-1234.5) == "-1,234"


def test_the_machine_is_named_with_what_decides_its_speed(tmp_path: Path) -> None:
    machine = describe()
    assert machine["cores"] >= 1
    assert machine["versions"]["torch"]
    assert machine["processor"] in in_words(machine)
    assert commit(tmp_path) == "unknown"

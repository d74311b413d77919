"""The quality benchmark: what is measured is not measured again, and its tables hold every row."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.quality import STS12_16, TRANSFER, key_of, missing, read, table, transfer_table, wanted

from benchmarks import quality


def row(method: str, seed: int, end: str, score: float, *, transfer: bool = True) -> dict[str, Any]:
    tasks = (*STS12_16, "STS-B", "SICK-R", *(TRANSFER if transfer else ()))
    found = {"model": "minilm", "method": method, "seed": seed, "steps": 0 if method == "start" else 100}
    if method != "start":
        found["end"] = end
    found |= {"mean_sts12_16": score, "values": dict.fromkeys(tasks, score)}
    return found | ({"mean_transfer": score + 5} if transfer else {})


def options(**changes: Any) -> argparse.Namespace:
    given = {"model": "minilm", "methods": "simcse,hncse", "seeds": "0,1", "ends": "handed out,last step"}
    return argparse.Namespace(**{**given, "steps": 100, **changes})


def test_every_method_seed_and_end_is_wanted_once_and_the_start_first() -> None:
    keys = wanted(options())
    assert len(keys) == len(set(keys)) == 1 + 2 * 2 * 2
    assert keys[0] == ("minilm", "start", 0, 0, "")
    assert {key[2] for key in keys[1:5]} == {0}, "a seed is finished before the next"


def test_only_a_row_with_all_tasks_is_done() -> None:
    """Rows from before there were transfer tasks, and before there were two ends, are measured again."""
    old = row("simcse", 0, "", 70.0, transfer=False)
    del old["end"]
    assert key_of(old) == ("minilm", "simcse", 0, 100, "last step")
    keys = wanted(options(methods="simcse", seeds="0"))
    assert missing(keys, [old]) == keys
    assert missing(keys, [old, row("start", 0, "", 1.0), row("simcse", 0, "last step", 2.0)]) == [
        ("minilm", "simcse", 0, 100, "handed out")
    ]


def test_a_stopped_benchmark_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, calls = tmp_path / "quality.jsonl", []

    def measured(given: argparse.Namespace, key: quality.Key) -> dict[str, Any]:
        calls.append(key)
        if len(calls) == 3:
            raise KeyboardInterrupt
        _, method, seed, _, end = key
        return row(method, seed, end, 70.0)

    monkeypatch.setattr(quality, "measure", measured)
    monkeypatch.setattr(sys, "argv", ["quality", "c", "s", "--methods", "simcse", "--seeds", "0,1",
                                      "--results", str(results)])  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        quality.main()
    assert [key_of(each) for each in read(results)] == calls[:2]
    quality.main()
    assert [key_of(each) for each in read(results)] == wanted(options(methods="simcse"))
    assert len(calls) == 5 + 1, "the interrupted one once more, no other twice"


def test_tables_hold_the_newest_row_of_each_run_with_the_spread_over_seeds() -> None:
    rows = [
        row("hncse", 0, "last step", 80.0),
        row("simcse", 0, "last step", 60.0, transfer=False),
        row("simcse", 0, "last step", 70.0),
        row("simcse", 1, "last step", 72.0),
        row("simcse", 0, "handed out", 71.0, transfer=False),
        row("start", 0, "", 50.0),
    ]
    lines = [line.split(" | ") for line in table(rows).splitlines()[2:]]
    assert [line[:4] for line in lines] == [
        ["| pretrained model", "-", "-", "50.00"],
        ["| simcse", "handed out", "1", "71.00"],
        ["| simcse", "last step", "2", "71.00 ± 1.41"],
        ["| hncse", "last step", "1", "80.00"],
    ]
    transfer = [line.split(" | ")[:4] for line in transfer_table(rows).splitlines()[2:]]
    assert transfer[1] == ["| simcse", "last step", "2", "76.00 ± 1.41"]
    assert len(transfer) == 3, "no row without transfer tasks"


def test_a_method_beyond_the_five_has_its_row_after_them() -> None:
    rows = [row(name, 0, "last step", 70.0) for name in ("dcl", "simcse", "hncse")]
    names = [line.split(" | ")[0] for line in table(rows).splitlines()[2:]]
    assert names == ["| simcse", "| hncse", "| dcl"]


def test_the_recorded_rows_hold_what_the_tables_need() -> None:
    rows = read(Path(__file__).parent.parent / "docs/results/quality.jsonl")
    assert rows
    for each in rows:
        assert set(STS12_16) <= set(each["values"]), json.dumps(each)
        mean = sum(each["values"][task] for task in STS12_16) / 5
        assert each["mean_sts12_16"] == pytest.approx(mean, abs=1e-3)
        if "mean_transfer" in each:
            assert each["mean_transfer"] == pytest.approx(
                sum(each["values"][t] for t in TRANSFER) / 7, abs=1e-3
            )

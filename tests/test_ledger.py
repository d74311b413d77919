"""The ledger: nothing is lost by several writers, nothing stops the work, and a number leads back to its rows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from contrapose.errors import CorruptFile, UsageError
from contrapose.ledger import VARIABLE, Ledger, record


def test_what_is_appended_comes_back_in_order(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "new" / "ledger")
    assert ledger.entries() == []
    first = ledger.append("run", {"method": "simcse", "score": float("nan")})
    second = ledger.append("evaluation", {"model": "m"}, {"STS-B|values": np.arange(3.0)})
    found = ledger.entries()
    assert [entry.id for entry in found] == [first.id, second.id]
    assert found[0].body == {"method": "simcse", "score": None}
    assert [entry.kind for entry in ledger.entries("evaluation")] == ["evaluation"]
    assert ledger.evidence(found[1])["STS-B|values"].tolist() == [0, 1, 2]
    assert ledger.evidence(found[0]) == {}


def test_several_processes_append_at_once_and_no_entry_is_lost(tmp_path: Path) -> None:
    code = (
        "import sys; from contrapose.ledger import Ledger\n"
        "for i in range(40): Ledger(sys.argv[1]).append('trial', {'who': sys.argv[2], 'i': i, 'long': 'x' * 3000})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(n)]) for n in range(3)]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    found = Ledger(tmp_path).entries()
    assert sorted((e.body["who"], e.body["i"]) for e in found) == [
        (str(n), i) for n in range(3) for i in range(40)
    ]
    assert len({entry.id for entry in found}) == 120


def test_an_entry_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    entry = ledger.append("run", {})
    assert ledger.find(entry.id[:6]) == entry
    with pytest.raises(UsageError, match="`contrapose runs` lists them"):
        ledger.find("zzzz")
    with pytest.raises(UsageError, match="no entry"):
        ledger.find("")


def test_damaged_lines_are_counted_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger(tmp_path)
    ledger.append("run", {"n": 1})
    with ledger.path.open("a") as file:
        file.write('{"id": "x"\n[]\nnoise\n')
    ledger.append("run", {"n": 2})
    assert [entry.body["n"] for entry in ledger.entries()] == [1, 2]
    assert "3 lines are no entries" in caplog.text


def test_damaged_evidence_is_named(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    entry = ledger.append("evaluation", {}, {"a": np.ones(3)})
    (tmp_path / "evidence" / f"{entry.id}.safetensors").write_bytes(b"damaged")
    with pytest.raises(CorruptFile, match=entry.id):
        ledger.evidence(entry)


def test_the_users_ledger_is_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine"))
    entry = record("run", {"method": "simcse"})
    assert entry is not None
    (line,) = (tmp_path / "mine" / "ledger.jsonl").read_text().splitlines()
    assert json.loads(line)["environment"]["versions"]["torch"]
    monkeypatch.setenv(VARIABLE, "off")
    assert record("run", {}) is None
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    usual = Ledger.usual()
    assert usual is not None
    assert usual.folder == tmp_path / "contrapose" / "ledger"


def test_a_ledger_that_cannot_be_written_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "ledger"))
    assert record("run", {}) is None
    assert "not recorded in the ledger" in caplog.text


RESULT = {
    "task": "STS-B",
    "metric": "spearman",
    "protocol": "senteval-all",
    "split": "test",
    "value": 1.0,
    "details": {},
}
HEAD = {"id": "0123456789ab", "kind": "evaluation", "time": "now"}
ODD_LINES = {
    "deep": "[" * 100_000,
    "deep in an entry": json.dumps(HEAD)[:-1] + ', "a": ' + "[" * 500 + "]" * 500 + "}",
    "no entry": "{}",
    "a summary of words": json.dumps({**HEAD, "kind": "run", "summary": "good"}),
    "results that are none": json.dumps({**HEAD, "results": [1]}),
    "results in a table": json.dumps({**HEAD, "results": {"STS-B": 1}}),
    "a value in words": json.dumps({**HEAD, "results": [{**RESULT, "value": "high"}]}),
    "no details": json.dumps({**HEAD, "results": [{**RESULT, "details": None}]}),
    "no metric": json.dumps({**HEAD, "results": [{**RESULT, "metric": 3}]}),
    "values of a trial": json.dumps({**HEAD, "kind": "trial", "values": {"STS-B": 3}}),
}


@pytest.mark.parametrize("line", ODD_LINES.values(), ids=ODD_LINES.keys())
def test_a_line_of_another_shape_is_left_out(
    tmp_path: Path, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(tmp_path)
    kept = [ledger.append("run", {"n": 1}), ledger.append("evaluation", {"results": [RESULT]})]
    with ledger.path.open("a") as file:
        file.write(line + "\n")
    assert [entry.id for entry in ledger.entries()] == [entry.id for entry in kept]
    assert "1 lines are no entries" in caplog.text


def test_numbers_beyond_a_float_are_undefined_and_not_the_end(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append("run", {"n": 1})
    for digits in ("1e400", "9" * 400, "9" * 5_000, "NaN"):
        with ledger.path.open("a") as file:
            file.write(json.dumps({**HEAD, "results": [RESULT]}).replace("1.0", digits) + "\n")
    found = ledger.entries("evaluation")
    assert [entry.body["results"][0]["value"] for entry in found] == [None] * 4
    json.dumps([entry.to_json() for entry in found], allow_nan=False)

"""The ledger: nothing is lost by several writers, nothing stops the work, and a number leads back to its rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from contrapose.errors import CorruptFile, UsageError
from contrapose.ledger import VARIABLE, Ledger, record, why_not_recorded
from tests.waiting import PATIENCE


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
    assert [writer.wait(timeout=PATIENCE) for writer in writers] == [0, 0, 0]
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


def test_the_variable_may_begin_with_a_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "~/mine")
    assert record("run", {}) is not None
    assert (tmp_path / "mine" / "ledger.jsonl").is_file()
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_DATA_HOME", "~/data")
    assert record("run", {}) is not None
    assert (tmp_path / "data" / "contrapose" / "ledger" / "ledger.jsonl").is_file()
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("given", ["", "~nobody-of-this-name/ledger"])
def test_without_a_home_folder_nothing_is_recorded_and_nothing_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, given: str
) -> None:
    import pwd

    def nobody(*_: object) -> None:
        raise KeyError("no such user")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(pwd, "getpwnam", nobody)
    for name in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(VARIABLE, given)
    assert record("run", {}) is None
    assert "not recorded in the ledger" in caplog.text
    assert "Set CONTRAPOSE_LEDGER" in caplog.text
    assert "home folder" in why_not_recorded()
    with pytest.raises(UsageError, match=VARIABLE):
        Ledger.usual()


def test_whether_the_ledger_will_take_an_entry_is_seen_without_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"new/deep": True, "file/x": False, "there": True, "locked/x": False, "kept": False}
    (tmp_path / "file").write_text("")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "ledger.jsonl").write_text("")
    (tmp_path / "kept" / "ledger.jsonl").mkdir(parents=True)
    (tmp_path / "locked").mkdir()
    forbidden = str(tmp_path / "locked")
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != forbidden)
    for name, fits in places.items():
        monkeypatch.setenv(VARIABLE, str(tmp_path / name))
        assert (why_not_recorded() == "") == fits, name
    monkeypatch.setenv(VARIABLE, "off")
    assert why_not_recorded() == ""
    assert sorted(os.listdir(tmp_path)) == ["file", "kept", "locked", "there"]


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

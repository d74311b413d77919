from __future__ import annotations

import json

import pytest

from contrapose.data.quarantine import Quarantine
from contrapose.errors import TooManyBadRows, UsageError


def test_records_hold_file_line_offset_and_reason(tmp_path):
    quarantine = Quarantine(tmp_path / "quarantine.jsonl", max_bad_share=1)
    quarantine.reject("a.txt", 7, 120, "invalid UTF-8", "byte 0xff at 124")
    records = [json.loads(line) for line in (tmp_path / "quarantine.jsonl").read_text().splitlines()]
    assert records == [
        {"file": "a.txt", "line": 7, "byte_offset": 120, "reason": "invalid UTF-8: byte 0xff at 124"}
    ]


def test_written_records_are_capped_and_counts_stay_exact(tmp_path):
    path = tmp_path / "quarantine.jsonl"
    quarantine = Quarantine(path, max_bad_share=1, max_records=5)
    for line in range(12):
        quarantine.reject("a.txt", line, None, "invalid JSON")
    assert len(path.read_text().splitlines()) == 5
    assert quarantine.bad == quarantine.by_reason["invalid JSON"] == 12


def test_too_many_bad_rows_stop_the_run_with_reasons_and_examples():
    quarantine = Quarantine(max_bad_share=0.1, check_after=100)
    for _ in range(85):
        quarantine.accept()
    for line in range(86, 100):
        quarantine.reject(f"{line}.txt", line, 0, "invalid UTF-8")
    with pytest.raises(TooManyBadRows) as caught:
        quarantine.reject("100.txt", 100, 0, "invalid UTF-8")
    message = str(caught.value)
    assert "15 of the first 100 rows" in message
    assert "15 invalid UTF-8" in message
    assert message.count(".txt line") == 3


def test_few_rows_are_judged_only_at_the_end():
    quarantine = Quarantine(max_bad_share=0.5)
    for line in range(3):
        quarantine.reject("a.txt", line, 0, "invalid UTF-8")
    with pytest.raises(TooManyBadRows):
        quarantine.finish()


def test_exactly_the_allowed_share_passes():
    quarantine = Quarantine(max_bad_share=0.5)
    quarantine.accept()
    quarantine.reject("a.txt", 2, 0, "invalid UTF-8")
    quarantine.finish()
    assert quarantine.read == 2


def test_escape_sequences_in_names_and_details_are_not_shown_raw():
    quarantine = Quarantine(max_bad_share=0)
    quarantine.reject("evil\x1b[2J.txt", 1, 0, "missing field", "\x1b]0;title\x07")
    with pytest.raises(TooManyBadRows) as caught:
        quarantine.finish()
    assert "\x1b" not in str(caught.value)
    assert "\\x1b[2J" in str(caught.value)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_zero_to_one_is_refused(share):
    with pytest.raises(UsageError, match="between 0 and 1"):
        Quarantine(max_bad_share=share)

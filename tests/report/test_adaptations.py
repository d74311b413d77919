"""A folder of ``contrapose adapt`` in the report: page, Markdown and JSON say what its outcome says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contrapose.errors import CorruptFile, UsageError
from contrapose.report import markdown, page
from contrapose.report.adaptations import is_adaptation, open_adaptation
from contrapose.report.gather import gather


def change(difference: float, half: float = 0.01) -> dict[str, float]:
    return {"difference": difference, "low": difference - half, "high": difference + half}


def outcome(**changed: Any) -> dict[str, Any]:
    options = [
        {"signals": ["words"], "share": 1.0, "power": 0.5, "gain": 0.04, "kept": 0.9,
         "changes": {"titles": change(0.02)}},
        {"signals": ["words", "pairs-pairs"], "share": 0.5, "power": 0.5, "gain": 0.1, "kept": 0.88,
         "changes": {"titles": change(0.05)}},
    ]  # fmt: skip
    titles = {
        "measure": "reciprocal rank", "rises": "titles find their texts better", "rows": 60, "before": 0.5,
        "after": 0.55, "hybrid_before": 0.6, "hybrid_after": 0.61, **change(0.05),
    }  # fmt: skip
    return {
        "word": "better", "sentence": "Better: titles find their texts.", "why": "", "kinds": {"pairs": {"rows": 300}},
        "questions": {"titles": titles}, "taken": options[1], "options": options, "left_out": {"ranking-pairs": "no"},
        "notices": ["saw pairs"], "model": "minilm", "minutes": 10, "seconds": 312.4, **changed,
    }  # fmt: skip


def written(folder: Path, **changed: Any) -> Path:
    folder.mkdir()
    (folder / "adaptation.json").write_text(json.dumps({"asked": {}, "outcome": outcome(**changed)}))
    return folder


def test_page_markdown_and_json_tell_the_same(tmp_path: Path) -> None:
    report = gather([written(tmp_path / "mine")])
    html, text, plain = page.render(report), markdown.render(report), report.to_json()
    for shown in (
        "mine",
        "Better: titles find their texts.",
        "words 0.5 + pairs, half",
        "+0.050",
        "saw pairs",
    ):
        assert shown in html
        assert shown in text
    assert html.count("<figure>") == 1
    assert html.count("hollow") >= 1, "what was not taken is hollow"
    (facts,) = plain["adaptations"]
    assert [tried["taken"] for tried in facts["tried"]] == [False, True]
    assert facts["questions"][0]["change"] == pytest.approx(change(0.05))


def test_a_start_that_was_kept_has_no_after(tmp_path: Path) -> None:
    titles = {**outcome()["questions"]["titles"], "after": None, "hybrid_after": None}
    kept = written(tmp_path / "mine", word="unchanged", taken=None, questions={"titles": titles})
    html = page.render(gather([kept]))
    assert "Unchanged" in html
    assert "taken</tspan>" not in html


def test_nothing_in_it_becomes_markup(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>"
    html = page.render(gather([written(tmp_path / "mine", sentence=bad, notices=[bad], left_out={bad: bad})]))
    assert bad not in html


def test_an_unfinished_one_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "adaptation.json").write_text(json.dumps({"asked": {}}))
    assert is_adaptation(tmp_path)
    with pytest.raises(
        UsageError, match=r"is not finished: continue it with contrapose adapt --out .* --resume"
    ):
        open_adaptation(tmp_path)


@pytest.mark.parametrize(
    "changed", [{"options": 3}, {"seconds": "NaN"}, {"questions": {"a": {}}}, {"kinds": None}]
)
def test_a_damaged_one_is_named(tmp_path: Path, changed: dict[str, Any]) -> None:
    folder = written(tmp_path / "mine", **changed)
    with pytest.raises(CorruptFile, match="is damaged"):
        open_adaptation(folder)
    (folder / "adaptation.json").write_bytes(b"\xff")
    with pytest.raises(CorruptFile, match="cannot be read"):
        open_adaptation(folder)

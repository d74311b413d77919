"""Runs whose loss is computed in tiles: the same losses, and a refusal before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from contrapose.errors import UsageError
from contrapose.maths import tiled
from contrapose.objectives import tiled_contrast
from tests.train.runs import Place, run_tiny, step_rows


def test_a_run_in_tiles_has_the_losses_and_statistics_of_one_over_tables(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiled, "TILE", (3, 5))
    found = {}
    for setting in ("never", "always"):
        rows = step_rows(run_tiny(place, tmp_path / setting, method="simcse", steps=4, tiled=setting).folder)
        found[setting] = [{name: row[name] for name in row if name != "seconds"} for row in rows]
    assert len(found["always"]) == 4
    for ours, table in zip(found["always"], found["never"], strict=True):
        assert ours.keys() == table.keys()
        assert ours["loss"] == pytest.approx(table["loss"], rel=1e-4)
        assert ours["grad_norm"] == pytest.approx(table["grad_norm"], rel=1e-3)
        assert ours["entropy"] == pytest.approx(table["entropy"], rel=1e-3)
    assert [row["loss"] for row in found["always"]] != [row["loss"] for row in found["never"]], "no tiles?"


def test_tiles_come_by_themselves_where_the_table_is_large(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    original = tiled_contrast.contrast_in_tiles
    monkeypatch.setattr(
        "contrapose.objectives.objective.contrast_in_tiles",
        lambda *given: asked.append(1) or original(*given),
    )
    run_tiny(place, tmp_path / "small", method="simcse", steps=1)
    assert asked == []
    monkeypatch.setattr(tiled_contrast, "LARGE_TABLE", 0)
    run_tiny(place, tmp_path / "large", method="simcse", steps=1)
    assert asked == [1]


def test_tiles_that_cannot_be_are_refused_before_the_first_step(place: Place, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"tiled=always: the part 'mixed-negatives' needs all pairs .* tiled=auto"
    ):
        run_tiny(place, tmp_path / "run", method="hncse-hnm", steps=2, tiled="always")
    assert not (tmp_path / "run" / "metrics.jsonl").exists()

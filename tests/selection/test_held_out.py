"""Held-out text is encoded once for each set of weights, within its budget, and a run's seconds say what it took."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.selection import budget
from contrapose.selection.held_out import weights_key
from contrapose.train import timings as clock
from contrapose.train.run_folder import read_rows
from contrapose.train.timings import seconds_by_part
from tests.train.runs import Killed, Place, Witness, outcome, run_tiny, texts

LOOKING: dict[str, Any] = {"criterion": "label-free", "blend": None}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("looks") / "many.txt"
    path.write_text("\n".join(texts(600, seed=3)))
    return path


class Seen:
    """Counts what is encoded: (weights, text) -> times, and tokens of it; tokens of training beside it."""

    def __init__(self) -> None:
        self.texts: Counter[Any] = Counter()
        self.tokens = 0
        self.trained = 0


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    seen, encode, pooled = Seen(), Encoder.encode, Encoder.pooled

    def counting(self: Encoder, wanted: Any, **options: Any) -> Any:
        key = weights_key(self)
        seen.texts.update((key, text) for text in wanted)
        seen.tokens += sum(map(len, self.token_ids(wanted)))
        return encode(self, wanted, **options)

    def training(self: Encoder, token_ids: Any, *hidden: Any) -> Any:
        if self.training:
            seen.trained += sum(map(len, token_ids))
        return pooled(self, token_ids, *hidden)

    monkeypatch.setattr(Encoder, "encode", counting)
    monkeypatch.setattr(Encoder, "pooled", training)
    return seen


def summary_of(folder: Path) -> dict[str, Any]:
    """The summary without times."""
    found = json.loads((folder / "summary.json").read_text())
    return {name: value for name, value in found.items() if "second" not in name}


@pytest.mark.parametrize("blend", [None, 0.5, 1.0])
def test_each_text_is_encoded_once_for_each_set_of_weights(
    place: Place, many: Path, tmp_path: Path, seen: Seen, blend: float | None
) -> None:
    run = run_tiny(place, tmp_path / "run", corpus=many, **LOOKING | {"blend": blend, "eval_every": 4})
    assert set(seen.texts.values()) == {1}
    weights = {key for key, _ in seen.texts}
    assert len(weights) == 4 + {None: 3, 0.5: 1, 1.0: 0}[blend], (
        "the start, three evaluations, and the blends"
    )
    assert run.summary["verdict"]["rows"] == 60


def test_stsb_is_encoded_once_for_each_set_of_weights(place: Place, tmp_path: Path, seen: Seen) -> None:
    folder = tmp_path / "senteval/STS/STSBenchmark"
    folder.mkdir(parents=True)
    lines = texts(80)
    rows = enumerate(zip(lines[:40], lines[40:], strict=True))
    (folder / "sts-dev.csv").write_text(
        "".join(f"g\tf\t2015\t{i}\t{i % 6}\t{a}\t{b}\n" for i, (a, b) in rows)
    )
    options = {
        "criterion": "stsb-dev",
        "dev_data": str(tmp_path / "senteval"),
        "blend": None,
        "eval_every": 6,
    }
    run_tiny(place, tmp_path / "run", **options)
    assert set(seen.texts.values()) == {1}
    assert len({key for key, _ in seen.texts}) == 3 + 3


@pytest.mark.parametrize("steps", [24, 48])
def test_looks_cost_at_most_a_quarter_of_training(
    place: Place, many: Path, tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr(budget, "FLOOR", 0)
    witness = Witness()
    run_tiny(place, tmp_path / "run", corpus=many, steps=steps, listener=witness, **LOOKING)
    assert seen.trained > 0
    # The tokens of a step are estimated from the first one.
    assert 0 < seen.tokens <= 1.05 * 0.25 * 3 * seen.trained
    assert list(witness.evaluations)[-1] == steps
    assert len(witness.evaluations) < 1 + 4, "evaluations gave way"


def test_without_a_budget_all_that_is_looked_at_is_little_and_what_was_asked_for_is_kept(
    place: Place, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "FLOOR", 0)
    witness = Witness()
    run = run_tiny(place, tmp_path / "run", corpus=many, steps=2, listener=witness, **LOOKING)
    assert run.summary["verdict"]["rows"] == 40
    assert list(run.summary["blend_scores"]) == ["0", "0.5", "1"]
    assert list(witness.evaluations) == [0, 2]
    witness = Witness()
    asked = {"criterion": "label-free", "blend": "auto", "eval_every": 1}
    run = run_tiny(place, tmp_path / "asked", corpus=many, steps=2, listener=witness, **asked)
    assert list(run.summary["blend_scores"]) == ["0", "0.25", "0.5", "0.75", "1"]
    assert list(witness.evaluations) == [0, 1, 2]


class KilledWhileLooking(Witness):
    """Ends the run at the look of this number (from 1), in the middle of it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.left, self.looking = number, False

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        self.looking = unit == "text"
        self.left -= self.looking

    def advance(self, count: int = 1) -> None:
        if self.looking and self.left == 0:
            raise Killed


@pytest.mark.parametrize("number", [1, 3, 4, 5, 7])
def test_a_run_that_is_killed_at_any_look_and_resumed_ends_with_the_same_bits_and_summary(
    place: Place, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Looks: 1 the start, 2 to 4 evaluations of steps 4, 8 and 12, 5 to 7 blends; fewer rows than there are."""
    monkeypatch.setattr(budget, "FLOOR", 0)
    options = LOOKING | {"corpus": many, "eval_every": 4, "blend": "auto", "save_every": 3}
    whole = run_tiny(place, tmp_path / "whole", **options)
    assert 40 <= whole.summary["verdict"]["rows"] < 60
    cut = tmp_path / "cut"
    with pytest.raises(Killed):
        run_tiny(place, cut, listener=KilledWhileLooking(number), **options)
    assert not (cut / "summary.json").exists()
    run_tiny(place, cut, resume=True, **options)
    assert outcome(cut) == outcome(whole.folder)
    assert summary_of(cut) == summary_of(whole.folder)


def test_the_seconds_of_a_run_cover_all_of_it_and_say_what_took_them(
    place: Place, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(0, 10_000_000, 10))
    monkeypatch.setattr(clock.time, "perf_counter", lambda: float(next(now)))
    run = run_tiny(place, tmp_path / "run", corpus=many, **LOOKING)
    summary = run.summary
    parts = {name: summary[name] for name in summary if name.endswith("_seconds")}
    assert set(parts) == {f"{part}_seconds" for part in
                          ("training", "looking", "blending", "saving", "preparing")}  # fmt: skip
    # Each reading of the clock is ten seconds after the one before it, so each part took ten at least.
    assert all(taken >= 10 for taken in parts.values())
    assert sum(parts.values()) <= summary["seconds"]
    assert parts["training_seconds"] == 10 * 12
    end = float(next(now))
    assert end - summary["seconds"] <= 30, "from the first reading of the clock to the last"


def test_the_seconds_of_a_resumed_run_add_up(place: Place, many: Path, tmp_path: Path) -> None:
    options = LOOKING | {"corpus": many, "save_every": 4}
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "run", listener=Witness(kill_at=8), **options)
    timings = tmp_path / "run" / "timings.jsonl"
    slow = [row | ({"seconds": 1000.0} if "seconds" in row else {}) for row in read_rows(timings)]
    timings.write_text("".join(json.dumps(row) + "\n" for row in slow))
    kept = sum(
        1000.0 for row in slow if "seconds" in row and row["step"] <= 4
    )  # saved after step 4 at the latest
    assert kept == 4000
    run = run_tiny(place, tmp_path / "run", resume=True, **options)
    assert run.summary["seconds"] >= kept
    assert run.summary["seconds"] >= sum(seconds_by_part(read_rows(timings)).values()) - 1

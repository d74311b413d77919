"""Every run ends with a verdict, and with a model that is the start, the trained encoder, or lies between."""

from __future__ import annotations

from pathlib import Path

import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.selection import criterion as select
from contrapose.selection.label_free import HARMS, HELPS, UNCLEAR
from contrapose.selection.verdict import RELIABILITY, UNCHANGED, UNJUDGED
from tests.train.runs import Place, run_tiny, texts


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verdict") / "many.txt"
    path.write_text("\n".join(texts(400, seed=5)))
    return path


def test_a_run_tells_its_verdict_with_numbers_and_what_it_is_worth(
    place: Place, many: Path, tmp_path: Path
) -> None:
    run = run_tiny(place, tmp_path / "run", corpus=many, criterion="label-free")
    verdict = run.summary["verdict"]
    assert verdict["word"] in (HELPS, UNCLEAR, HARMS)
    assert verdict["low"] <= verdict["difference"] <= verdict["high"]
    assert verdict["rows"] == 40
    right, said = RELIABILITY[verdict["word"]]
    assert f"right in {right} of {said} runs" in verdict["text"]


def test_without_held_out_text_nothing_is_judged(place: Place, tmp_path: Path) -> None:
    run = run_tiny(place, tmp_path / "run", criterion="none", blend=None)
    assert (run.summary["verdict"]["word"], run.summary["blend"]) == (UNJUDGED, 1.0)


def test_the_start_is_kept_to_the_bit_where_no_share_is_better(
    place: Place, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Encoder.load(str(place.model)).state_dict()

    def distance(self: select.LabelFree, encoder: Encoder, precision: str, **_: bool) -> dict[str, float]:
        return {
            "score": -sum(
                float((w.float() - start[n].float()).abs().sum()) for n, w in encoder.state_dict().items()
            )
        }

    monkeypatch.setattr(select.LabelFree, "measure", distance)
    run = run_tiny(place, tmp_path / "run", corpus=many, criterion="label-free", blend="auto")
    assert run.summary["blend"] == 0
    assert run.summary["verdict"]["word"] == UNCHANGED
    assert run.summary["verdict"]["happened"].startswith("Your model is unchanged")
    assert run.encoder.fingerprint() == run.summary["fingerprint"] == run.summary["start_fingerprint"]
    assert Encoder.load(str(place.model)).fingerprint() == run.summary["start_fingerprint"]
    exported = run.encoder.state_dict()
    assert all(exported[name].equal(weight) for name, weight in start.items() if name in exported)


def test_auto_is_what_happens_where_there_is_a_criterion(place: Place, many: Path, tmp_path: Path) -> None:
    run = run_tiny(place, tmp_path / "run", corpus=many, criterion="label-free", blend=None)
    scores = run.summary["blend_scores"]
    assert scores["0"] == 0
    assert scores[f"{run.summary['blend']:g}"] == max(scores.values())


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_share_is_taken_as_given(place: Place, tmp_path: Path, share: float) -> None:
    whole = run_tiny(place, tmp_path / "whole").encoder.state_dict()
    mixed = run_tiny(place, tmp_path / "mixed", blend=share).encoder.state_dict()
    start = Encoder.load(str(place.model)).state_dict()
    name = max(whole, key=lambda each: whole[each].numel())
    assert mixed[name].allclose((1 - share) * start[name] + share * whole[name], atol=1e-6)
    assert not mixed[name].equal(whole[name])


def test_auto_needs_a_criterion(place: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="blend 'auto' is chosen by the criterion"):
        run_tiny(place, tmp_path / "none", criterion="none", blend="auto")
    with pytest.raises(UsageError, match="--blend auto needs that"):
        run_tiny(place, tmp_path / "few", criterion="auto", blend="auto")
    with pytest.raises(UsageError, match="blend"):
        run_tiny(place, tmp_path / "much", blend=1.5)

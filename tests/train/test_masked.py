"""Runs with the protocol ``masked``: what is exported, what is told, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save

from contrapose.encoder.encoder import Encoder
from contrapose.errors import ResumeRefused, UsageError
from contrapose.objectives.catalogue import describe, recipe
from contrapose.train.checkpoint import load
from tests.train.runs import Killed, Place, Witness, run_tiny

OPTIONS: dict[str, Any] = {
    "method": "sparse-cse",
    "sparsity": 0.3,
    "score_sentences": 16,
    "weight_decay": 0.1,
}
MATRIX = "encoder.layer.0.output.dense.weight"


def zeros(folder: Path) -> float:
    """The share of zeros in one matrix of the exported model."""
    return float((load_file(folder / "model" / "model.safetensors")[MATRIX] == 0).float().mean())


def masks(folder: Path, step: int) -> dict[str, torch.Tensor]:
    state = load(folder / "checkpoints", step).of("protocol")
    return {
        key.removeprefix("mask/").replace("/", "."): mask for key, mask in state.items() if "mask/" in key
    }


@pytest.fixture(scope="module")
def run(place: Place, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Witness]:
    witness = Witness()
    out = tmp_path_factory.mktemp("masked") / "run"
    return run_tiny(place, out, listener=witness, save_every=1, keep=20, **OPTIONS).folder, witness


def test_masked_weights_are_zero_in_every_checkpoint_from_the_mask_on_and_in_the_model(
    run: tuple[Path, Witness],
) -> None:
    folder, _ = run
    final = masks(folder, 12)
    for step in (5, 7, 9, 12):
        saved = load(folder / "checkpoints", step)
        for name, mask in final.items():
            weight = saved.of("encoder")[name.removeprefix("encoder.")]
            if step > 6 and not mask.all():
                assert torch.equal(weight == 0, ~mask), (step, name)
            elif step < 6:
                assert (weight != 0).any()
    assert zeros(folder) == pytest.approx(0.3, abs=0.001)


def test_biases_norms_tables_and_the_head_are_left_alone(run: tuple[Path, Witness]) -> None:
    folder, _ = run
    named = set(masks(folder, 12))
    weights = load(folder / "checkpoints", 12).of("encoder")
    matrices = {f"encoder.{name}" for name, weight in weights.items() if weight.dim() == 2}
    tables = {name for name in matrices if "embeddings" in name}
    assert len(tables) == 3
    assert matrices - named == tables | {name for name in matrices if ".head." in name}
    assert any(".head." in name for name in matrices)


def test_what_was_masked_is_told_once(run: tuple[Path, Witness]) -> None:
    folder, witness = run
    told = [notice for notice in witness.notices if "set to zero" in notice]
    assert len(told) == 1
    assert told[0].startswith("before step 7, ")
    card = (folder / "model" / "README.md").read_text()
    assert "protocol: masked" in card
    assert "sparsity: 0.3" in card


def test_a_sparsity_of_zero_trains_as_simcse_does(place: Place, tmp_path: Path) -> None:
    plain = run_tiny(place, tmp_path / "plain", method="simcse", steps=4)
    masked = run_tiny(
        place, tmp_path / "masked", method="sparse-cse", sparsity=0.0, score_sentences=16, steps=4
    )
    one, other = (load_file(run.model_folder / "model.safetensors") for run in (plain, masked))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_rewound_run_goes_on_from_the_pretrained_weights(place: Place, tmp_path: Path) -> None:
    options = {**OPTIONS, "rewind": True, "learning_rate": 1e-9, "weight_decay": 0.0}
    run = run_tiny(place, tmp_path / "run", **options)
    start = Encoder.load(place.model).state_dict()
    saved = load(run.folder / "checkpoints", 12)
    steps = {value.item() for key, value in saved.optimizer.items() if key.endswith("/step")}
    assert steps == {6.0}, "the optimizer began anew"
    for name, mask in masks(run.folder, 12).items():
        weight, pretrained = (state[name.removeprefix("encoder.")] for state in (saved.of("encoder"), start))
        torch.testing.assert_close(weight, pretrained * mask, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ["focal-infonce", "hncse"])
def test_any_method_trains_under_a_mask(place: Place, tmp_path: Path, method: str) -> None:
    options = {**OPTIONS, "method": method, "parts": ("masked", "queue"), "queue_size": 20, "steps": 6}
    run = run_tiny(place, tmp_path / "run", **options)
    assert zeros(run.folder) == pytest.approx(0.3, abs=0.001)
    assert json.loads((run.folder / "run.json").read_text())["settings"]["method"]["parts"] == [
        "masked",
        "queue",
    ]


def test_the_mask_of_a_file_holds_and_a_missing_one_is_refused_before_anything(
    place: Place, tmp_path: Path
) -> None:
    shape = Encoder.load(place.model).state_dict()[f"backbone.{MATRIX}"].shape
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(0)) > 0.25
    (tmp_path / "mask.safetensors").write_bytes(save({f"backbone.{MATRIX}": mask}))
    run = run_tiny(place, tmp_path / "run", method="sparse-cse", mask_file=str(tmp_path), steps=3)
    weight = load_file(run.model_folder / "model.safetensors")[MATRIX]
    assert torch.equal(weight != 0, mask)
    with pytest.raises(UsageError, match=r"method 'sparse-cse': mask_file=.*: there is no file"):
        run_tiny(place, tmp_path / "no", method="sparse-cse", mask_file=str(tmp_path / "none"), steps=3)
    assert not (tmp_path / "no").exists()


def test_a_blend_would_fill_the_zeros_so_it_is_refused(place: Place, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"--blend 0\.5: a blend with the pretrained model would fill the weights"
    ):
        run_tiny(place, tmp_path / "run", **OPTIONS, blend=0.5)


def test_the_same_command_goes_on_and_another_blend_does_not(place: Place, tmp_path: Path) -> None:
    options = {**OPTIONS, "blend": None, "steps": 4}
    out = tmp_path / "run"
    with pytest.raises(Killed):
        run_tiny(place, out, listener=Witness(kill_at=3), save_every=1, **options)
    resumed = run_tiny(place, out, resume=True, save_every=1, **options)
    assert resumed.summary["steps"] == 4
    assert resumed.summary["blend"] == 1.0
    with pytest.raises(ResumeRefused, match=r"selection\.blend was 1\.0 and is 0\.5"):
        run_tiny(place, out, resume=True, **{**options, "blend": 0.5})


def test_the_record_says_that_it_is_a_reconstruction() -> None:
    (shown,) = describe("sparse-cse")
    assert shown["departures"][0].startswith("a reconstruction")
    assert shown["parts"] == ["simcse", "masked"]
    assert recipe("sparse-cse").protocol_class.name == "masked"

"""What a protocol may do beside changing weights: look at gradients, change them, restart the optimizer, wait."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.maths.geometry import alignment, uniformity
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded
from contrapose.train.checkpoint import load, steps_saved
from contrapose.train.inspecting import gradient_of_measure
from contrapose.train.modules import module_tree, trainable
from contrapose.train.step import StepPlan, tokenize
from tests.train.runs import Killed, Place, Witness, outcome, run_tiny, step_rows, texts
from tests.train.steps import batch_of

METHOD = Path(__file__).with_name("inspecting_method.py")
INSPECTED_AT = 5
OPTIONS: dict[str, Any] = {"method": str(METHOD), "criterion": "label-free", "eval_every": 2}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough rows to choose a checkpoint without labels."""
    path = tmp_path_factory.mktemp("many") / "many.txt"
    path.write_text("\n".join(texts(420)) + "\n")
    return path


@pytest.fixture(scope="module")
def whole(place: Place, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("inspecting") / "whole"
    return run_tiny(place, out, corpus=corpus, save_every=1, keep=20, **OPTIONS).folder


def test_a_gradient_is_that_of_the_measure_and_leaves_nothing_behind(place: Place) -> None:
    encoder = Encoder.load(place.model, dropout=0.0, head="mlp-bn").train()
    modules = module_tree(encoder, recipe("simcse").build(width=encoder.width))
    before = {name: tensor.clone() for name, tensor in modules.state_dict().items()}
    plan = StepPlan(seed=0, max_length=16, num_groups=2)
    tokenized = tokenize(encoder, batch_of(12), plan)
    given = gradient_of_measure(
        modules, encoder, tokenized, plan, lambda views: uniformity(views.of("anchor", "pooled"))
    )
    assert all(torch.equal(before[name], tensor) for name, tensor in modules.state_dict().items())
    assert not any(name.startswith("encoder.head") for name in given), "the measure is taken before the head"

    for parameter in modules.parameters():
        parameter.grad = None
    ids = encoder.token_ids(tokenized.batch.texts["anchor"], 16)
    uniformity(encoder.pooled(ids)).backward()
    expected = {name: weight.grad for name, weight in trainable(modules).items() if weight.grad is not None}
    assert expected.keys() <= given.keys()
    assert sum(gradient.abs().sum() for gradient in expected.values()) > 0
    for name, gradient in expected.items():
        torch.testing.assert_close(given[name], gradient, rtol=1e-4, atol=1e-5)


def test_gradient_caching_gives_the_same_gradients(place: Place) -> None:
    def of(chunk_size: int | None) -> Mapping[str, Tensor]:
        encoder = Encoder.load(place.model, dropout=0.0).train()
        modules = module_tree(encoder, recipe("simcse").build(width=encoder.width))
        plan = StepPlan(seed=0, max_length=16, chunk_size=chunk_size)
        tokenized = tokenize(encoder, batch_of(12), plan)
        with seeded(0):
            return gradient_of_measure(
                modules,
                encoder,
                tokenized,
                plan,
                lambda views: alignment(views.anchor, views.positive.roll(1, 0)),
            )

    whole, cached = of(None), of(3)
    assert whole.keys() == cached.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(cached[name], gradient, rtol=1e-4, atol=1e-5)


def test_inspection_happens_once_with_a_checkpoint_before_it(whole: Path) -> None:
    for step in (INSPECTED_AT, INSPECTED_AT + 1):
        state = load(whole / "checkpoints", step).of("protocol")
        assert state["calls"].item() == (0 if step == INSPECTED_AT else 1)
    state = load(whole / "checkpoints", 12).of("protocol")
    assert state["calls"].item() == 1
    assert state["slope"].abs().sum() > 0


def test_the_optimizer_restarts_where_the_protocol_says_so(whole: Path) -> None:
    steps = {
        step: {
            value.item()
            for key, value in load(whole / "checkpoints", step).optimizer.items()
            if "/step" in key
        }
        for step in (INSPECTED_AT, INSPECTED_AT + 1, 12)
    }
    assert steps == {INSPECTED_AT: {5.0}, INSPECTED_AT + 1: {1.0}, 12: {7.0}}


def test_gradients_may_be_changed_before_their_norm_is_taken(whole: Path) -> None:
    norms = {row["step"]: row["grad_norm"] for row in step_rows(whole)}
    assert norms[12] == 0.0
    assert norms[11] > 0


def test_no_checkpoint_counts_before_the_weights_may_be_exported(whole: Path) -> None:
    summary = json.loads((whole / "summary.json").read_text())
    assert summary["chosen_step"] > INSPECTED_AT
    rows = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "evaluation" in row][:3] == [0, 2, 4], (
        "they are measured all the same"
    )


@pytest.mark.parametrize("kill_at", [4, 5, 9])
def test_a_resumed_run_leaves_the_same_bytes(
    whole: Path, place: Place, corpus: Path, tmp_path: Path, kill_at: int
) -> None:
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", listener=Witness(kill_at), save_every=3, corpus=corpus, **OPTIONS)
    run_tiny(place, tmp_path / "cut", resume=True, listener=Witness(), save_every=3, corpus=corpus, **OPTIONS)
    assert outcome(tmp_path / "cut") == outcome(whole)


def test_a_checkpoint_is_written_before_an_inspection(place: Place, corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run_tiny(
            place,
            tmp_path / "cut",
            listener=Witness(INSPECTED_AT + 1),
            save_every=100,
            corpus=corpus,
            **OPTIONS,
        )
    assert INSPECTED_AT in steps_saved(tmp_path / "cut" / "checkpoints")


def test_a_blend_is_refused_where_the_protocol_forbids_it_and_none_is_made_by_itself(
    place: Place, corpus: Path, tmp_path: Path, whole: Path
) -> None:
    for blend in (0.5, "auto"):
        with pytest.raises(UsageError, match=f"--blend {blend}: it is for a test; leave --blend out"):
            run_tiny(place, tmp_path / "run", **{**OPTIONS, "corpus": corpus, "blend": blend})
        assert not (tmp_path / "run").exists()
    run = run_tiny(place, tmp_path / "run", **{**OPTIONS, "corpus": corpus, "blend": None})
    assert run.summary["blend"] == 1.0
    assert json.loads((run.folder / "run.json").read_text())["settings"]["selection"]["blend"] == 1.0
    assert outcome(run.folder)["model"] == outcome(whole)["model"]

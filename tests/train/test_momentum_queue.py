"""The slow copy of a run: it follows, reads without dropout, passes through the trained head, and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from contrapose.encoder.encoder import Encoder
from contrapose.encoder.heads import build_head
from contrapose.train.checkpoint import load
from contrapose.train.step import StepPlan, forward_backward
from tests.train.methods import ready
from tests.train.runs import Killed, Place, Witness, outcome, run_tiny
from tests.train.steps import batch_of, tokenized

OPTIONS = {"method": "esimcse", "momentum": 0.9, "momentum_queue_size": 20}


def test_its_vectors_are_those_of_the_anchors_at_rest_through_the_trained_head(place: Place) -> None:
    encoder = Encoder.load(place.model).train()
    encoder.head = build_head("mlp-bn", encoder.width).train()
    made = ready("esimcse", encoder, place.model, StepPlan(seed=0, max_length=16))
    result = forward_backward(encoder, made.objective, tokenized(encoder, 8, made.plan), made.plan)
    assert int(encoder.head[1].num_batches_tracked) == 1, "the slow copy's vectors are no batch of the norm's"
    slow = result.views.of("anchor", "momentum")
    rested = Encoder.load(place.model).eval()
    rested.head = encoder.head.eval()
    with torch.no_grad():
        pooled = rested.pooled(rested.token_ids(batch_of(8).texts["anchor"], 16))
        torch.testing.assert_close(slow, rested.head(pooled), rtol=1e-4, atol=1e-5)
    assert not slow.requires_grad


def test_a_run_goes_on_to_the_same_bytes_with_its_slow_copy_and_its_queue(
    place: Place, tmp_path: Path
) -> None:
    one = run_tiny(place, tmp_path / "one", **OPTIONS)
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", listener=Witness(kill_at=8), **OPTIONS)
    run_tiny(place, tmp_path / "cut", resume=True, **OPTIONS)
    assert outcome(tmp_path / "cut") == outcome(one.folder)
    saved = load(one.folder / "checkpoints", 12)
    queue = saved.of("objective")
    assert int(queue["parts.momentum-queue.queue.num_seen"]) == 12 * 8
    assert queue["parts.momentum-queue.queue.vectors_MD"].norm(dim=1) == pytest.approx(torch.ones(20))
    name = "backbone.encoder.layer.1.output.dense.weight"
    slow, trained = saved.of("companions")[f"changing.momentum.{name}"], saved.of("encoder")[name]
    start = Encoder.load(place.model).state_dict()[name]
    assert 0 < (slow - start).norm() < (trained - start).norm()

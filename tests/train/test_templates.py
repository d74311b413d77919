"""PromptBERT in a run: templates around all views, their bias taken away, and a model that keeps the first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.objectives.catalogue import loss, recipe
from contrapose.train.step import StepPlan, forward_backward, tokenize
from tests.train.methods import options_of
from tests.train.runs import Killed, Place, Witness, outcome, run_tiny, texts
from tests.train.steps import assert_same_gradients, batch_of, gradients


def options(place: Place, **more: Any) -> dict[str, Any]:
    return {"method": "promptbert", **options_of("promptbert", place.model), **more}


def step(place: Place, *, dropout: float = 0.0, **plan: Any) -> tuple[Any, dict[str, torch.Tensor]]:
    given = options_of("promptbert", place.model)
    objective = recipe("promptbert", (), given).build(width=32)
    templates = (given["template"], given["second_template"])
    encoder = Encoder.load(place.model, dropout=dropout, head="linear-tanh", templates=templates).train()
    made = StepPlan(seed=7, max_length=16, needs=objective.needs, **plan)
    result = forward_backward(encoder, objective, tokenize(encoder, batch_of(16), made), made)
    return result, gradients(encoder)


def test_the_loss_is_that_of_vectors_without_bias_through_the_head(place: Place) -> None:
    result, _ = step(place)
    given = options_of("promptbert", place.model)
    templates = (given["template"], given["second_template"])
    encoder = Encoder.load(place.model, head="linear-tanh", templates=templates)
    from contrapose.encoder.templates import ids_of_views, without_bias

    rows, numbers = ids_of_views(encoder, batch_of(16).texts, 16)
    vectors = without_bias(rows, [encoder.templates[number] for number in numbers], encoder.pooled)
    assert encoder.head is not None
    anchor, positive = encoder.head(vectors).detach().split(16)
    expected = loss("simcse", anchor, positive, temperature=1.0).total
    assert result.loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    raw = encoder.head(encoder.pooled(rows)).detach()
    assert (result.views.anchor - raw[:16]).abs().max() > 1e-2, "no bias was taken away"


@pytest.mark.parametrize("chunk_size", [1, 5, 16])
def test_chunks_give_the_same_loss_and_gradients(place: Place, chunk_size: int) -> None:
    whole, expected = step(place)
    chunked, got = step(place, chunk_size=chunk_size)
    assert chunked.loss.total.item() == pytest.approx(whole.loss.total.item(), rel=1e-5)
    assert_same_gradients(expected, got, within=1e-5)


def test_dropout_is_replayed_in_chunks_and_is_active(place: Place) -> None:
    kept, expected = step(place, dropout=0.1, num_groups=2)
    cached, got = step(place, dropout=0.1, chunk_size=16)
    assert torch.equal(kept.views.anchor, cached.views.anchor)
    assert_same_gradients(expected, got)
    assert not torch.equal(kept.views.anchor, step(place)[0].views.anchor)


def test_a_run_goes_on_to_the_same_bytes_and_its_model_keeps_the_first_template(
    place: Place, tmp_path: Path
) -> None:
    one = run_tiny(place, tmp_path / "one", **options(place))
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", listener=Witness(kill_at=8), **options(place))
    run_tiny(place, tmp_path / "cut", resume=True, **options(place))
    assert outcome(tmp_path / "cut") == outcome(one.folder)
    trained = Encoder.load(one.model_folder)
    assert trained.pooling == "mask"
    assert trained.tokenizer.decode(trained.token_ids(["rain"])[0]).count("[MASK]") == 1
    before = Encoder.load(place.model, templates=[options(place)["template"]])
    some = texts(4)
    assert not np.allclose(trained.encode(some), before.encode(some))
    assert trained.token_ids(some) == before.token_ids(some)


@pytest.mark.parametrize(
    "more",
    [
        {"parts": ("momentum-queue",)},
        {"parts": ("layer-negatives",), "num_layers": 1},
        {"parts": ("teacher-filter",), "chunk_size": 4},
        {"remove_template_bias": False},
    ],
)
def test_it_goes_with_inner_layers_companions_and_chunks(
    place: Place, tmp_path: Path, more: dict[str, Any]
) -> None:
    run = run_tiny(place, tmp_path / "run", **options(place, **more, steps=2))
    assert Encoder.load(run.model_folder).pooling == "mask"


def test_what_cannot_be_is_refused_before_training(place: Place, tmp_path: Path) -> None:
    for more, said in (
        ({"pooling": "avg"}, "pooling 'avg' would be ignored"),
        ({"template": "{text} means"}, r"must hold \{text\} once"),
    ):
        with pytest.raises(UsageError, match=said):
            run_tiny(place, tmp_path / "refused", **options(place, **more))
        assert not (tmp_path / "refused").exists()


def test_a_cut_below_the_length_of_the_template_is_no_obstacle_to_looking(
    place: Place, tmp_path: Path
) -> None:
    """The cut counts a text's own tokens; the template comes on top, also where the cost of a step is counted."""
    given = options(
        place, max_length=8, criterion="label-free", template="the team reads on a day in it {text} on [MASK]"
    )
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(texts(600, seed=9)))
    run = run_tiny(place, tmp_path / "run", corpus=corpus, steps=2, **given)
    assert run.summary["criterion"] == "label-free"

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contrapose.contract import Needs
from contrapose.encoder.encoder import Encoder
from contrapose.errors import MissingExtra, UsageError
from contrapose.interop.sentence_transformers import ContraposeLoss, bibtex, text_hashes
from contrapose.objectives.catalogue import all_methods, loss, recipe
from contrapose.seeds import seeded
from tests.tiny import SENTENCES, WIDTH, tiny_bert, tiny_mpnet, tiny_roberta

library = pytest.importorskip("sentence_transformers", reason="needs the extra 'st'")
losses = pytest.importorskip("sentence_transformers.losses")

ANCHORS, POSITIVES, NEGATIVES = list(SENTENCES[:5]), list(SENTENCES[5:10]), list(SENTENCES[10:15])


@pytest.fixture
def model(tmp_path: Path) -> Any:
    return sentence_transformer(tiny_bert(tmp_path / "bert"))


@pytest.fixture
def still_model(tmp_path: Path) -> Any:
    """Without dropout, so that two passes can be compared."""
    return sentence_transformer(tiny_bert(tmp_path / "bert", dropout=0.0))


def sentence_transformer(folder: Path) -> Any:
    return library.SentenceTransformer(str(folder), device="cpu")


def features(model: Any, *columns: list[str]) -> list[dict[str, torch.Tensor]]:
    tokenize = getattr(model, "preprocess", None) or model.tokenize
    return [tokenize(column) for column in columns]


def gradients(model: Any, total: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    total.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("scale", [20.0, 5.0])
@pytest.mark.parametrize(
    "columns",
    [(ANCHORS, POSITIVES), (ANCHORS, POSITIVES, NEGATIVES), (ANCHORS, POSITIVES, NEGATIVES, ANCHORS[::-1])],
)
def test_simcse_equals_multiple_negatives_ranking_loss(still_model: Any, scale: float, columns: Any) -> None:
    still_model.train()
    theirs = losses.MultipleNegativesRankingLoss(still_model, scale=scale)
    # Anchors among the negatives: the library does not strike such repeats out.
    ours = ContraposeLoss(still_model, "simcse", temperature=1 / scale, mask_repeats=False)
    their_total = theirs(features(still_model, *columns), None)
    their_gradients = gradients(still_model, their_total)
    our_total = ours(features(still_model, *columns), None)
    our_gradients = gradients(still_model, our_total)
    assert our_total.item() == pytest.approx(their_total.item(), abs=1e-5)
    assert our_gradients.keys() == their_gradients.keys()
    assert max(gradient.abs().max() for gradient in their_gradients.values()) > 1e-3
    for name, gradient in our_gradients.items():
        torch.testing.assert_close(gradient, their_gradients[name], atol=1e-5, rtol=1e-5)


def needs_only_vectors(method: str) -> bool:
    made = recipe(method)
    only = replace(made.needs, texts=()) == Needs() and not made.has_protocol
    return only and not made.method.text_parts


@pytest.mark.parametrize(
    "method", sorted(set(all_methods()) - set(filter(needs_only_vectors, all_methods())))
)
def test_a_method_that_needs_more_than_vectors_is_refused_when_the_loss_is_made(
    still_model: Any, method: str
) -> None:
    with pytest.raises(UsageError, match=f"use contrapose train --method {method}"):
        ContraposeLoss(still_model, method)


def test_a_method_with_a_training_protocol_is_refused_when_the_loss_is_made(still_model: Any) -> None:
    method = Path(__file__).parents[1] / "train" / "whole_corpus.py"
    with pytest.raises(UsageError, match=r"acts between the steps of training \(masked\).*contrapose train"):
        ContraposeLoss(still_model, str(method))


@pytest.mark.parametrize("method", sorted(filter(needs_only_vectors, all_methods())))
def test_every_method_of_vectors_alone_equals_the_loss_on_the_models_vectors(
    still_model: Any, method: str
) -> None:
    still_model.eval()
    columns = features(still_model, ANCHORS, POSITIVES, NEGATIVES)
    with torch.no_grad():
        anchor, positive, negative = (still_model(dict(column))["sentence_embedding"] for column in columns)
        expected = loss(method, anchor, positive, negative, seed=7).total
        total = ContraposeLoss(still_model, method, seed=7)(columns, None)
    assert total.shape == ()
    torch.testing.assert_close(total, expected)


def test_one_column_is_embedded_twice_under_two_dropout_masks(model: Any) -> None:
    model.train()
    ours = ContraposeLoss(model, "simcse")
    column = features(model, ANCHORS)
    with seeded(3):
        first = model(dict(column[0]))["sentence_embedding"]
        second = model(dict(column[0]))["sentence_embedding"]
    assert not torch.equal(first, second)
    with seeded(3):
        total = ours(column, None)
    torch.testing.assert_close(total, loss("simcse", first, second).total)
    assert any(gradient.abs().max() > 0 for gradient in gradients(model, total).values())


def test_one_column_without_dropout_is_refused_with_the_remedy(still_model: Any) -> None:
    still_model.train()
    with pytest.raises(UsageError, match=r"no dropout.*hidden_dropout_prob"):
        ContraposeLoss(still_model, "simcse")(features(still_model, ANCHORS), None)


def test_a_weight_for_given_negatives_is_refused_where_the_data_have_none(still_model: Any) -> None:
    weighted = ContraposeLoss(still_model, "simcse", hard_negative_weight=1.0)
    with pytest.raises(UsageError, match="hard_negative_weight=1 would be ignored"):
        weighted(features(still_model, ANCHORS, POSITIVES))
    assert weighted(features(still_model, ANCHORS, POSITIVES, NEGATIVES)).isfinite()


def test_the_features_are_not_changed(model: Any) -> None:
    columns = features(model, ANCHORS, POSITIVES)
    before = [dict(column) for column in columns]
    ContraposeLoss(model, "hncse-hnm")(columns, None)
    for column, old in zip(columns, before, strict=True):
        assert column.keys() == old.keys()
        assert all(column[name] is old[name] for name in old)


def test_repeats_are_struck_out_unless_asked_otherwise(still_model: Any) -> None:
    still_model.train()
    columns = features(still_model, ANCHORS, [POSITIVES[0], POSITIVES[0], *POSITIVES[2:]])
    masked = ContraposeLoss(still_model, "simcse")(columns, None)
    unmasked = ContraposeLoss(still_model, "simcse", mask_repeats=False)(columns, None)
    theirs = losses.MultipleNegativesRankingLoss(still_model)(columns, None)
    torch.testing.assert_close(unmasked, theirs)
    assert masked.item() < unmasked.item() - 0.01


def test_text_hashes_see_tokens_and_not_padding() -> None:
    ids = torch.tensor([[3, 4, 5], [4, 3, 5], [3, 4, 5], [3, 4, 0]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 0]])
    numbers = text_hashes(ids, mask).tolist()
    assert len(set(numbers)) == 3
    assert numbers[0] == numbers[2]
    padded = torch.nn.functional.pad(ids, (0, 40))
    assert text_hashes(padded, torch.nn.functional.pad(mask, (0, 40))).tolist() == numbers
    every_pair = torch.cartesian_prod(torch.arange(200), torch.arange(200))
    assert len(text_hashes(every_pair).unique()) == 200 * 200


def test_random_mixing_is_a_function_of_seed_and_step(still_model: Any) -> None:
    still_model.train()
    options = {"k": 3, "num_mixtures": 2, "temperature": 0.5}
    columns = features(still_model, ANCHORS, POSITIVES)

    def totals(seed: int) -> list[float]:
        ours = ContraposeLoss(still_model, "hncse-hnm", seed=seed, **options)
        return [ours(columns, None).item() for _ in range(4)]

    assert totals(0) == totals(0)
    assert totals(0) != totals(1)
    assert len(set(totals(0))) > 1


def test_only_training_with_gradients_changes_state(still_model: Any) -> None:
    ours = ContraposeLoss(still_model, "simcse", parts=["queue"], queue_size=8)
    columns = features(still_model, ANCHORS, POSITIVES)

    def state() -> dict[str, torch.Tensor]:
        return {
            name: value.clone() for name, value in ours.state_dict().items() if not name.startswith("model.")
        }

    before = state()
    still_model.eval()
    ours(columns, None)
    still_model.train()
    with torch.no_grad():
        ours(columns, None)
    assert all(torch.equal(value, before[name]) for name, value in state().items())
    ours(columns, None)
    after = state()
    assert after["num_steps"] == 1
    assert after["objective.parts.queue.num_seen"] == 5
    assert not torch.equal(
        after["objective.parts.queue.vectors_MD"], before["objective.parts.queue.vectors_MD"]
    )


def test_the_queue_holds_the_positives_of_the_steps_before(still_model: Any) -> None:
    still_model.train()
    ours = ContraposeLoss(still_model, "simcse", parts=["queue"], queue_size=8)
    plain = ContraposeLoss(still_model, "simcse")
    first, second = features(still_model, ANCHORS, POSITIVES), features(still_model, POSITIVES, NEGATIVES)
    assert ours(first, None).item() == pytest.approx(plain(first, None).item())
    # The queue now holds POSITIVES, which the second batch's anchors are: struck out for their own rows only.
    assert ours(second, None).item() > plain(second, None).item()
    queued = ours.objective.parts["queue"].vectors_MD
    expected = torch.nn.functional.normalize(still_model(dict(first[1]))["sentence_embedding"])
    torch.testing.assert_close(
        queued[3:5], expected[3:5].detach()
    )  # the oldest were pushed out by the second batch


def test_saved_state_continues_the_same_losses(still_model: Any) -> None:
    still_model.train()
    columns = features(still_model, ANCHORS, POSITIVES)

    def fresh() -> ContraposeLoss:
        return ContraposeLoss(still_model, "hncse-hnm", pool="batch+queue", pool_queue_size=7, num_mixtures=3)

    whole, cut = fresh(), fresh()
    expected = [whole(columns, None).item() for _ in range(6)]
    found = [cut(columns, None).item() for _ in range(3)]
    resumed = fresh()
    resumed.load_state_dict(cut.state_dict())
    assert found + [resumed(columns, None).item() for _ in range(3)] == expected
    assert fresh()(columns, None).item() != expected[3]  # the state decides the loss


def test_a_loss_that_is_not_finite_does_not_enter_the_queue(still_model: Any) -> None:
    still_model.train()
    ours = ContraposeLoss(still_model, "simcse", parts=["queue"], queue_size=8)
    weight = next(still_model.parameters())
    kept = weight.detach().clone()
    with torch.no_grad():
        weight.fill_(float("nan"))
    assert not torch.isfinite(ours(features(still_model, ANCHORS, POSITIVES), None))
    assert ours.objective.parts["queue"].num_filled == 0
    with torch.no_grad():
        weight.copy_(kept)
    assert torch.isfinite(ours(features(still_model, ANCHORS, POSITIVES), None))
    assert ours.objective.parts["queue"].num_filled == 5


def test_scores_are_fp32_under_autocast(still_model: Any) -> None:
    columns = features(still_model, ANCHORS, POSITIVES)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        vectors = [still_model(dict(column))["sentence_embedding"].float() for column in columns]
        total = ContraposeLoss(still_model, "simcse")(columns, None)
    assert total.dtype == torch.float32
    torch.testing.assert_close(total, loss("simcse", *vectors).total)


def test_configuration_and_citation_are_for_the_model_card(still_model: Any) -> None:
    ours = ContraposeLoss(still_model, "hncse-hnm", parts=["mixed-positive"], num_mixtures=4, seed=3)
    config = ours.get_config_dict()
    assert config["method"] == "hncse-hnm"
    assert config["parts"] == ["mixed-negatives", "mixed-positive"]
    assert (config["num_mixtures"], config["temperature"], config["seed"]) == (4, 0.05, 3)
    assert "https://arxiv.org/abs/2411.12156" in ours.citation
    for method in all_methods().values():
        entry = bibtex(method)
        assert entry.startswith(f"@misc{{{method.name}20")
        assert "title = {{" in entry
        assert entry.count("{") == entry.count("}")


def test_wrong_names_and_models_are_told(still_model: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown method 'simsce'"):
        ContraposeLoss(still_model, "simsce")
    with pytest.raises(UsageError, match="temprature"):
        ContraposeLoss(still_model, "simcse", temprature=0.1)
    with pytest.raises(UsageError, match="got Linear"):
        ContraposeLoss(torch.nn.Linear(2, 2), "simcse")
    with pytest.raises(UsageError, match="no column"):
        ContraposeLoss(still_model, "simcse")([], None)


def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtra, match=r"pip install .*'\.\[st\]'"):
        ContraposeLoss(torch.nn.Linear(2, 2), "simcse")


def test_a_truncation_for_encoding_does_not_narrow_the_queue(still_model: Any) -> None:
    still_model.truncate_dim = 4
    still_model.train()
    ours = ContraposeLoss(still_model, "simcse", parts=["queue"], queue_size=4)
    assert still_model.truncate_dim == 4
    assert ours.objective.parts["queue"].vectors_MD.shape == (4, WIDTH)
    assert torch.isfinite(ours(features(still_model, ANCHORS, POSITIVES), None))


@pytest.mark.parametrize("build", [tiny_bert, tiny_roberta, tiny_mpnet])
@pytest.mark.parametrize("pooling", ["cls", "avg"])
def test_models_of_contrapose_load_in_the_library_with_equal_vectors(
    tmp_path: Path, build: Any, pooling: str
) -> None:
    encoder = Encoder.load(build(tmp_path / "plain"), pooling=pooling)
    encoder.save(tmp_path / "saved")
    theirs = sentence_transformer(tmp_path / "saved").encode(list(SENTENCES), show_progress_bar=False)
    ours = encoder.encode(SENTENCES)
    np.testing.assert_allclose(theirs, ours, atol=1e-5)
    assert np.ptp(ours, axis=0).max() > 0.1


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("normalize", [False, True])
def test_models_of_the_library_load_in_contrapose_with_equal_vectors(
    tmp_path: Path, pooling: str, normalize: bool
) -> None:
    from sentence_transformers import models

    transformer = models.Transformer(str(tiny_bert(tmp_path / "plain")), max_seq_length=16)
    modules = [transformer, models.Pooling(WIDTH, pooling_mode=pooling)]
    modules += [models.Normalize()] if normalize else []
    theirs = library.SentenceTransformer(modules=modules, device="cpu")
    theirs.save_pretrained(str(tmp_path / "theirs"))
    encoder = Encoder.load(tmp_path / "theirs")
    expected = theirs.encode(list(SENTENCES), show_progress_bar=False)
    np.testing.assert_allclose(encoder.encode(SENTENCES), expected, atol=1e-5)
    assert (encoder.normalize, encoder.max_length) == (normalize, 16)

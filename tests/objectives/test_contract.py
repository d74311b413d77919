from __future__ import annotations

import pytest
import torch

from contrapose.contract import Columns, Companion, Needs, Part, Views, key_of, no_rows, split_key


def test_views_from_bare_tensors_name_the_negatives_in_order() -> None:
    anchor, positive, first, second = torch.randn(4, 3, 2).unbind()
    from_list = Views.pair(anchor, positive, [first, second])
    stacked = Views.pair(anchor, positive, torch.stack([first, second], dim=1))
    assert list(from_list.negatives) == list(stacked.negatives) == ["negative_1", "negative_2"]
    assert all(torch.equal(from_list.by_name[name], stacked.by_name[name]) for name in from_list.by_name)
    assert list(Views.pair(anchor, positive, first).negatives) == ["negative_1"]
    assert Views.pair(anchor, positive).negatives == {}


@pytest.mark.parametrize(
    ("views", "named"),
    [
        ((torch.zeros(3), torch.zeros(3)), "anchor"),
        ((torch.zeros(3, 2), torch.zeros(2, 2)), "positive"),
        ((torch.zeros(3, 2), torch.zeros(3, 4)), "positive"),
        ((torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(2, 2)), "negative_1"),
        ((torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(3, 2, 5)), "negative_1"),
        ((torch.zeros(3, 2), torch.zeros(3, 2), [torch.zeros(3, 2), torch.zeros(1, 2)]), "negative_2"),
    ],
)
def test_views_of_other_shapes_are_refused_by_name(views: tuple[torch.Tensor, ...], named: str) -> None:
    with pytest.raises(ValueError, match=f"view '{named}' has shape"):
        Views.pair(*views)


def test_replacing_a_view_leaves_the_batch_as_it_was() -> None:
    views = Views.pair(torch.zeros(2, 2), torch.zeros(2, 2), seed=3, step=4)
    changed = views.with_views(positive=torch.ones(2, 2), own_positive=torch.ones(2, 2))
    assert views.positive.sum() == 0
    assert "own_positive" not in views.by_name
    assert changed.positive.sum() == 4
    assert (changed.seed, changed.step, changed.num_rows) == (3, 4, 2)
    assert changed.negatives == {}


def test_repeats_are_symmetric_in_anchors_and_seen_from_each_row() -> None:
    texts = {
        "anchor": torch.tensor([1, 2, 1]),
        "positive": torch.tensor([3, 4, 5]),
        "negative_1": torch.tensor([4, 1, 9]),
    }
    views = Views(by_name={"anchor": torch.zeros(3, 2), "positive": torch.zeros(3, 2)}, text_ids=texts)
    in_batch, given = views.repeats_anchor("positive"), views.repeats_anchor("negative_1")
    assert in_batch is not None
    assert given is not None
    assert in_batch.tolist() == [[True, False, True], [False, True, False], [True, False, True]]
    assert given.tolist() == [[False, True, False], [True, False, False], [False, True, False]]


def test_without_texts_nothing_is_known_to_repeat() -> None:
    views = Views.pair(torch.zeros(2, 2), torch.zeros(2, 2))
    assert views.repeats_anchor("positive") is None
    assert views.repeats_anchor("negative_1") is None


def test_statistic_of_an_empty_selection_is_not_a_number() -> None:
    assert no_rows().isnan()


def test_a_view_of_another_source_is_read_by_its_key_and_is_no_given_negative() -> None:
    layer = torch.ones(2, 5)
    given = {key_of("anchor", -2): layer, "negative_1@-2": layer}
    views = Views.pair(torch.zeros(2, 3), torch.zeros(2, 3)).with_views(**given)
    assert torch.equal(views.of("anchor", -2), layer)
    assert views.negatives == {}
    assert split_key("negative_1@-2") == ("negative_1", "-2")
    with pytest.raises(KeyError, match="positive@teacher"):
        views.of("positive", "teacher")


def test_needs_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="-2 and below"):
        Needs(layers=(-1,))
    with pytest.raises(ValueError, match="momentum"):
        Companion(name="teacher", momentum=1.0)
    with pytest.raises(ValueError, match="names no companion"):
        Companion(name="a teacher")


def test_what_a_part_is_follows_from_the_verbs_it_overrides() -> None:
    class Both(Part):
        name, idea = "both", "Both."

        def columns(self, views: Views) -> tuple[Columns, ...]:
            return ()

        def observe(self, views: Views) -> None: ...

        def terms(self, views: Views) -> dict[str, torch.Tensor]:
            return {}

    assert Both.verbs() == {"columns", "observe", "terms"}
    assert Both.role() == "negative source, regularizer"
    assert Part.verbs() == frozenset()


@pytest.mark.parametrize(
    ("companion", "words"),
    [
        (Companion(name="teacher", source="big-model"), "teacher: big-model, frozen"),
        (Companion(name="teacher", vectors="clip.npy"), "teacher: the vectors of clip.npy"),
        (
            Companion(name="slow", momentum=0.99),
            "slow: the model that the run begins with, following the trained weights by 0.01 a step",
        ),
        (
            Companion(name="round", source="self"),
            "round: a copy of the model, renewed where the protocol says so",
        ),
    ],
)
def test_a_companion_says_who_it_is(companion: Companion, words: str) -> None:
    assert companion.about == words

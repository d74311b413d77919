"""The glue: nothing that a part holds or says is lost on the way."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from contrapose.maths.scores import Columns
from contrapose.objectives.contract import Candidates, Views
from contrapose.objectives.objective import Objective
from contrapose.objectives.simcse import simcse


class Drifting(nn.Module):
    """A mixer with a buffer, a parameter, and statistics."""

    drift: Tensor

    def __init__(self, said: str = "drifted") -> None:
        super().__init__()
        self.register_buffer("drift", torch.tensor([1.0, 0.0]))
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.said = said

    def mix(self, views: Views) -> tuple[Views, Mapping[str, Tensor]]:
        return views.with_views(positive=views.positive + self.scale * self.drift), {
            self.said: self.drift.sum()
        }


class Fixed:
    """A source of one column for all, with statistics."""

    def __init__(self, origin: str = "fixed", said: str = "fixed_mean") -> None:
        self.origin, self.said = origin, said

    def candidates(self, views: Views) -> Candidates:
        columns = Columns(origin=self.origin, vectors=torch.ones(1, 2))
        return Candidates(columns=columns, stats={self.said: torch.tensor(1.0)})

    def observe(self, views: Views) -> None: ...


VIEWS = Views.pair(torch.eye(2), torch.eye(2))


def test_what_a_mixer_holds_is_saved_moved_and_found_by_the_optimizer() -> None:
    objective = Objective(simcse, {}, mixers=[Drifting()])
    assert set(objective.state_dict()) == {"mixers.0.drift", "mixers.0.scale"}
    assert [name for name, _ in objective.named_parameters()] == ["mixers.0.scale"]
    assert objective.double().mixers[0].drift.dtype == torch.float64


def test_a_mixer_that_is_no_module_leaves_the_state_as_it_was() -> None:
    class Plain:
        def mix(self, views: Views) -> tuple[Views, Mapping[str, Tensor]]:
            return views, {}

    assert Objective(simcse, {}, sources=[Fixed()], mixers=[Plain()]).state_dict() == {}


def test_two_sources_with_columns_of_one_origin_are_refused() -> None:
    with pytest.raises(ValueError, match="'fixed'"):
        Objective(simcse, {}, sources=[Fixed(), Fixed(said="other")])(VIEWS)
    both = Objective(simcse, {}, sources=[Fixed(), Fixed("more", "other")])(VIEWS)
    assert set(both.outcome.table.origins) == {"batch", "fixed", "more"}


@pytest.mark.parametrize("name", ["fixed_mean", "accuracy"])
def test_two_statistics_of_one_name_are_refused(name: str) -> None:
    objective = Objective(simcse, {}, sources=[Fixed(said=name)], mixers=[Drifting(said="fixed_mean")])
    with pytest.raises(ValueError, match=f"'{name}'"):
        objective(VIEWS)
    assert objective(VIEWS, with_stats=False).stats == {}

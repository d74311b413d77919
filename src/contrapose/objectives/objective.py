"""The only glue: mix positives, ask the sources, call the equation, collect the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from contrapose.objectives.contract import Candidates, Equation, Loss, NegativeSource, PositiveMixer, Views
from contrapose.objectives.diagnostics import diagnostics


class Objective(nn.Module):
    """A method with its parts and numbers, ready to be called on views.

    ``state_dict`` holds all state of the sources and mixers that are modules (queues and their counters), and ``to``
    moves it. ``recipe.build`` in the catalogue makes one from names.
    """

    def __init__(
        self,
        equation: Equation,
        hyperparameters: Mapping[str, Any],
        sources: Sequence[NegativeSource] = (),
        mixers: Sequence[PositiveMixer] = (),
    ) -> None:
        super().__init__()
        self.equation = equation
        self.hyperparameters = dict(hyperparameters)
        self.sources = nn.ModuleList([source for source in sources if isinstance(source, nn.Module)])
        self.mixers = nn.ModuleList([mixer for mixer in mixers if isinstance(mixer, nn.Module)])
        self._all_sources = tuple(sources)
        self._mixers = tuple(mixers)

    def forward(self, views: Views, *, with_stats: bool = True) -> Loss:
        """Score one batch. Sources and mixers both see the unmixed views. Changes no state."""
        extra: list[Candidates] = []
        for source in self._all_sources:
            if (candidates := source.candidates(views)) is not None:
                extra.append(candidates)
        scored = views
        told: list[Mapping[str, Tensor]] = []
        for mixer in self._mixers:
            scored, mixer_stats = mixer.mix(scored)
            told.append(mixer_stats)
        outcome = self.equation(scored, extra, **self.hyperparameters)
        total = outcome.loss_B.mean()
        stats: dict[str, Tensor] = {}
        if with_stats:
            told += [candidates.stats for candidates in extra]
            stats = _together([diagnostics(views, outcome), *told])
        return Loss(total=total, terms={"contrast": total}, stats=stats, outcome=outcome)

    def observe(self, views: Views) -> None:
        """Let the sources remember an accepted step."""
        for source in self._all_sources:
            source.observe(views)


def _together(told: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """All statistics; ValueError where two parts say one name, since the log would keep one of them."""
    found: dict[str, Tensor] = {}
    for stats in told:
        if twice := found.keys() & stats.keys():
            raise ValueError(f"two parts report the statistic '{min(twice)}': give one of them another name")
        found |= stats
    return found

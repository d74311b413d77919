"""Trials that several studies want: the start, and runs that differ from the common options in a few."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from studies.measuring import Bench
from studies.setup import Planned, Setup

#: method -> the options that make it.
METHODS: Mapping[str, Mapping[str, Any]] = {
    "simcse": {"method": "simcse"},
    "focal-infonce": {"method": "focal-infonce"},
    "hncse-pm": {"method": "hncse-pm"},
    "hncse-hnm": {"method": "hncse-hnm"},
    "hncse": {"method": "hncse"},
}


def runs(
    setup: Setup,
    wanted: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]],
    *,
    elsewhere: Mapping[str, str] | None = None,
    **setting: Any,
) -> list[Planned]:
    """The start, and one run for each (factors, options); ``setting`` as :meth:`Setup.setting` takes it.

    elsewhere: as :class:`Bench` takes it.
    """
    shared = setup.setting(**setting)
    bench = Bench(shared, setup.probe, elsewhere or {})
    planned = [Planned(trial=shared.start(), measure=bench.measure)]
    for factors, options in wanted:
        trial = shared.trial(factors, setup.options(**options))
        planned.append(Planned(trial=trial, measure=bench.measure))
    return planned

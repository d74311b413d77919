"""A sweep as a table and in words: the same numbers everywhere, read once from the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contrapose.experiment.compare import difference_cells
from contrapose.experiment.ranges import Factor
from contrapose.experiment.sensitivity import Configuration, Sensitivity


def header(response: Sensitivity) -> list[str]:
    return [
        *(factor.name for factor in response.factors),
        "mean ± s",
        "to the defaults",
        "95% interval",
        "in words",
    ]


def rows(response: Sensitivity) -> list[list[str]]:
    """Configurations by their mean, highest first; those that diverged at the end."""
    ordered = sorted(
        response.configurations, key=lambda each: (not each.whole, -each.mean if each.whole else 0.0)
    )
    return [_row(response, configuration) for configuration in ordered]


def _row(response: Sensitivity, configuration: Configuration) -> list[str]:
    shown = [configuration.values[factor.name] for factor in response.factors]
    values = [f"{value:g}" if isinstance(value, float) else str(value) for value in shown]
    if not configuration.whole:
        return [*values, f"{configuration.diverged} diverged", "", "", ""]
    deviation = "" if configuration.std is None else f" ± {response.number(configuration.std)}"
    number = f"{response.number(configuration.mean)}{deviation}"
    difference = configuration.change
    if configuration.is_default:
        return [*values, number, "", "", "the defaults"]
    if response.seeds < 2 or (difference is None and response.noise is None):
        words = "one seed: unknown"
    elif difference is None:
        words = "within noise of the highest" if configuration.near else "below the highest"
    else:
        words = difference.words
    return [*values, number, *(difference_cells(difference) if difference else ("", "")), words]


def configuration_json(configuration: Configuration) -> dict[str, Any]:
    difference, change = configuration.change, None
    if difference is not None:
        change = {
            "difference": difference.change.difference,
            "interval": [difference.change.low, difference.change.high],
            "p_corrected": difference.p_corrected,
        }
    return {
        "values": dict(configuration.values),
        "scores": list(configuration.scores),
        "mean": configuration.mean if configuration.scores else None,
        "std": configuration.std,
        "diverged": configuration.diverged,
        "default": configuration.is_default,
        "within_noise_of_highest": configuration.near,
        "change_to_defaults": change,
    }


def where(factors: Sequence[Factor], chosen: Sequence[Configuration], of: Sequence[Configuration]) -> str:
    """The values that ``chosen`` take, beside those that all of ``of`` took.

    >>> t = Factor(name="t", low=0, high=9)
    >>> tried = [Configuration(values={"t": v}, scores=(1.0,), diverged=0, is_default=False) for v in (0.1, 0.2, 0.4)]
    >>> where([t], tried[:2], tried), where([t], tried, tried), where([t], tried[1:2], tried)
    ('t from 0.1 to 0.2', 't anywhere from 0.1 to 0.4', 't 0.2')
    """
    parts = []
    for factor in factors:
        mine = {setting.values[factor.name] for setting in chosen}
        every = {setting.values[factor.name] for setting in of}
        if not factor.numeric:
            parts.append(f"{factor.name} {' or '.join(str(each) for each in factor.choices if each in mine)}")
        elif len(mine) == 1:
            parts.append(f"{factor.name} {min(mine):g}")
        else:
            ends = (min(mine), max(mine))
            anywhere = "anywhere " if ends == (min(every), max(every)) else ""
            parts.append(f"{factor.name} {anywhere}from {ends[0]:g} to {ends[1]:g}")
    return ", ".join(parts)


def in_words(response: Sensitivity) -> list[str]:
    """The result in words."""
    tried = response.whole
    lines = [_region(response), _against_defaults(response)]
    if response.noise is None:
        lines.append(
            "one seed per setting: its luck is unknown, so a highest number is not a better setting; give --seeds 3"
        )
    else:
        span = max(setting.mean for setting in tried) - min(setting.mean for setting in tried)
        lines.append(
            f"the noise of one seed is {response.number(response.noise)} (standard deviation); over all settings the "
            f"means span {response.number(span)}"
        )
    if diverged := sum(setting.diverged > 0 for setting in response.configurations):
        lines.append(f"{diverged} of {len(response.configurations)} settings diverged")
    return lines


def _region(response: Sensitivity) -> str:
    tried, region = response.whole, response.region
    if not region:
        return "best region: unknown, because one seed per setting leaves the noise open"
    values = where(response.factors, region, tried)
    if len(region) == len(tried):
        return f"best region: everywhere; none of the {len(tried)} settings can be told from the highest"
    if len(region) == 1:
        return f"best region: {values}; every other setting is clearly below it"
    return f"best region: {values}; {len(region)} of {len(tried)} settings cannot be told from the highest, all there"


def _against_defaults(response: Sensitivity) -> str:
    best, default, tried = response.best, response.default, response.whole
    highest = (
        f"the highest mean, {response.number(best.mean)}, is that of {where(response.factors, [best], tried)}"
    )
    if default is None or not default.whole:
        return f"{highest}; the defaults have no number here, so nothing is said to be better than they are"
    named = f"the defaults ({where(response.factors, [default], tried)}; {response.number(default.mean)})"
    if best is default:
        return f"no setting is above {named}"
    if response.better:
        values = where(response.factors, response.better, tried)
        return f"clearly better than {named}: {len(response.better)} settings, {values}"
    if best.change is None and default.near is False:
        return f"{named} lie below the highest by more than the noise; {highest}, flattered as the best of {len(tried)}"
    within = (
        "and one seed cannot tell luck from merit" if response.seeds < 2 else "and that is within the noise"
    )
    return f"no setting is clearly better than {named}: {highest}, {within}"

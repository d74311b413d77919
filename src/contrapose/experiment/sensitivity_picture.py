"""The picture of a sweep: a line for one factor, a heat map for two, slices for more; the seeds' noise is in each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrapose.experiment.pictures import BLACK, BLUE, GREY, ORANGE, new_figure, save, tidy
from contrapose.experiment.ranges import Factor
from contrapose.experiment.sensitivity import Sensitivity, Setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Dark to light, and told apart without colour too.
COLOURS = "cividis"
#: With more values per factor a heat map is a cloud of points, not a table.
LARGEST_TABLE = 12
WORDS = "sensitivity"


def draw_sensitivity(found: Sensitivity, folder: Path, title: str, unit: str) -> list[Path]:
    """sensitivity.png and .svg; ``unit`` names the number."""
    factors, starred = found.factors, True
    if len(factors) == 2 and all(factor.numeric for factor in factors):
        figure = new_figure(7.5, 5.2)
        axes = figure.subplots()
        starred = _two(axes, found, unit)
    else:
        width = min(len(factors), 3)
        rows = -(-len(factors) // width)
        figure = new_figure(6.5 if width == 1 else 3.9 * width, 3.4 * rows + 0.6)
        panels = figure.subplots(rows, width, squeeze=False, sharey=True).ravel()
        for axes, factor in zip(panels, factors, strict=False):
            _slice(axes, found, factor)
        for axes in panels[len(factors) :]:
            axes.set_visible(False)
        for axes in panels[::width]:
            axes.set_ylabel(unit)
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    figure.supxlabel(_caption(found, starred=starred), fontsize=7.5, color=GREY)
    return save(figure, folder, WORDS)


def _caption(found: Sensitivity, *, starred: bool) -> str:
    """What the marks mean; ``starred``: the defaults lie in the picture of two factors."""
    noise = (
        "One seed per setting: the noise of seeds is unknown."
        if found.noise is None
        else f"Noise of one seed: s = {found.number(found.noise)}; {found.seeds} seeds per setting."
    )
    two = len(found.factors) == 2 and all(factor.numeric for factor in found.factors)
    marks = "Outlined: cannot be told from the highest." if two else "Blue: cannot be told from the highest."
    if not found.region:
        marks = "Which settings cannot be told from the highest is unknown, and none is marked."
    diverged = sum(not setting.whole for setting in found.settings)
    lost = f" Settings that diverged: {diverged}." if diverged else ""
    default = found.default
    if default is None or not default.whole:
        return f"{noise} {marks}{lost}"
    values = ", ".join(f"{name} {value}" for name, value in default.values.items())
    place = "an orange star" if not two or starred else "not in the picture"
    return f"{noise} {marks}{lost}\nThe defaults ({values}), {place}: {found.number(default.mean)}."


def _is_marked(found: Sensitivity, setting: Setting) -> bool:
    return any(setting is each for each in found.region)


def _two(axes: Axes, found: Sensitivity, unit: str) -> bool:
    """Draw; whether the defaults are in the picture."""
    first, second = found.factors
    tried = [s for s in found.settings if not s.is_default] or list(found.settings)
    xs = sorted({setting.values[first.name] for setting in tried})
    ys = sorted({setting.values[second.name] for setting in tried})
    table = len(xs) * len(ys) <= LARGEST_TABLE**2 and len(tried) >= 0.7 * len(xs) * len(ys)
    drawn = _table(axes, found, xs, ys) if table else _cloud(axes, found)
    axes.set_xlabel(first.name)
    axes.set_ylabel(second.name)
    assert axes.figure is not None
    axes.figure.colorbar(drawn, ax=axes, label=unit)
    default = found.default
    inside = default is not None and default.values[first.name] in xs and default.values[second.name] in ys
    return inside or not table


def _table(axes: Axes, found: Sensitivity, xs: list[Any], ys: list[Any]) -> Any:
    """One cell per setting with its mean and spread; values stand side by side, whatever lies between them."""
    from matplotlib.patches import Rectangle

    first, second = (factor.name for factor in found.factors)
    inside = [s for s in found.settings if s.values[first] in xs and s.values[second] in ys]
    grid = np.full((len(ys), len(xs)), np.nan)
    for setting in (setting for setting in inside if setting.whole):
        grid[ys.index(setting.values[second]), xs.index(setting.values[first])] = setting.mean
    drawn = axes.imshow(grid, origin="lower", cmap=COLOURS, aspect="auto")
    middle = float(np.nanmin(grid) + np.nanmax(grid)) / 2
    size = 9 if len(xs) <= 6 else 6.5
    for setting in inside:
        x, y = xs.index(setting.values[first]), ys.index(setting.values[second])
        text = found.number(setting.mean) if setting.whole else "diverged"
        if setting.std is not None:
            text += f"\n± {found.number(setting.std)}"
        colour = BLACK if setting.whole and setting.mean > middle else "white" if setting.whole else BLACK
        axes.text(x, y, text, ha="center", va="center", fontsize=size, color=colour)
        if _is_marked(found, setting):
            axes.add_patch(Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, fill=False, ec=colour, lw=1.4))
        if setting.is_default:
            axes.plot([x], [y + 0.36], "*", color=ORANGE, markersize=11, mec="white", mew=0.6)
    axes.set_xticks(range(len(xs)), [f"{x:g}" for x in xs])
    axes.set_yticks(range(len(ys)), [f"{y:g}" for y in ys])
    return drawn


def _cloud(axes: Axes, found: Sensitivity) -> Any:
    first, second = found.factors
    whole = found.whole
    x, y = ([setting.values[factor.name] for setting in whole] for factor in (first, second))
    edges = [BLACK if _is_marked(found, setting) else "none" for setting in whole]
    drawn = axes.scatter(
        x, y, c=[s.mean for s in whole], cmap=COLOURS, s=130, edgecolors=edges, linewidths=1.6
    )
    for setting in found.settings:
        at = (setting.values[first.name], setting.values[second.name])
        if not setting.whole:
            axes.plot(*at, "x", color=GREY, markersize=8)
        if setting.is_default:
            axes.plot(*at, "*", color=ORANGE, markersize=12, mec="white", mew=0.6)
    _scales(axes, first, second)
    tidy(axes)
    return drawn


def _slice(axes: Axes, found: Sensitivity, factor: Factor) -> None:
    """Every setting against one factor: mean, and the seeds as rings around it."""
    for setting in found.whole:
        x = _place(factor, setting)
        colour = BLUE if _is_marked(found, setting) else GREY
        if len(setting.scores) > 1:
            axes.plot(
                [x] * len(setting.scores), setting.scores, "o", mfc="none", mec=colour, markersize=4, zorder=2
            )
            axes.plot([x, x], [min(setting.scores), max(setting.scores)], color=colour, lw=1.0, zorder=1)
        mark, size = ("*", 13) if setting.is_default else ("o", 6)
        axes.plot(
            [x],
            [setting.mean],
            mark,
            color=ORANGE if setting.is_default else colour,
            markersize=size,
            zorder=3,
        )
    if len(found.factors) == 1 and factor.numeric:
        ordered = sorted(found.whole, key=lambda setting: setting.values[factor.name])
        axes.plot(
            [_place(factor, s) for s in ordered], [s.mean for s in ordered], color=GREY, lw=1.0, zorder=0
        )
    if factor.numeric:
        _scales(axes, factor)
    else:
        axes.set_xticks(range(len(factor.choices)), [str(choice) for choice in factor.choices])
        axes.set_xlim(-0.6, len(factor.choices) - 0.4)
    axes.set_xlabel(factor.name)
    tidy(axes)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)


def _place(factor: Factor, setting: Setting) -> Any:
    value = setting.values[factor.name]
    return value if factor.numeric else factor.choices.index(value) if value in factor.choices else -1


def _scales(axes: Axes, first: Factor, second: Factor | None = None) -> None:
    if first.log:
        axes.set_xscale("log")
    if second is not None and second.log:
        axes.set_yscale("log")

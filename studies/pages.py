"""All studies by name, and what they found as a page: question, what was run, table, figure, answer in words.

Everything is made from the rows of the ledgers: the words are chosen by the numbers, and none of the numbers is typed.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import UsageError, nearest
from contrapose.markdown_table import markdown_table
from studies import (
    ablation,
    balance,
    crosslingual,
    divergence,
    dynamics,
    mixing,
    scale,
    selection,
    sensitivity,
)
from studies.reading import noise_alone, noise_paired, rows_in, trained
from studies.runs import Setup, run_planned
from studies.study import AllRows, Panel, Study, TrialRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from contrapose.experiment.trials import TrialListener
    from contrapose.ledger import Entry
    from contrapose.listening import Listener

_MODULES = (ablation, sensitivity, dynamics, mixing, balance, scale, divergence, crosslingual, selection)
STUDIES: Mapping[str, Study] = {module.STUDY.name: module.STUDY for module in _MODULES}
PAGE, FIGURES = "studies.md", "figures"
#: Okabe and Ito's colours, the palest left out; each with a marker of its own, so that nothing hangs on colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "contrapose",
}


def study_named(name: str) -> Study:
    """Raises :class:`UsageError` for a name that no study has.

    >>> study_named("mixing").question
    'Does positive mixing really bring the positive closer to the query?'
    """
    if name not in STUDIES:
        raise UsageError(f"unknown study '{name}'{nearest(name, list(STUDIES))} Known: {', '.join(STUDIES)}")
    return STUDIES[name]


def run_study(
    name: str, setup: Setup, watcher: TrialListener | None = None, listener: Listener | None = None
) -> list[Entry]:
    """Measure what is not measured yet; the study's rows. The same call goes on where an interrupted one ended.

    Raises :class:`UsageError` for an unknown study or missing data, before anything is trained, and the errors of
    training.
    """
    study = study_named(name)
    if study.corpora:
        setup.check()
    return run_planned(name, study.plan(setup), setup.out, watcher, listener)


def rows_of_studies(folder: Path) -> AllRows:
    """Study -> its rows, of those that were run in this folder, in the order of :data:`STUDIES`."""
    return rows_in(folder, STUDIES)


def render(folder: str | Path, *, drawn: bool = True) -> dict[str, str]:
    """Path below docs/ -> content: the page of all studies, and one figure each.

    drawn: the figures too; they need matplotlib, and the page does not. A study that was not run is said to be so.
    """
    studies = rows_of_studies(Path(folder))
    files = {PAGE: page(studies)}
    for name, study in STUDIES.items():
        if drawn and (rows := _rows_for(study, studies)):
            files[figure_path(name)] = svg(study.figure(rows, studies))
    return files


def figure_path(name: str) -> str:
    """Where the figure of a study lies, below docs/."""
    return f"{FIGURES}/study-{name}.svg"


def page(studies: AllRows) -> str:
    """All studies, one section each."""
    lines = [
        "# Studies",
        "",
        "Questions that the papers leave open, answered with small runs that anyone can repeat. Made by `make docs`",
        "from `studies/results/`: the words below are chosen by the numbers, and none of the numbers is typed.",
        "",
        *_shared(studies),
    ]
    for name, study in STUDIES.items():
        lines += ["", f"## {name}", "", *section(study, studies)]
    return "\n".join(lines) + "\n"


def section(study: Study, studies: AllRows) -> list[str]:
    """One study as Markdown, without its title."""
    lines = [f"**{study.question}**", "", "```", study.command, "```", ""]
    rows = _rows_for(study, studies)
    if not rows:
        return [*lines, "Not run yet."]
    answer = study.answer(rows, studies)
    lines += [_what_was_run(rows), "", f"![{study.question}]({figure_path(study.name)})", ""]
    lines += markdown_table(answer.header, answer.table)
    return [*lines, "", *(f"- {words}" for words in answer.words)]


def _rows_for(study: Study, studies: AllRows) -> Sequence[TrialRow]:
    """The rows that a study answers from; of all studies where it reads those of others."""
    if not study.reads_others:
        return studies.get(study.name, ())
    return list({str(row["key"]): row for rows in studies.values() for row in rows}.values())


def _what_was_run(rows: Sequence[TrialRow]) -> str:
    """Runs and their time, from the rows. Those of ``selection`` are measured in shares, and only by itself."""
    runs = trained(rows) or [row for row in rows if "shares" in row["facts"]]
    failed = [row for row in rows if "failed" in row["facts"]]
    minutes = sum(float(row.get("seconds", 0.0)) for row in (*runs, *failed)) / 60
    diverged = f", {len(failed)} that diverged" if failed else ""
    return (
        f"{len(runs)} runs{diverged}; {minutes:.0f} minutes of one busy thread in all, runs shared with other studies "
        "counted in."
    )


def _shared(studies: AllRows) -> list[str]:
    """What all runs have in common, from their options; nothing where nothing was run."""
    for row in (row for rows in studies.values() for row in trained(rows)):
        options, precision = row["options"], row["facts"].get("precision", "")
        return [
            f"Unless a study says otherwise, a run trains `{options['model']}` for {options['steps']} steps of "
            f"{options['batch_size']} sentences at a learning rate of {options['learning_rate']:g}, cut at "
            f"{options['max_length']} tokens, {precision}, and its last step is judged. The score is the mean Spearman "
            "x 100 of the development splits of STS-B and SICK (2,000 pairs): no test split is touched, except by the "
            "STS17 tracks of `crosslingual` and by `selection`, which has domains, recipes and labelled tasks of its "
            "own. How far a run moved the space is measured on sentences that no run trains on.",
            "",
            "These are short runs of a small encoder that is good at STS before it is trained. They show directions "
            "and stability; they say nothing about a million sentences from BERT.",
            "",
            f"{noise_alone(studies).words} {noise_paired(studies).words} A difference within that is called no clear "
            "difference; where several are looked at together, the limit is widened for their number (Bonferroni).",
        ]
    return ["Nothing was run yet."]


def svg(panels: Sequence[Panel]) -> str:
    """The panels side by side, at most three in a row; equal panels give equal text.

    Raises ImportError where matplotlib is not installed.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    tallest = max(3.6, *(0.3 * len(panel.y_names) + 1.2 for panel in panels))
    with matplotlib.rc_context(STYLE):
        figure = Figure(
            figsize=(9.0 if columns == 1 else 5.0 * columns, tallest * rows), layout="constrained"
        )
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for each, panel in zip(axes, panels, strict=False):
            _draw(each, panel)
        for each in axes[len(panels) :]:
            each.set_visible(False)
        explained = [(each, panel) for each, panel in zip(axes, panels, strict=False) if needs_legend(panel)]
        if len(explained) == len(panels) and len({labels_of(panel) for panel in panels}) == 1:
            handles, labels = axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=min(5, len(labels)), fontsize=8)
        else:
            for each, _ in explained:
                each.legend(fontsize=7)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def labels_of(panel: Panel) -> tuple[str, ...]:
    """The names of what is drawn, in their order."""
    return tuple(marks.label for marks in panel.marks)


def needs_legend(panel: Panel) -> bool:
    """There are several marks, and the axis does not name them."""
    drawn = [marks for marks in panel.marks if any(None not in point for point in marks.points)]
    return len(drawn) > 1 and not set(labels_of(panel)) <= {
        *panel.x_names,
        *panel.y_names,
    }


def _draw(axes: Axes, panel: Panel) -> None:
    if not any(None not in point for marks in panel.marks for point in marks.points):
        axes.text(0.5, 0.5, "not run yet", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    for number, marks in enumerate(panel.marks):
        points = [point for point in marks.points if None not in point]
        x, y = [point[0] for point in points], [point[1] for point in points]
        style: Any = {
            "color": COLOURS[number % 7],
            "marker": MARKERS[(number + number // 7) % 7],
            "markersize": 5,
        }
        style["linestyle"] = "-" if marks.joined else ""
        if points and len(points[0]) > 2:
            middle: Any = x if panel.y_names else y
            bars = [
                [value - point[2] for value, point in zip(middle, points, strict=True)],
                [point[3] - value for value, point in zip(middle, points, strict=True)],
            ]
            along = "xerr" if panel.y_names else "yerr"
            axes.errorbar(x, y, label=marks.label, **{along: bars}, **style)  # type: ignore[arg-type]
        else:
            axes.plot(x, y, label=marks.label, **style)  # type: ignore[arg-type]
    if panel.band is not None and math.isfinite(panel.band[1]):
        centre, half = panel.band
        strip = axes.axvspan if panel.y_names else axes.axhspan
        strip(centre - half, centre + half, color="#D9D9D9", zorder=0, linewidth=0)
    if panel.line is not None:
        line = axes.axvline if panel.y_names else axes.axhline
        line(panel.line, color="black", linestyle="--", linewidth=1)
    for names, kind, axis, set_scale in (
        (panel.x_names, panel.x_scale, axes.xaxis, axes.set_xscale),
        (panel.y_names, panel.y_scale, axes.yaxis, axes.set_yscale),
    ):
        if names:
            axis.set_ticks(range(len(names)), list(names), fontsize=8)
        elif kind != "linear":
            set_scale(kind, **({"linthresh": 1} if kind == "symlog" else {}))
    if panel.y_names:
        axes.set_ylim(len(panel.y_names) - 0.5, -0.5)
    axes.set_title(panel.title, fontsize=10)
    axes.set_xlabel(panel.x, fontsize=9)
    axes.set_ylabel(panel.y, fontsize=9)

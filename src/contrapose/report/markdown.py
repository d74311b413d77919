"""The same facts as Markdown: readable in a terminal and on GitHub. What the page draws stands here as tables.

Whatever the template puts into the text is made plain text first: no markup, no links, no images, no HTML, nothing that
steers a terminal. Only what is :class:`Plain` goes in as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from contrapose.data.text import printable
from contrapose.markdown_table import markdown_table
from contrapose.outputs import MARKS
from contrapose.report import wording
from contrapose.report.adaptations import AdaptationFolder, Moved
from contrapose.report.page import templates, title
from contrapose.report.panels import PANELS
from contrapose.report.record import OwnText, Report, RunFacts, TrialsFolder

#: Rows of each list of sentences; the page and the JSON hold more.
MOST_ROWS = 10
#: Characters of a sentence.
LONGEST = 160

#: Inside a line these begin markup; at its beginning, those of the second pattern do. Nothing else needs a backslash.
_INSIDE = re.compile(r"([\\`*\[\]|~$]|(?<!\w)_|_(?!\w))")
_AT_START = re.compile(r"^([#+=-]|\d+[.)](?=\s|$))")
#: What GitHub would turn into a link or a mention by itself.
_LINKED = re.compile(r"(?i)(https?|ftp)(?=://)|www(?=\.)|@(?=\w)")
_JOINT = "\u200b"  # zero-width space: breaks a link without being seen


class Plain(str):
    """Markdown that needs no escaping: our own words and numbers, and what :func:`safe` made."""


def safe(text: object, limit: int = LONGEST) -> Plain:
    """``text`` as one line of plain text.

    >>> print(safe("<script> [x](javascript:1) | *b*"))
    &lt;script&gt; \\[x\\](javascript:1) \\| \\*b\\*
    >>> safe("# no heading"), safe("1. no list")
    ('\\\\# no heading', '1\\\\. no list')
    """
    if isinstance(text, Plain):
        return text
    shown = printable(text, limit)
    shown = _LINKED.sub(lambda match: match.group() + _JOINT, shown)
    shown = _AT_START.sub(_with_backslash, _INSIDE.sub(r"\\\1", shown))
    return Plain(shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def _with_backslash(match: re.Match[str]) -> str:
    """Before a sign at the beginning, and before the dot of a number."""
    mark = match.group()
    return f"{mark[:-1]}\\{mark[-1]}"


def render(report: Report) -> str:
    """The whole text."""
    environment = templates(finalize=safe)  # which makes safe what is not HTML, in place of autoescape
    environment.filters |= {"safe": safe, "plain": Plain, "shell": lambda line: Plain(printable(line, 500))}
    environment.globals |= {each.__name__: each for each in TABLES}
    text = environment.get_template("report.md.j2").render(
        report=report, title=title(report), generator=Plain(MARKS["md"])
    )
    return re.sub(r"\n{3,}", "\n\n", text) + "\n"


def _table(header: Sequence[object], rows: Iterable[Sequence[object]], numbers: int = 0) -> Plain:
    cells = [[safe(cell) for cell in row] for row in rows]
    return Plain(
        "\n".join(markdown_table([safe(cell) for cell in header], cells, numbers=numbers)) if cells else ""
    )


def score_table(run: RunFacts) -> Plain:
    """Before, after and difference of every score of one run; a single column where nothing was changed."""
    header: list[object] = [
        "task",
        "measure",
        f"before: {run.start_model}",
        f"after: {run.name}",
        "difference",
    ]
    header.append("in words")
    rows: list[list[object]] = []
    for score in run.scores:
        sides = [
            " ".join(wording.with_interval(side, score.protocol)) for side in (score.before, score.after)
        ]
        value, interval, words = wording.difference_in_words(score.difference)
        numbers = [Plain(shown.strip()) for shown in (*sides, f"{value} {interval}", words)]
        rows.append([*wording.row_name(score.task, score.metric, score.protocol), *numbers])
    if run.pretrained_kept:
        header, rows = [*header[:2], f"{run.start_model}, unchanged"], [row[:3] for row in rows]
    return _table(header, rows)


def curve_table(runs: Sequence[RunFacts]) -> Plain:
    """First, last, lowest and highest of each curve that the page shows first."""
    rows = [
        [name.replace("_", " "), run.name, *(Plain(wording.short(v)) for v in (c[0], c[-1], min(c), max(c)))]
        for panel in PANELS
        for name in panel.names
        for run in runs
        for c in (curve.values for curve in run.curves if curve.name == name)
    ]
    return _table(["statistic", "run", "first", "last", "lowest", "highest"], rows, 4)


def path_table(runs: Sequence[RunFacts]) -> Plain:
    """Alignment and uniformity at every evaluation."""
    rows = [
        [
            run.name,
            *(Plain(shown) for shown in (point.step, f"{point.alignment:.3f}", f"{point.uniformity:.3f}")),
        ]
        for run in runs
        for point in run.path
    ]
    return _table(["run", "step", "alignment", "uniformity"], rows, 3)


def cosine_table(own: OwnText, run: RunFacts) -> Plain:
    """Median cosines of each kind of pairs."""
    before = {each.kind: [Plain(f"{each.median:.3f}")] for each in own.before}
    rows = [
        [each.kind, *before.get(each.kind, []), Plain(f"{each.median:.3f}"), Plain(f"{each.pairs:,}")]
        for each in own.after
    ]
    sides = ["before", "after"] if before else ["the model" if run.pretrained_kept else "after"]
    return _table(["pairs", *sides, "how many"], rows, len(sides) + 1)


def suspect_table(own: OwnText) -> Plain:
    """The nearest pairs of different rows."""
    rows = [
        [Plain(f"{pair.after:.2f}"), own.texts[pair.first], own.texts[pair.second]]
        for pair in own.suspects[:MOST_ROWS]
    ]
    return _table(["cosine", "text", "text"], rows)


def trial_tables(folder: TrialsFolder) -> list[Plain]:
    """Every setting with its mean and spread, one table per task."""
    written = []
    for task in folder.tasks:
        rows = [
            [
                *(cell.factors.get(name) for name in folder.varied),
                Plain(wording.with_spread(cell, task.protocol)),
                Plain(wording.seeds_of(cell)),
            ]
            for cell in task.cells
        ]
        written.append(
            _table(
                [*folder.varied, f"{task.task} ({wording.METRICS.get(task.metric, task.metric)})", "over"],
                rows,
                2,
            )
        )
    return written


def question_table(adaptation: AdaptationFolder) -> Plain:
    """The questions to held-out text, before and after."""
    rows = [
        [
            each.name,
            each.measure if each.tested == each.measure else f"{each.measure}; change: {each.tested}",
            *(Plain(_told(side)) for side in (each.before, each.after)),
            _moved(each.change),
        ]
        for each in adaptation.questions
    ]
    return _table(["question", "measure", "before", "after", "change"], rows, 3)


def tried_table(adaptation: AdaptationFolder) -> Plain:
    """Every model that was tried, and what it changed."""
    names = [each.name for each in adaptation.questions]
    rows = [
        [
            f"{each.name}, taken" if each.taken else each.name,
            *(_moved(each.changes.get(name)) for name in names),
            Plain(f"{each.kept:.0%}"),
        ]
        for each in adaptation.tried
    ]
    return _table(["what was tried", *names, "general neighbours kept"], rows, len(names) + 1)


def _told(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _moved(change: Moved | None) -> Plain:
    return Plain(
        "" if change is None else f"{change.difference:+.3f} [{change.low:+.3f}, {change.high:+.3f}]"
    )


#: What the template calls, by its name.
TABLES = (
    question_table,
    tried_table,
    cosine_table,
    curve_table,
    path_table,
    score_table,
    suspect_table,
    trial_tables,
)

"""The same facts as Markdown: readable in a terminal and on GitHub. What the page draws stands here as tables.

Texts of the user are escaped so that they stay text: no markup, no links, no images, no HTML, nothing that steers a
terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from contrapose.data.text import printable
from contrapose.outputs import MARKS
from contrapose.report.how_to_read import HOW, all_unchanged, how
from contrapose.report.page import title
from contrapose.report.panels import PANELS
from contrapose.report.record import Report, RunFacts, TrialsFolder
from contrapose.report.wording import (
    changed,
    group_name,
    measured,
    over_seeds,
    row_name,
    sample_size,
    score,
    sentence,
    short,
    told,
    unblended,
)
from contrapose.selection.reported import SIGNS

#: Rows of each list of sentences; the page and the JSON hold more.
MOST_ROWS = 10
#: Characters of a sentence.
LONGEST = 160

#: Inside a line these begin markup; at its beginning, those of the second pattern do. Nothing else needs a backslash.
_INSIDE = re.compile(r"([\\`*\[\]|~$]|(?<!\w)_|_(?!\w))")
_AT_START = re.compile(r"^([#+=-]|\d+[.)])")
#: What GitHub would turn into a link or a mention by itself.
_LINKED = re.compile(r"(?i)(https?|ftp)(?=://)|www(?=\.)|@(?=\w)")
_JOINT = "\u200b"  # zero-width space: breaks a link without being seen


def safe(text: object, limit: int = LONGEST) -> str:
    """``text`` as one line of plain text.

    >>> print(safe("<script> [x](javascript:1) | *b*"))
    &lt;script&gt; \\[x\\](javascript:1) \\| \\*b\\*
    >>> safe("# no heading"), safe("1. no list")
    ('\\\\# no heading', '1\\\\. no list')
    """
    shown = printable(text, limit)
    shown = _LINKED.sub(lambda found: found.group() + _JOINT, shown)
    shown = _AT_START.sub(_with_backslash, _INSIDE.sub(r"\\\1", shown))
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _with_backslash(found: re.Match[str]) -> str:
    """Before a sign at the beginning, and before the dot of a number."""
    mark = found.group()
    return f"{mark[:-1]}\\{mark[-1]}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0) -> list[str]:
    """Lines of a table; the last ``numbers`` columns are set to the right.

    >>> print("\\n".join(table(["task", "value"], [["mqp", "1.00"]], numbers=1)))
    | task | value |
    | :-- | --: |
    | mqp | 1.00 |
    """
    rules = [":--"] * (len(heads) - numbers) + ["--:"] * numbers
    return [f"| {' | '.join(cells)} |" for cells in [heads, rules, *rows]] + [""]


def render(report: Report) -> str:
    """The whole text."""
    lines = [f"# {safe(title(report))}", "", f"contrapose {report.version}, {report.made}", ""]
    if report.runs:
        lines += ["## In short", ""]
        for run in report.runs:
            lines += _summary(run)
        lines += _scores(report) + _training(report.runs) + _paths(report.runs)
    for run in report.runs:
        if run.own is not None:
            lines += [f"## {safe(run.name)}: your text", "", f"{sample_size(run.own)}.", "", *_own(run)]
    for trials in report.trials:
        lines += _trials(trials)
    ledger = (
        f"Scores come from the ledger {safe(report.ledger, 300)}."
        if report.ledger
        else "No ledger was looked at."
    )
    return "\n".join([*lines, "---", ledger, "", MARKS["md"], ""])


def _summary(run: RunFacts) -> list[str]:
    verdict = run.verdict
    lines = [
        f"**{safe(run.name)}: {SIGNS.get(verdict.word, '●')} {safe(verdict.word)}.**",
        "",
    ]
    for part in verdict.what_happened:
        lines += [safe(part, 2000), ""]
    if verdict.advice:
        lines += [f"What to do: {safe(verdict.advice, 1000)}", ""]
    for part in [*verdict.grounds, sentence(run)]:
        lines += [safe(part, 2000), ""]
    lines += [", ".join(f"{name} {safe(value)}" for name, value in told(run)), ""]
    return lines + ([*(f"- {safe(note, 500)}" for note in run.notes), ""] if run.notes else [])


def _scores(report: Report) -> list[str]:
    lines = []
    for run in report.runs:
        if not run.scores:
            continue
        rows = []
        for found in run.scores:
            before, after = (" ".join(measured(side, found.protocol)) for side in (found.before, found.after))
            difference, interval, words = changed(found.difference)
            name, about = row_name(found.task, found.metric, found.protocol)
            rows.append([safe(name), safe(about), before, after, f"{difference} {interval}".strip(), words])
        heads = [
            "task",
            "measure",
            f"before: {safe(run.start_model)}",
            f"after: {safe(run.name)}",
            "difference",
            "in words",
        ]
        if run.pretrained_kept:
            heads, rows = [*heads[:2], f"{safe(run.start_model)}, unchanged"], [row[:3] for row in rows]
        lines += table(heads, rows)
    commands = dict.fromkeys(command for run in report.runs for command in run.commands)
    if commands:
        lines += ["To fill the table:", "", *(f"    {printable(command, 500)}" for command in commands), ""]
    heading = "Scores" if all_unchanged(report.runs) else "Before and after"
    return [f"## {heading}", "", how("scores", report.runs), "", *lines] if lines else []


def _training(runs: Sequence[RunFacts]) -> list[str]:
    rows = []
    for panel in PANELS:
        for name in panel.names:
            for run in runs:
                for curve in (curve for curve in run.curves if curve.name == name):
                    ends = [
                        short(value)
                        for value in (curve.values[0], curve.values[-1], min(curve.values), max(curve.values))
                    ]
                    rows.append([safe(name.replace("_", " ")), safe(run.name), *ends])
    heads = ["statistic", "run", "first", "last", "lowest", "highest"]
    if not rows:
        return []
    warnings = [line for run in runs if (told := unblended(run)) for line in (safe(told, 500), "")]
    return ["## Training", "", *warnings, *table(heads, rows, numbers=4)]


def _paths(runs: Sequence[RunFacts]) -> list[str]:
    rows = [
        [safe(run.name), f"{point.step}", f"{point.alignment:.3f}", f"{point.uniformity:.3f}"]
        for run in runs
        for point in run.path
    ]
    if not rows:
        return []
    heads = ["run", "step", "alignment", "uniformity"]
    return [
        "## Alignment and uniformity on held-out rows",
        "",
        "Lower is better for both.",
        "",
        *table(heads, rows, numbers=3),
    ]


def _own(run: RunFacts) -> list[str]:
    own = run.own
    assert own is not None
    before = {each.kind: each for each in own.before}
    rows = [
        [
            each.kind,
            *([f"{before[each.kind].median:.3f}"] if each.kind in before else []),
            f"{each.median:.3f}",
            f"{each.pairs:,}",
        ]
        for each in own.after
    ]
    heads = [
        "pairs",
        *(["before", "after"] if before else ["the model" if run.pretrained_kept else "after"]),
        "how many",
    ]
    lines = ["### Median cosines", "", *table(heads, rows, numbers=len(heads) - 1)]
    if own.groups:
        groups = [
            f"{safe(group_name(group.words, place))} ({group.size})" for place, group in enumerate(own.groups)
        ]
        when = "" if run.pretrained_kept else " before training"
        lines += [f"Groups{when}: {'; '.join(groups)}", ""]
    if own.kept_share is not None:
        lines += ["### Neighbours gained and lost", ""]
        lines += [f"{100 * own.kept_share:.0f}% of the {own.neighbours} nearest neighbours stayed.", ""]
        for change in own.changes[:MOST_ROWS]:
            lines += [f"- {safe(own.texts[change.text])}"]
            lines += [f"    - gained: {safe(own.texts[number])}" for number in change.gained]
            lines += [f"    - lost: {safe(own.texts[number])}" for number in change.lost]
        lines += [""]
    if own.suspects:
        lines += ["### Negatives that may be none", "", HOW["suspects"], ""]
        pairs = [
            [f"{each.after:.2f}", safe(own.texts[each.first]), safe(own.texts[each.second])]
            for each in own.suspects[:MOST_ROWS]
        ]
        lines += table(["cosine", "text", "text"], pairs)
    return lines


def _trials(trials: TrialsFolder) -> list[str]:
    lines = [f"## {safe(trials.name)}", "", f"{safe(over_seeds(trials), 500)}.", ""]
    lines += [*(f"- {safe(line, 1000)}" for line in (*trials.said, *trials.notes)), ""]
    lines += [HOW["trials"], ""]
    for task in trials.tasks:
        rows = [
            [
                *(safe(cell.factors.get(name)) for name in trials.varied),
                score(cell.mean, task.protocol)
                + (f" ± {score(cell.deviation, task.protocol)}" if cell.deviation is not None else ""),
                f"{cell.seeds}" + (f", {cell.diverged} diverged" if cell.diverged else ""),
            ]
            for cell in task.cells
        ]
        heads = [*(safe(name) for name in trials.varied), f"{safe(task.task)} ({safe(task.metric)})", "seeds"]
        lines += table(heads, rows, numbers=2)
    return lines

"""All studies by name, and what they found as a page: question, what was run, table, figure, answer in words.

Everything is made from the rows of the ledgers: the words are chosen by the numbers, and none of the numbers is typed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contrapose.cli.console import counted
from contrapose.errors import UsageError, nearest
from contrapose.markdown_table import markdown_table
from studies import (
    ablation,
    adaptation,
    balance,
    crosslingual,
    divergence,
    dynamics,
    gradients,
    ingredients,
    mixing,
    scale,
    selection,
    sensitivity,
    signals,
)
from studies.drawing import svg
from studies.reading import noise_alone, noise_paired, rows_in, trained
from studies.runs import Setup, run_planned
from studies.study import AllRows, Study, TrialRow

if TYPE_CHECKING:
    from contrapose.experiment.trials import TrialListener
    from contrapose.ledger import Entry
    from contrapose.listening import Listener

_MODULES = (
    ablation,
    ingredients,
    sensitivity,
    dynamics,
    gradients,
    mixing,
    balance,
    scale,
    divergence,
    crosslingual,
    selection,
    adaptation,
    signals,
)
STUDIES: Mapping[str, Study] = {module.STUDY.name: module.STUDY for module in _MODULES}
PAGE, FIGURES = "studies.md", "figures"
#: The start that masked language modelling made of minilm, and the folder of its studies.
SECOND = "minilm-mlm"


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

    folder: of the studies from minilm; a folder in it holds those from the second start, :data:`SECOND`.
    drawn: the figures too; they need matplotlib, and the page does not. A study that was not run is said to be so.
    """
    starts = {start: rows_of_studies(Path(folder) / start) for start in ("", SECOND)}
    files = {PAGE: page(starts[""], starts[SECOND])}
    for start, studies in starts.items():
        for name, study in STUDIES.items():
            if drawn and (rows := rows_for(study, studies)):
                files[figure_path(name, start)] = svg(study.figure(rows, studies))
    return files


def figure_path(name: str, start: str = "") -> str:
    """Where the figure of a study from a start lies, below docs/."""
    return f"{FIGURES}/study-{'-'.join(filter(None, [name, start]))}.svg"


def page(studies: AllRows, second: AllRows | None = None) -> str:
    """All studies, one section each; those from the second start after those from minilm."""
    lines = [
        "# Studies",
        "",
        "Questions that the papers leave open, answered with small runs that anyone can repeat. Made by `make docs`",
        "from `studies/results/`: the words below are chosen by the numbers, and none of the numbers is typed.",
        "Every row there names the versions it was measured with.",
        "",
        *_shared(studies),
    ]
    for name, study in STUDIES.items():
        lines += ["", f"## {name}", "", *section(study, studies)]
    if second:
        lines += ["", f"# From a start that no contrast has trained: {SECOND}", "", *_shared(second, SECOND)]
        for name, study in STUDIES.items():
            if rows_for(study, second):
                lines += ["", f"## {name}, from {SECOND}", "", *section(study, second, SECOND)]
    return "\n".join(lines) + "\n"


def section(study: Study, studies: AllRows, start: str = "") -> list[str]:
    """One study as Markdown, without its title."""
    command = (
        f"{study.command} --model {start.upper()} --out runs/studies/{start}" if start else study.command
    )
    lines = [f"**{study.question}**", "", "```", command, "```", ""]
    rows = rows_for(study, studies)
    if not rows:
        return [*lines, "Not run yet."]
    answer = study.answer(rows, studies)
    lines += [_what_was_run(rows), "", f"![{study.question}]({figure_path(study.name, start)})", ""]
    lines += markdown_table(answer.header, answer.table)
    return [*lines, "", *(f"- {words}" for words in answer.words)]


def rows_for(study: Study, studies: AllRows) -> Sequence[TrialRow]:
    """The rows that a study answers from; of all studies where it reads those of others."""
    if not study.reads_others:
        return study.usable(studies.get(study.name, ()))
    return study.usable([*{str(row["key"]): row for rows in studies.values() for row in rows}.values()])


def _what_was_run(rows: Sequence[TrialRow]) -> str:
    """Runs and their time, from the rows. Those of ``selection`` and ``adaptation`` are measured only by
    themselves."""
    runs = trained(rows) or [row for row in rows if {"shares", "word"} & set(row["facts"])]
    failed = [row for row in rows if "failed" in row["facts"]]
    minutes = sum(float(row.get("seconds", 0.0)) for row in (*runs, *failed)) / 60
    diverged = f", {len(failed)} that diverged" if failed else ""
    return (
        f"{counted(len(runs), 'run')}{diverged}; {_time(minutes)} of one busy thread in all, runs shared with other "
        "studies counted in."
    )


def _time(minutes: float) -> str:
    return counted(round(minutes), "minute") if minutes >= 1 else "less than a minute"


def _shared(studies: AllRows, start: str = "") -> list[str]:
    """What all runs from a start have in common, from their options; nothing where nothing was run."""
    for row in (row for rows in studies.values() for row in trained(rows)):
        options, precision = row["options"], row["facts"].get("precision", "")
        known = "" if start else " that is good at STS before it is trained"
        return [
            f"Unless a study says otherwise, a run trains `{start or options['model']}` for {options['steps']} steps "
            f"of {options['batch_size']} sentences at a learning rate of {options['learning_rate']:g}, cut at "
            f"{options['max_length']} tokens, {precision}, and its last step is judged. The score is the mean Spearman "
            "x 100 of the development splits of STS-B and SICK (2,000 pairs): no test split is touched, except by the "
            "STS17 tracks of `crosslingual`, by the domains of `scale`, each judged on its own labelled task, and by "
            "`selection` and `adaptation`, which have domains and labelled tasks of their own. How far a run moved the "
            "space is measured on sentences that no run trains on.",
            "",
            f"These are short runs of a small encoder{known}. They show directions and stability; they say nothing "
            "about a million sentences from BERT.",
            "",
            f"{noise_alone(studies).words} {noise_paired(studies).words} A difference within that is called no clear "
            "difference; where several are looked at together, the limit is widened for their number (Bonferroni). It "
            "is the noise of seeds, not of test pairs: all runs are judged on the same pairs.",
        ]
    return ["Nothing was run yet."]

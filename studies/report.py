"""The studies as pages: question, what was run, table, figure, answer; all made from the rows of the ledgers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from studies import figures
from studies.noise import noise_alone, noise_paired
from studies.rows import rows_in, trained
from studies.running import STUDIES
from studies.study import AllRows, Answer, Row, Study

PAGE, FIGURES = "studies.md", "figures"


def rows_of_studies(folder: Path) -> AllRows:
    """Study -> its rows, of those that were run in this folder, in the order of the registry."""
    return rows_in(folder, STUDIES)


def render(folder: str | Path, *, drawn: bool = True) -> dict[str, str]:
    """Path below docs/ -> content: the page of all studies, and one figure each.

    drawn: the figures too; they need matplotlib, and the page does not. A study that was not run is said to be so.
    """
    studies = rows_of_studies(Path(folder))
    files = {PAGE: page(studies)}
    if drawn:
        for name, study in STUDIES.items():
            if rows := _rows_for(study, studies):
                files[figure_path(name)] = figures.svg(study.figure(rows, studies))
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
    lines += markdown(answer)
    return [*lines, "", *(f"- {words}" for words in answer.words)]


def _rows_for(study: Study, studies: AllRows) -> Sequence[Row]:
    """The rows that a study answers from; of all studies where it reads those of others."""
    if not study.reads_others:
        return studies.get(study.name, ())
    return list({str(row["key"]): row for rows in studies.values() for row in rows}.values())


def markdown(answer: Answer) -> list[str]:
    """The table of an answer.

    >>> markdown(Answer(words=(), header=("a", "b"), table=(("1", "x|y"),)))
    ['| a | b |', '|---|---|', '| 1 | x\\\\|y |']
    """
    header = [f"| {' | '.join(answer.header)} |", f"|{'---|' * len(answer.header)}"]
    cells = ([cell.replace("|", "\\|") for cell in row] for row in answer.table)
    return header + [f"| {' | '.join(row)} |" for row in cells]


def _what_was_run(rows: Sequence[Row]) -> str:
    """Runs and their time, from the rows. Those of ``selection`` are measured in shares, and only by itself."""
    found = trained(rows) or [row for row in rows if "shares" in row["facts"]]
    failed = [row for row in rows if "failed" in row["facts"]]
    minutes = sum(float(row.get("seconds", 0.0)) for row in (*found, *failed)) / 60
    words = f"{len(found)} runs"
    if failed:
        words += f", {len(failed)} that diverged"
    return f"{words}; {minutes:.0f} minutes of one busy thread in all, runs shared with other studies counted in."


def _shared(studies: AllRows) -> list[str]:
    """What all runs have in common, from their options; nothing where nothing was run."""
    found = [row for rows in studies.values() for row in trained(rows)]
    if not found:
        return ["Nothing was run yet."]
    options = found[0]["options"]
    precision = found[0]["facts"].get("precision", "")
    lines = [
        f"Unless a study says otherwise, a run starts from `{options['model']}` and takes {options['steps']} steps of "
        f"{options['batch_size']} sentences at a learning rate of {options['learning_rate']:g}, cut at "
        f"{options['max_length']} tokens, {precision}, and its last step is judged. The score is the mean Spearman x "
        "100 of the development splits of STS-B and SICK (2,000 pairs): no test split is touched, except by the STS17 "
        "tracks of `crosslingual` and by `selection`, which has domains, recipes and labelled tasks of its own. How "
        "far a run moved the space is measured on sentences that no run trains on.",
        "",
        "These are short runs of a small encoder that is good at STS before it is trained. They show directions and "
        "stability; they say nothing about a million sentences from BERT.",
        "",
        f"{noise_alone(studies).words} {noise_paired(studies).words} A difference within that is called no clear "
        "difference; where several are looked at together, the limit is widened for their number (Bonferroni).",
    ]
    return lines


def written(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write what :func:`render` made below ``folder``; the paths."""
    from contrapose.storage.durable import write_text
    from contrapose.storage.syscalls import reporting

    paths = []
    for name, content in files.items():
        path = folder / name
        with reporting(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, content)
        paths.append(path)
    return paths

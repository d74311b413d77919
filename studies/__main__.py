"""``python -m studies``: the questions that the papers leave open, as experiments that are ready to run."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrapose.cli import console
from contrapose.cli.main import main
from contrapose.cli.options import Json, Quiet, examples, paragraphs
from contrapose.errors import UsageError

if TYPE_CHECKING:
    from studies.runs import Setup
    from studies.study import AllRows, Findings, Study

PROGRAM = "python -m studies"
EXAMPLES = examples(
    "python -m studies",
    "python -m studies ablation wiki.txt.gz --data data/senteval",
    "python -m studies scale wiki.txt.gz captions.txt.gz medical.txt.gz --data data/senteval",
    "python -m studies selection --data data",
    "python -m studies adaptation --data data",
    "python -m studies crosslingual wiki.txt.gz --data data/senteval --data data/sts-crosslingual --json",
)
app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def study(
    name: Annotated[
        str | None, typer.Argument(help="The study; without it all are listed.", show_default=False)
    ] = None,
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            help="Sentences to train on; further files are other domains, for scale.",
            metavar="[CORPUS]...",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="SentEval's folder; crosslingual wants STS across languages too, selection and adaptation the folder "
            "of labelled domains instead. May be given several times.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        str, typer.Option(help="Folder of all studies; processes that are given the same one share the work.")
    ] = "runs/studies",
    model: Annotated[str, typer.Option(help="The pretrained model.")] = "minilm",
    steps: Annotated[int, typer.Option(help="Steps of each run.", min=1)] = 60,
    seeds: Annotated[
        int,
        typer.Option(help="Seeds of ablation, ingredients and scale.", min=1),
    ] = 2,
    batch_size: Annotated[int, typer.Option(help="Rows per step.", min=2)] = 64,
    learning_rate: Annotated[float, typer.Option(help="Where a study does not vary it.")] = 2e-5,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Findings a question that the papers leave open, with short runs on your own sentences.

    Each run is trained, judged on the development splits of STS-B and SICK, and kept in OUT/NAME.jsonl; the same
    command goes on where it stopped, and runs that several studies want are measured once. The answer is a table, a
    figure, and words that say when a difference is no more than the noise of the seed: run the ablation first.
    """
    if name is None:
        _list(json)
        return
    from contrapose.cli.trials_view import TrialsView, watching
    from studies.pages import rows_of_studies, run_study, study_named
    from studies.runs import Setup

    chosen = study_named(name)
    if chosen.corpora and not corpus:
        raise UsageError(f"study {name} needs sentences to train on: {chosen.command}")
    setup = Setup(
        corpora=tuple(corpus or ()),
        data=tuple(data or ()),
        out=Path(out),
        model=model,
        steps=steps,
        seeds=seeds,
        batch_size=batch_size,
        learning_rate=learning_rate,
    )
    _refuse_foreign(Path(out), chosen.name)
    muted = console.muted("contrapose.evaluate.suite")
    with muted, watching(out, TrialsView(quiet=quiet or json, score=_score)) as view:
        rows = [entry.body for entry in run_study(name, setup, view, view)]
    # Other settings may lie in the same folder: the answer is made of this one's runs.
    studies = {**rows_of_studies(Path(out)), name: rows}
    answer = chosen.answer(studies[name], studies)
    files = _written(chosen, studies, Path(out))
    if json:
        console.show_json(_as_json(chosen, answer, studies, files))
        return
    show(chosen, answer)
    console.say(f"written: {', '.join(str(path) for path in files)}")
    if not quiet:
        _suggest(chosen, setup)


def show(chosen: Study, answer: Findings) -> None:
    """Question, table, answer in words."""
    console.say(chosen.question, style="bold")
    kinds = {name: "name" if column == 0 else "text" for column, name in enumerate(answer.header)}
    console.show(console.table(kinds, answer.table))
    for words in answer.words:
        console.say(words)


def _list(json: bool) -> None:
    from studies.pages import STUDIES

    if json:
        listed = [
            {"name": each.name, "question": each.question, "command": each.command}
            for each in STUDIES.values()
        ]
        console.show_json(listed)
        return
    rows = [[each.name, each.question] for each in STUDIES.values()]
    console.show(console.table({"study": "name", "question": "text"}, rows))
    console.suggest(f"{PROGRAM} ablation YOUR_TEXT.txt --data SENTEVAL")


def _score(row: Any) -> str:
    """What the line of a finished run says of it."""
    from studies.reading import points, score

    if not row["values"]:
        return "looked at"
    if score(row) is None:  # judged on tasks of its own
        return ", ".join(f"{task} {points(value['value'])}" for task, value in row["values"].items())
    return f"mean STS {points(score(row))}"


def _refuse_foreign(out: Path, name: str) -> None:
    """An answer is written anew; a user's own file of its name is not."""
    from contrapose.outputs import is_own

    answer = out / f"{name}.md"
    if answer.exists() and not (out / f"{name}.jsonl").exists() and not is_own(answer):
        raise UsageError(f"{answer} exists and was not made by contrapose: choose another --out")


def _written(chosen: Study, studies: AllRows, out: Path) -> list[Path]:
    """The answer as Markdown, and its figure where matplotlib is installed."""
    from contrapose.outputs import MARKS
    from studies.drawing import svg
    from studies.pages import figure_path, section
    from studies.runs import written

    lines = [f"# {chosen.name}", "", *section(chosen, studies), "", MARKS["md"], ""]
    files = {f"{chosen.name}.md": "\n".join(lines)}
    try:
        files[figure_path(chosen.name)] = svg(chosen.figure(studies[chosen.name], studies))
    except ImportError:
        console.tell("note: no figure, since matplotlib is missing: pip install matplotlib", style="yellow")
    return [written(out / path, content) for path, content in files.items()]


def _as_json(chosen: Study, answer: Findings, studies: AllRows, files: list[Path]) -> dict[str, Any]:
    return {
        "study": chosen.name,
        "question": chosen.question,
        "answer": list(answer.words),
        "table": [dict(zip(answer.header, row, strict=True)) for row in answer.table],
        "rows": [dict(row) for row in studies[chosen.name]],
        "files": [str(path) for path in files],
    }


def _suggest(chosen: Study, setup: Setup) -> None:
    """The ablation measures the noise of the seed, and divergence reads what all others measured."""
    from studies.pages import STUDIES

    another = "divergence" if chosen.name == "ablation" else "ablation"
    if not chosen.corpora:  # its texts and data are its own
        console.suggest(STUDIES[another].command)
        return
    defaults = {"model": "minilm", "steps": 60, "seeds": 2, "batch_size": 64, "learning_rate": 2e-5}
    changed = {name: getattr(setup, name) for name in defaults if getattr(setup, name) != defaults[name]}
    options = [
        (f"--{name.replace('_', '-')}", value) for name, value in {**changed, "out": setup.out}.items()
    ]
    given = [("--data", folder) for folder in setup.data] + options
    words = [another, *setup.corpora[:1], *(str(word) for pair in given for word in pair)]
    console.suggest(f"{PROGRAM} {shlex.join(words)}")


app.command(help=paragraphs(study.__doc__), epilog=EXAMPLES)(study)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], app, PROGRAM))

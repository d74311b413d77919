"""``contrapose adapt``: an encoder that is better on your text, proven without a label, or the start and the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrapose.cli import console
from contrapose.cli.failures import PARTIAL
from contrapose.cli.options import Columns, Device, Json, Quiet, examples, split_words
from contrapose.hints import command

if TYPE_CHECKING:
    from contrapose.adapt.api import Adaptation

EXAMPLES = examples(
    "contrapose adapt notes.txt --out runs/mine",
    "contrapose adapt handbook/ tickets.csv --out runs/mine --queries log.txt",
    "contrapose adapt --out runs/mine --resume",
)


def adapt(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            help="Text: files and folders of .txt .jsonl .csv .tsv .parquet, .md .html .eml .mbox .pdf.",
            metavar="CORPUS...",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="The folder; it gets the model in model/.", show_default=False)
    ] = None,
    queries: Annotated[
        str | None,
        typer.Option(
            help="Unlabeled queries, one per line, such as a search log.", metavar="FILE", show_default=False
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(help="Minutes for everything.")] = 10.0,
    model: Annotated[
        str, typer.Option(help="The encoder to adapt: minilm, a folder, or a hub name.")
    ] = "minilm",
    columns: Columns = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random draw.")] = 0,
    device: Device = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted one in --out ended.")
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Adapt an encoder to your text, without labels: say what the text can teach, learn it, and prove it.

    The text is sorted into pairs, documents and short texts. Each kind holds signals: titles and their texts, what a
    search by words finds, spans, neighbours. Each is learned in a short run; shares and averages of them are asked
    questions that held-out text answers by itself. The model is taken only where it is clearly better; else it is the
    one that you began with, and the reason is said.

    Exit code 3 means that it is done, and that rows could not be read.
    """
    from contrapose.adapt.api import adapt_with
    from contrapose.cli.progress import ProgressView

    settings = _settings(corpus, out, queries, minutes, model, columns, seed, device, resume=resume)
    with ProgressView(quiet=quiet or json, lines=True) as view:
        done = adapt_with(settings, resume=resume, listener=view)
    if json:
        facts = {"folder": str(done.folder), "model_folder": str(done.model_folder)}
        console.show_json({**done.outcome, **facts})
    else:
        show(done, settings.corpus)
    if done.outcome["malformed"]:
        raise typer.Exit(PARTIAL)


def _settings(
    corpus: list[str] | None,
    out: str | None,
    queries: str | None,
    minutes: float,
    model: str,
    columns: str | None,
    seed: int,
    device: str,
    *,
    resume: bool,
) -> Any:
    """What is asked; an adaptation that is resumed by its folder alone takes what it was begun with."""
    from contrapose.adapt.folder import MARK
    from contrapose.adapt.settings import AdaptSettings
    from contrapose.config import validate
    from contrapose.errors import UsageError
    from contrapose.foreign import read_json_object
    from contrapose.paths import expanded

    if out is None:
        raise UsageError("no folder: give --out FOLDER")
    given = {
        "corpus": tuple(corpus or ()),
        "out": out,
        "queries": queries,
        "columns": split_words(columns) or None,
        "model": model,
        "minutes": minutes,
        "seed": seed,
        "device": device,
    }
    if resume and not corpus and (mark := expanded(out) / MARK).is_file():
        # What is given beside is compared with what it was begun with, and not ignored.
        defaults = {name: field.default for name, field in AdaptSettings.model_fields.items()}
        changed = {name: value for name, value in given.items() if value and value != defaults[name]}
        return validate(
            AdaptSettings, {**read_json_object(mark).get("asked", {}), **changed}, where=str(mark)
        )
    if not corpus:
        raise UsageError("no corpus: give at least one file or folder of text")
    return validate(AdaptSettings, given, where="options")


def show(done: Adaptation, corpus: tuple[str, ...]) -> None:
    """One sentence; the questions before and after, alone and in a hybrid search; what was tried; what to do next."""
    outcome = done.outcome
    console.say(outcome["sentence"], style="bold green" if outcome["word"] == "better" else "bold")
    if outcome["questions"]:
        columns = {"held-out text": "text", "before": "number", "after": "number", "change": "text"}
        rows = [row for name, facts in outcome["questions"].items() for row in _rows(name, facts)]
        console.show(console.table(columns, rows))
        for tested in dict.fromkeys(facts["tested"] for facts in outcome["questions"].values()):
            console.say(f"change: {tested}")
    if outcome["options"]:
        columns = {
            "what was tried": "text",
            "share": "number",
            "gain": "number",
            "general neighbours kept": "number",
        }
        rows = [
            [
                " and ".join(option["signals"]),
                f"{option['share']:.0%}",
                f"{option['gain']:+.3f}",
                f"{option['kept']:.0%}",
            ]
            for option in outcome["options"]
        ]
        console.show(console.table(columns, rows))
        console.say("gain: mean change over the questions, in standard deviations of the start's scores")
    for name, why in outcome["left_out"].items():
        console.say(
            f"not used: {name}, since it {why}" if why.startswith("does") else f"not used: {name}: {why}"
        )
    console.say(f"It took {outcome['seconds']:.0f} s of the {outcome['minutes']:g} minutes")
    console.say(f"model: {done.model_folder}", style="bold")
    console.say_commands(_next_steps(done, outcome, corpus))


def _rows(name: str, facts: Mapping[str, Any]) -> list[list[str]]:
    def told(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    change = "" if facts["difference"] is None else (
        f"{facts['difference']:+.3f} [{facts['low']:+.3f}, {facts['high']:+.3f}]"
    )  # fmt: skip
    rows = [[name, told(facts["before"]), told(facts["after"]), change]]
    if facts["hybrid_before"] is not None:
        rows.append([f"{name}, hybrid search", told(facts["hybrid_before"]), told(facts["hybrid_after"]), ""])
    return rows


def _next_steps(done: Adaptation, outcome: Mapping[str, Any], corpus: tuple[str, ...]) -> list[str]:
    """Search with it, by words too where there are titles or documents; or evaluate it with labels."""
    hybrid = any(facts["hybrid_before"] is not None for facts in outcome["questions"].values())
    search = command("search", done.model_folder, *corpus)
    labels = "--pairs YOUR_PAIRS.csv    # or --labels, --retrieval, --tasks"
    return [
        f'{search} "what you look for"{" --hybrid" if hybrid else ""}',
        command("report", done.folder, "-o", "adapted.html"),
        f"contrapose evaluate {done.model_folder} {labels}",
    ]

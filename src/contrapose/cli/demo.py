"""``contrapose demo``: teach an encoder the language of Python's standard library, and show the difference.

    harvest the docstrings -> hold objects out -> ask the pretrained model               ("before")
                                               -> train on sentences alone -> ask it     ("sentences")
                                               -> train on natural pairs   -> ask it     ("pairs")

Both trainings start from the same pretrained model.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import contrapose
from contrapose.cli import console
from contrapose.cli.demo_folder import (
    MARK,
    RESULT,
    RUNS,
    STAGES,
    begin,
    claim,
    is_trained,
    model_of,
    write_corpora,
)
from contrapose.cli.demo_questions import SEARCHES, TASKS, ask, numbers_of, questions_of, texts_of
from contrapose.cli.demo_view import DemoView, say_what_next, show
from contrapose.cli.options import Json, Quiet, examples, split_words
from contrapose.cli.settings_options import takes_settings
from contrapose.errors import Interrupted, ResumeRefused
from contrapose.listening import Listener

if TYPE_CHECKING:
    from contrapose.data.docstring_split import Pair, Split
    from contrapose.data.harvest import HarvestStatistics

EXAMPLES = examples(
    "contrapose demo", "contrapose demo --out runs/demo --method focal-infonce --steps 50 --json"
)
#: What the recorded figures were made with; the options of the command line replace some of it.
DEFAULTS = {
    "model": "minilm", "method": "hncse-hnm", "steps": 100, "batch_size": 64, "seed": 0,
    "learning_rate": 2e-5, "max_length": 48,
}  # fmt: skip
#: A training step costs about as much as encoding so many texts per row: two views, forward and backward of each.
STEP_IN_TEXTS = 6
#: Minutes from which on the demo says how to shorten it; with its own settings it takes fewer on two idle cores.
LONG = 8


@takes_settings("model", "method", "steps", "batch_size", "seed", after="out", defaults={"steps": "100"})
def demo(
    out: Annotated[str, typer.Option(help="Folder of the demo.")] = "contrapose-demo",
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Python sources to harvest: folders, .py files, names of packages (default: stdlib).",
            metavar="PATH_OR_PACKAGE",
            show_default=False,
        ),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
    **given: Any,
) -> None:
    """Teach an encoder the language of Python's standard library, and see the difference. Takes some minutes.

    Its docstrings are harvested, some objects are held out, and the encoder is asked about those before and after
    training: on sentences alone, then on natural pairs. No network is needed. The same command continues a demo that
    was interrupted.
    """
    sources = split_words(source) or ("stdlib",)
    with DemoView(quiet=quiet, lines=True) as view:
        tell = (lambda line: None) if quiet else (lambda line: console.tell(line, style="dim"))
        result = run_demo(out, sources, view=view, tell=tell, **given)
    if json:
        console.show_json(result)
    elif quiet:
        console.say(result["model"])
    else:
        show(result)
        say_what_next(result)


def run_demo(
    out: str = "contrapose-demo",
    sources: Sequence[str] = ("stdlib",),
    *,
    view: Listener | None = None,
    tell: Callable[[str], object] = lambda line: None,
    **options: Any,
) -> dict[str, Any]:
    """Do all of it in the folder ``out``; what ``--json`` prints. An interrupted demo goes on where it was.

    view: told the stages. tell: called with lines about the text and the numbers so far. options: in place of
    :data:`DEFAULTS`. Raises :class:`UsageError` for a wrong option and a folder that is not the demo's,
    :class:`EmptyCorpus` where there are no docstrings, :class:`Interrupted` on Ctrl-C, and the errors of training.
    """
    from contrapose.objectives.catalogue import recipe
    from contrapose.outputs import check_path
    from contrapose.paths import expanded
    from contrapose.storage.durable import write_json
    from contrapose.storage.locks import RunLock
    from contrapose.train.environment import pick_device

    began, view = time.monotonic(), view or Listener()
    settings = {"out": out, **DEFAULTS, **options, "sources": list(sources)}
    check_path(out, "--out")
    recipe(settings["method"])  # an unknown one is refused before any work
    folder = expanded(out)
    claim(folder)
    with RunLock(folder), _told_how_to_go_on(out):
        statistics, split = harvest(sources, view)
        questions, library = questions_of(split), split.library()
        asked = {**settings, "text": _hash_of(split, questions, library)}
        if begin(folder, asked):
            view.notice(f"continuing the demo in {folder}")
        for line in (*statistics.lines(), *split.lines()):
            tell(line)
        write_corpora(folder, split, library)

        answers: dict[str, dict[str, Any]] = {}
        for stage, trained_on in STAGES.items():
            if stage in RUNS and not is_trained(folder, stage):
                with view.task(f"training with {settings['method']} on {stage}"):
                    train(settings, folder, stage, view)
            who = f"trained on {trained_on}" if stage in RUNS else "as it is"
            with view.task(f"asking the encoder {who}"):
                encoder = contrapose.Encoder.load(model_of(folder, stage) or settings["model"])
                loaded = time.monotonic()
                answers[stage] = ask(encoder.to(pick_device("auto")), questions, library, view)
                seconds = time.monotonic() - loaded
            scores = answers[stage]["scores"]
            means = [f"{title} {scores[task]['mrr_at_10'].mean():.3f}" for task, title in TASKS.items()]
            tell(f"{trained_on}: MRR@10 {', '.join(means)}")
            if stage == "before":
                trainings = sum(not is_trained(folder, run) for run in RUNS)
                tell(time_left(settings, seconds, len(texts_of(questions, library)), trainings))

        result = {
            "settings": settings,
            "files": statistics.files,
            "objects": statistics.objects,
            "training_sentences": len(split.sentences),
            "training_pairs": len(split.pairs),
            "held_out_objects": split.held_out_objects,
            "stages": [
                {
                    "stage": stage,
                    "model": model_of(folder, stage),
                    **numbers_of(answers[stage], answers["before"] if stage in RUNS else None),
                }
                for stage in STAGES
            ],
            "searches": [
                {"query": query, **{stage: answers[stage]["hits"][query] for stage in STAGES}}
                for query in SEARCHES
            ],
            "model": model_of(folder, "pairs"),
            "seconds": round(time.monotonic() - began, 1),
        }
        write_json(folder / RESULT, result)
        write_json(folder / MARK, {"asked": asked, "finished": True})
    return result


@contextmanager
def _told_how_to_go_on(out: str) -> Iterator[None]:
    """Ctrl-C anywhere in the demo: what is finished stays, and the same command goes on."""
    try:
        yield
    except (KeyboardInterrupt, Interrupted) as stopped:
        code = getattr(stopped, "exit_code", Interrupted.exit_code)  # Python's KeyboardInterrupt has none
        raise Interrupted(f"stopped. The same command goes on in {Path(out)}.", exit_code=code) from None


def harvest(sources: Sequence[str], view: Listener) -> tuple[HarvestStatistics, Split]:
    """The docstrings of ``sources``, parted into what is trained on and what is asked about."""
    from contrapose.data.docstring_split import split_documented
    from contrapose.data.harvest import HarvestStatistics, harvest_python

    whose = "the Python standard library" if list(sources) == ["stdlib"] else ", ".join(sources)
    with view.task(f"reading the docstrings of {whose}"):
        statistics = HarvestStatistics()
        return statistics, split_documented(harvest_python(sources, statistics=statistics))


def _hash_of(split: Split, questions: Mapping[str, Sequence[Pair]], library: Sequence[Pair]) -> str:
    """Of every text that is trained on or asked about: another Python brings other docstrings."""
    trained_on = (*(sentence.text for sentence in split.sentences), *(pair.positive for pair in split.pairs))
    texts = (*trained_on, *texts_of(questions, library))
    return hashlib.sha256(b"".join(text.encode() + b"\0" for text in texts)).hexdigest()


def train(settings: Mapping[str, Any], folder: Path, stage: str, view: Listener) -> None:
    """Train the pretrained model on the text of a stage, from a checkpoint where there is one."""
    from contrapose.storage.durable import remove_tree

    run = folder / RUNS[stage]
    options = {
        **{name: settings[name] for name in DEFAULTS},
        "views": "dropout" if stage == "sentences" else "pairs",
        "held_out_rows": 0,
        "criterion": "none",
        "save_every": max(1, settings["steps"] // 2),
        "out": run,
        "listener": view,
    }
    try:
        contrapose.train(folder / f"{stage}.parquet", resume=run.exists(), **options)
    except ResumeRefused as error:
        view.notice(f"training on {stage} starts anew: {error}")
        remove_tree(run)
        contrapose.train(folder / f"{stage}.parquet", **options)


def time_left(settings: Mapping[str, Any], asking: float, texts: int, trainings: int) -> str:
    """What is said when the pretrained model was asked: so many ``texts`` took ``asking`` seconds.

    >>> time_left(DEFAULTS, 15, 11_000, 2)
    'The rest takes about 2 minutes on this machine.'
    """
    steps = trainings * settings["steps"] * settings["batch_size"]
    minutes = max(1, round(asking * (len(RUNS) + steps * STEP_IN_TEXTS / texts) / 60))
    shorter = " Fewer --steps take less time, and show less." if minutes > LONG else ""
    return f"The rest takes about {console.counted(minutes, 'minute')} on this machine.{shorter}"

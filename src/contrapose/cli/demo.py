"""``contrapose demo``: teach an encoder the language of Python's standard library, and show the difference.

    harvest the docstrings -> hold objects out -> ask the pretrained model               ("before")
                                               -> train on sentences alone -> ask it     ("sentences")
                                               -> train on natural pairs   -> ask it     ("pairs")
                                               -> adapt to the pairs       -> ask it     ("adapted")

All start from the same pretrained model. The last is what ``contrapose adapt`` does by itself, with its own proof.
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
    WHO,
    begin,
    claim,
    is_trained,
    model_of,
    write_corpora,
)
from contrapose.cli.demo_questions import SEARCHES, TASKS, ask, numbers_of, questions_of, texts_of
from contrapose.cli.demo_training import DEFAULTS, adapt, can_adapt, time_left, train
from contrapose.cli.demo_view import DemoView, say_what_next, show
from contrapose.cli.options import Json, Quiet, examples, split_words
from contrapose.cli.settings_options import takes_settings
from contrapose.errors import Interrupted
from contrapose.listening import Listener

if TYPE_CHECKING:
    from contrapose.data.docstring_split import Pair, Split
    from contrapose.data.harvest import HarvestStatistics

EXAMPLES = examples(
    "contrapose demo", "contrapose demo --out runs/demo --method focal-infonce --steps 50 --json"
)


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
    training: on sentences alone, on natural pairs, and by contrapose adapt. No network is needed. The same command
    continues a demo that was interrupted.
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
        stages = {
            stage: name for stage, name in STAGES.items() if stage != "adapted" or can_adapt(split, tell)
        }
        for stage, name in stages.items():
            if stage == "adapted" and not is_trained(folder, stage):
                with view.task("adapting to the pairs"):
                    adapt(settings, folder, view)
            elif stage in RUNS and not is_trained(folder, stage):
                with view.task(f"training with {settings['method']} on {stage}"):
                    train(settings, folder, stage, view)
            with view.task(f"asking the encoder {WHO[stage]}"):
                encoder = contrapose.Encoder.load(model_of(folder, stage) or settings["model"])
                loaded = time.monotonic()
                answers[stage] = ask(encoder.to(pick_device("auto")), questions, library, view)
                seconds = time.monotonic() - loaded
            scores = answers[stage]["scores"]
            means = [f"{title} {scores[task]['mrr_at_10'].mean():.3f}" for task, title in TASKS.items()]
            tell(f"{name}: MRR@10 {', '.join(means)}")
            if stage == "before":
                left = [run for run in RUNS if run in stages and not is_trained(folder, run)]
                tell(time_left(settings, seconds, len(texts_of(questions, library)), left))

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
                for stage in stages
            ],
            "searches": [
                {"query": query, **{stage: answers[stage]["hits"][query] for stage in stages}}
                for query in SEARCHES
            ],
            "model": model_of(folder, list(stages)[-1]),
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

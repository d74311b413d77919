"""``contrapose demo``: teach an encoder the language of Python's standard library, and show the difference.

    harvest the docstrings -> hold objects out -> ask the pretrained model               ("before")
                                               -> train on sentences alone -> ask it     ("sentences")
                                               -> train on natural pairs   -> ask it     ("pairs")

Both trainings start from the same pretrained model. Everything lies in one folder:

    demo.json               what was asked, and whether it came to its end: the mark of a folder that is the demo's
    sentences.parquet       the training sentences            pairs.parquet      the training pairs
    library.parquet         every public object's first line, to search in
    trained-on-sentences/   a run folder, model/ in it        trained-on-pairs/  the same
    result.json             all numbers, as --json prints them

An unfinished demo is continued when the same is asked again; a finished one, or one that was asked something else, is
started anew. Only what the demo itself wrote is deleted, and a folder without its mark is never touched.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import contrapose
from contrapose.cli import console
from contrapose.cli.options import Json, Quiet, examples, split_words
from contrapose.cli.progress import ProgressView
from contrapose.cli.settings_options import takes_settings
from contrapose.errors import EmptyCorpus, Interrupted, ResumeRefused, UsageError
from contrapose.hints import YOUR_TEXT, command, free_folder
from contrapose.listening import Listener

if TYPE_CHECKING:
    from contrapose.data.docstring_split import Pair, Split
    from contrapose.data.harvest import HarvestStatistics
    from contrapose.evaluate.encoding import Encodes

EXAMPLES = examples(
    "contrapose demo", "contrapose demo --out runs/demo --method focal-infonce --steps 50 --json"
)
#: What the recorded figures were made with; the options of the command line replace some of it.
DEFAULTS = {
    "model": "minilm", "method": "hncse-hnm", "steps": 100, "batch_size": 64, "seed": 0,
    "learning_rate": 2e-5, "max_length": 48,
}  # fmt: skip
#: The stages, in order, by what the encoder was trained on; the run folder of each.
STAGES = {"before": "before", "sentences": "sentences alone", "pairs": "natural pairs"}
RUNS = {"sentences": "trained-on-sentences", "pairs": "trained-on-pairs"}
MARK, RESULT, LIBRARY = "demo.json", "result.json", "library.parquet"

#: Task -> what it is called. Each question is about a held-out object and has one right answer among all of its task.
TASKS = {"description": "first line -> rest of the description", "name": "name in words -> first line"}
METRICS = {"mrr_at_10": "MRR@10", "accuracy_at_1": "accuracy@1"}
GEOMETRY = {
    "alignment": "lower is better",
    "uniformity": "lower is better",
    "mean_cosine": "0 is best",
    "effective_rank": "higher is better",
}
#: Searches without a right answer, for a person to look at, and how many hits are shown. Fixed before any result was
#: looked at.
SEARCHES = (
    "sort a list in place",
    "open a file for reading",
    "run a command and capture its output",
    "remove whitespace from both ends",
    "parse a date from text",
    "make a temporary folder that deletes itself",
)
HITS = 3

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


class DemoView(ProgressView):
    """A training is one bar of the demo, as an evaluation is: without the lines that ``contrapose train`` prints."""

    def started(self, first_step: int, num_steps: int, facts: Mapping[str, Any]) -> None:
        self.begin("training", num_steps - first_step, "step")

    def stepped(self, step: int, row: Mapping[str, Any]) -> None:
        self.advance()

    def finished(self, summary: Mapping[str, Any]) -> None:
        self.end()


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
            "stages": [numbers_of(stage, answers, folder) for stage in STAGES],
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


def claim(folder: Path) -> None:
    """Make the folder, or see that it is the demo's; raises :class:`UsageError` where it is somebody else's."""
    from contrapose.train.claim import make_folder

    make_folder(folder)
    others = sorted(each.name for each in folder.iterdir() if not each.name.startswith(".contrapose-"))
    if others and MARK not in others and others != ["run.lock"]:
        raise UsageError(
            f"{folder} holds files that are not the demo's ({', '.join(others[:3])}): "
            "choose another folder with --out"
        )


def begin(folder: Path, asked: Mapping[str, Any]) -> bool:
    """True where an unfinished demo of the same is continued; otherwise what an earlier one left is deleted."""
    from contrapose.foreign import read_json_object
    from contrapose.storage.durable import remove_tree, write_json

    try:
        mark = read_json_object(folder / MARK)
    except (OSError, ValueError):
        mark = {}
    if mark.get("asked") == asked and not mark.get("finished"):
        return True
    (folder / RESULT).unlink(missing_ok=True)
    for run in RUNS.values():
        remove_tree(folder / run)
    write_json(folder / MARK, {"asked": dict(asked), "finished": False})
    return False


def is_trained(folder: Path, stage: str) -> bool:
    """Whether the run of a stage is complete; its summary is written after its model."""
    return all((folder / RUNS[stage] / name).exists() for name in ("summary.json", "model"))


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


def questions_of(split: Split) -> dict[str, tuple[Pair, ...]]:
    """Task -> pairs of a question and its right answer; raises :class:`EmptyCorpus` where too little is held out."""
    questions = {"description": split.description_questions, "name": split.name_questions}
    for task, pairs in questions.items():
        if len(pairs) < 2:
            raise EmptyCorpus(f"too few documented objects: {len(pairs)} queries '{TASKS[task]}'")
    return questions


def texts_of(questions: Mapping[str, Sequence[Pair]], library: Sequence[Pair]) -> list[str]:
    """Every distinct text that must be encoded."""
    asked = [text for pairs in questions.values() for pair in pairs for text in (pair.anchor, pair.positive)]
    return list(dict.fromkeys([*asked, *SEARCHES, *(pair.positive for pair in library)]))


def _hash_of(split: Split, questions: Mapping[str, Sequence[Pair]], library: Sequence[Pair]) -> str:
    """Of every text that is trained on or asked about: another Python brings other docstrings."""
    trained_on = (*(sentence.text for sentence in split.sentences), *(pair.positive for pair in split.pairs))
    texts = (*trained_on, *texts_of(questions, library))
    return hashlib.sha256(b"".join(text.encode() + b"\0" for text in texts)).hexdigest()


def write_corpora(folder: Path, split: Split, library: Sequence[Pair]) -> None:
    """Written anew when continuing: the bytes are the same."""
    from contrapose.data.harvest_table import pair_rows, sentence_rows, write_parquet

    write_parquet(folder / "sentences.parquet", sentence_rows(split))
    write_parquet(folder / "pairs.parquet", pair_rows(split.pairs))
    first_lines = {"text": [pair.positive for pair in library], "name": [pair.name for pair in library]}
    write_parquet(folder / LIBRARY, first_lines)


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


def model_of(folder: Path, stage: str) -> str | None:
    """The model that a training left; None for the pretrained one."""
    return str(folder / RUNS[stage] / "model") if stage in RUNS else None


def ask(
    encoder: Encodes,
    questions: Mapping[str, Sequence[Pair]],
    library: Sequence[Pair],
    view: Listener | None = None,
) -> dict[str, Any]:
    """Let an encoder answer; every distinct text is encoded once, in bf16 where the machine computes in it.

    scores: task -> metric -> (N,) one per question; geometry: of the held-out texts; hits: search -> the best of
    the library; fingerprint: of the encoder.
    """
    from contrapose.evaluate import retrieval_pairs
    from contrapose.evaluate.encoding import encode_once
    from contrapose.evaluate.geometry import GeometryTask
    from contrapose.maths.nearest import nearest
    from contrapose.train.environment import pick_precision

    device = getattr(encoder, "device", None)  # a plain function has none, and no precision either
    precision = None if device is None else "bf16" if pick_precision("auto", device) else "fp32"
    encodings = encode_once(encoder, texts_of(questions, library), precision=precision, progress=view)
    best = nearest(encodings.of(SEARCHES), encodings.of([pair.positive for pair in library]), HITS)
    pairs = {task: [(pair.anchor, pair.positive) for pair in asked] for task, asked in questions.items()}
    ranks = {task: retrieval_pairs.ranks_of_answers(encodings, asked) for task, asked in pairs.items()}
    geometry = replace(GeometryTask.on_texts([], pairs["description"]), intervals=False).score(encodings)
    return {
        "fingerprint": encodings.model,
        "scores": {
            task: {metric: getattr(retrieval_pairs, metric)(ranks_N) for metric in METRICS}
            for task, ranks_N in ranks.items()
        },
        "geometry": {each.metric: each.value for each in geometry},
        "hits": {
            query: [
                {"name": library[row].name, "text": library[row].positive, "cosine": round(float(cosine), 4)}
                for row, cosine in zip(rows, cosines, strict=True)
            ]
            for query, rows, cosines in zip(SEARCHES, best.rows_QK, best.scores_QK, strict=True)
        },
    }


def time_left(settings: Mapping[str, Any], asking: float, texts: int, trainings: int) -> str:
    """What is said when the pretrained model was asked: so many ``texts`` took ``asking`` seconds.

    >>> time_left(DEFAULTS, 15, 11_000, 2)
    'The rest takes about 2 minutes on this machine.'
    """
    steps = trainings * settings["steps"] * settings["batch_size"]
    minutes = max(1, round(asking * (len(RUNS) + steps * STEP_IN_TEXTS / texts) / 60))
    shorter = " Fewer --steps take less time, and show less." if minutes > LONG else ""
    return f"The rest takes about {console.counted(minutes, 'minute')} on this machine.{shorter}"


def numbers_of(stage: str, answers: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, Any]:
    """A stage as plain data: every metric with its interval and, once trained, its paired test against before."""
    from contrapose.evaluate.statistics import bootstrap_interval, in_words, paired_test

    tasks: dict[str, dict[str, Any]] = {}
    for task, metrics in answers[stage]["scores"].items():
        tasks[task] = {"questions": len(metrics["mrr_at_10"])}
        for metric, scores_N in metrics.items():
            interval = bootstrap_interval(scores_N)
            number: dict[str, Any] = {"value": interval.estimate, "low": interval.low, "high": interval.high}
            if stage in RUNS:
                test = paired_test(answers["before"]["scores"][task][metric], scores_N)
                versus = {name: getattr(test, name) for name in ("difference", "low", "high", "p_value")}
                number["vs_before"] = {**versus, "verdict": in_words(test)}
            tasks[task][metric] = number
    return {
        "stage": stage, "model": model_of(folder, stage), "fingerprint": answers[stage]["fingerprint"], **tasks,
        "geometry": answers[stage]["geometry"],
    }  # fmt: skip


def show(result: Mapping[str, Any]) -> None:
    """The numbers before and after, with words; the geometry; the searches side by side."""
    stages = {stage["stage"]: stage for stage in result["stages"]}
    for task, title in TASKS.items():
        heads = {"": "name", **{f"{name} [95% interval]": "number" for name in METRICS.values()}}
        rows = [
            [STAGES[name], *(_interval(stage[task][metric]) for metric in METRICS)]
            for name, stage in stages.items()
        ]
        held_out = f"{title}: {stages['before'][task]['questions']:,} held-out questions"
        console.show(console.table(heads, rows, title=held_out))
        for name in RUNS:
            console.say(told(f"Trained on {STAGES[name]}", stages[name][task]["mrr_at_10"]["vs_before"]))
        console.say()
    heads = {"": "name", **{STAGES[name]: "number" for name in stages}, " ": "text"}
    rows = [
        [name.replace("_", " "), *(f"{stage['geometry'][name]:.2f}" for stage in stages.values()), meaning]
        for name, meaning in GEOMETRY.items()
    ]
    console.show(console.table(heads, rows, title="geometry of the held-out texts"))
    console.say("searches over the first lines of public objects", style="bold")
    heads = {"before": "text", f"trained on {STAGES['pairs']}": "text"}
    for search in result["searches"]:
        known = {hit["name"] for hit in search["before"]}
        rows = [
            [_hit(before, known), _hit(after, known)]
            for before, after in zip(search["before"], search["pairs"], strict=True)
        ]
        console.show(console.table(heads, rows, title=f'"{search["query"]}"'))
    console.say(
        "+ was not among the first hits before. Most of these first lines were trained on, as your own text would be; "
        "the numbers above are from held-out objects only."
    )


def _interval(number: Mapping[str, float]) -> str:
    return f"{number['value']:.3f} [{number['low']:.3f}, {number['high']:.3f}]"


def _hit(hit: Mapping[str, Any], known: set[str]) -> str:
    return f"{'' if hit['name'] in known else '+ '}{hit['name']}: {hit['text']}"


def told(who: str, test: Mapping[str, Any]) -> str:
    """A trained encoder against the pretrained one; a difference that could be chance is called so.

    >>> told("Trained", {"verdict": "better", "difference": 0.02, "low": 0.01, "high": 0.03, "p_value": 0.0102})
    'Trained: better than before (MRR@10 +0.020 [+0.010, +0.030], p = 0.0102).'
    """
    amount = f"MRR@10 {test['difference']:+.3f} [{test['low']:+.3f}, {test['high']:+.3f}]"
    words = f"{test['verdict']} {'than' if test['verdict'] in ('better', 'worse') else 'from'} before"
    return f"{who}: {words} ({amount}, p = {test['p_value']:.4f})."


def say_what_next(result: Mapping[str, Any]) -> None:
    """Where the model is, and two commands that use what was made."""
    from contrapose.paths import expanded

    folder = expanded(result["settings"]["out"])
    console.say(f"The model is in {result['model']}, the numbers in {folder / RESULT}.")
    console.say(f"It took {result['seconds'] / 60:.1f} minutes.")
    search = command("search", result["model"], folder / LIBRARY, "split text at commas", top=5)
    again = command("train", YOUR_TEXT, model="minilm", method="hncse-hnm", out=free_folder("my-run"))
    console.say_commands([search, again])

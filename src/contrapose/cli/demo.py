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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.cli import console
from contrapose.cli.demo_progress import DemoProgress
from contrapose.cli.demo_queries import METRICS, TASKS, Answers, DemoQueries, ask, demo_queries, verdict
from contrapose.cli.options import Json, Quiet, examples
from contrapose.cli.settings_options import takes_settings
from contrapose.errors import Interrupted, ResumeRefused, UsageError
from contrapose.hints import YOUR_TEXT, command, free_folder
from contrapose.listening import Listener

if TYPE_CHECKING:
    from contrapose.cli.demo_settings import DemoSettings
    from contrapose.data.held_out import Split
    from contrapose.evaluate.encoding import Encodes

EXAMPLES = examples(
    "contrapose demo", "contrapose demo --out runs/demo --method focal-infonce --steps 50 --json"
)
#: The stages, in order, by what the encoder was trained on; the run folder of each.
STAGES = {"before": "before", "sentences": "sentences alone", "pairs": "natural pairs"}
RUNS = {"sentences": "trained-on-sentences", "pairs": "trained-on-pairs"}
MARK, RESULT, LIBRARY = "demo.json", "result.json", "library.parquet"
GEOMETRY = {
    "alignment": "lower is better",
    "uniformity": "lower is better",
    "mean_cosine": "0 is best",
    "effective_rank": "higher is better",
}


def _settings() -> Mapping[str, Any]:
    from contrapose.cli.demo_settings import DemoSettings

    return {"demo": DemoSettings}


@takes_settings(sections=_settings)
def demo(
    quiet: Quiet = False,
    json: Json = False,
    **given: Any,
) -> None:
    """Teach an encoder the language of Python's standard library, and see the difference. Takes some minutes.

    Its docstrings are harvested, some objects are held out, and the encoder is asked about those before and after
    training: on sentences alone, then on natural pairs. No network is needed. The same command continues a demo that
    was interrupted.
    """
    from contrapose.cli.demo_settings import DemoSettings
    from contrapose.cli.progress import ProgressView
    from contrapose.config import validate

    settings = validate(DemoSettings, given, where="options")
    with ProgressView(quiet=quiet, lines=True) as view:
        result = run_demo(settings, view, lambda line: None if quiet else console.tell(line, style="dim"))
    if json:
        console.show_json(result)
    elif quiet:
        console.say(result["model"])
    else:
        show(result)
        say_what_next(result)


def run_demo(
    settings: DemoSettings, view: Listener | None = None, tell: Callable[[str], object] = lambda _: None
) -> dict[str, Any]:
    """Do all of it in ``settings.out``; what ``--json`` prints. An interrupted demo goes on where it was.

    tell: called with lines about the text and the numbers so far. Raises :class:`UsageError` for a folder that is not
    the demo's, :class:`EmptyCorpus` where there are no docstrings, :class:`Interrupted` on Ctrl-C, and the errors of
    training.
    """
    from contrapose.data.harvest import HarvestStatistics, harvest_python
    from contrapose.data.held_out import split_documented
    from contrapose.paths import expanded
    from contrapose.storage.durable import write_json
    from contrapose.storage.locks import RunLock

    began, folder, view = time.monotonic(), expanded(settings.out), view or Listener()
    claim(folder)
    with RunLock(folder), _told_how_to_go_on(settings):
        with view.task("reading the docstrings of the Python standard library"):
            statistics = HarvestStatistics()
            split = split_documented(harvest_python(settings.sources, statistics=statistics))
            queries = demo_queries(split)
        asked = {**settings.model_dump(mode="json"), "text": _fingerprint(split, queries)}
        if begin(folder, asked):
            view.notice(f"continuing the demo in {folder}")
        for line in (*statistics.lines(), *split.lines()):
            tell(line)
        _write_corpora(folder, split, queries)
        trainings = sum(not is_trained(folder, stage) for stage in RUNS)
        progress = DemoProgress(view, settings, [len(text) for text in queries.texts], trainings, began=began)
        stages: dict[str, Answers] = {}
        for stage in STAGES:
            if stage in RUNS and not is_trained(folder, stage):
                with progress.stage(f"training with {settings.method} on {stage}"):
                    _train(settings, folder, stage, progress)
            trained = f"trained on {STAGES[stage]}" if stage in RUNS else "as it is"
            with progress.stage(f"asking the encoder {trained}"):
                model = str(folder / RUNS[stage] / "model") if stage in RUNS else settings.model
                stages[stage] = ask(_load(model), queries, progress)
            means = (f"{TASKS[task]} {stages[stage].scores(task).mean():.3f}" for task in TASKS)
            tell(f"{STAGES[stage]}: MRR@10 {', '.join(means)}")
        result = {
            "settings": settings.model_dump(mode="json"),
            "files": statistics.files,
            "objects": statistics.objects,
            "training_sentences": len(split.sentences),
            "training_pairs": len(split.pairs),
            "held_out_objects": split.held_out_objects,
            "stages": [_stage_numbers(stage, stages, queries, folder) for stage in stages],
            "searches": [
                {"query": query, **{stage: stages[stage].hits[query] for stage in stages}}
                for query in queries.searches
            ],
            "model": str(folder / RUNS["pairs"] / "model"),
            "seconds": round(time.monotonic() - began, 1),
        }
        write_json(folder / RESULT, result)
        write_json(folder / MARK, {"asked": asked, "finished": True})
    return result


def claim(folder: Path) -> None:
    """Make the folder, or see that it is the demo's; raises :class:`UsageError` where it is somebody else's."""
    from contrapose.storage.syscalls import reporting

    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, not a folder: choose another name with --out")
    with reporting(folder, "make the folder"):
        folder.mkdir(parents=True, exist_ok=True)
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
    from contrapose.storage.syscalls import reporting

    try:
        mark = read_json_object(folder / MARK)
    except (OSError, ValueError):
        mark = {}
    if mark.get("asked") == asked and not mark.get("finished"):
        return True
    for name in (RESULT, LIBRARY, *(f"{stage}.parquet" for stage in RUNS)):
        with reporting(folder / name, "delete"):
            (folder / name).unlink(missing_ok=True)
    for run in RUNS.values():
        remove_tree(folder / run)
    write_json(folder / MARK, {"asked": dict(asked), "finished": False})
    return False


def is_trained(folder: Path, stage: str) -> bool:
    """Whether the run of a stage is complete; its summary is written after its model."""
    run = folder / RUNS[stage]
    return (run / "summary.json").is_file() and (run / "model").is_dir()


def _stage_numbers(
    stage: str, stages: Mapping[str, Answers], queries: DemoQueries, folder: Path
) -> dict[str, Any]:
    """A stage as plain data: every metric with its interval and, once trained, its paired test against before."""
    from contrapose.evaluate.statistics import bootstrap_interval, paired_test

    tasks: dict[str, dict[str, Any]] = {}
    for task, pairs in queries.tasks.items():
        tasks[task] = {"questions": len(pairs)}
        for metric in METRICS:
            scores = stages[stage].scores(task, metric)
            interval = bootstrap_interval(scores)
            number: dict[str, Any] = {"value": interval.estimate, "low": interval.low, "high": interval.high}
            if stage in RUNS:
                test = paired_test(stages["before"].scores(task, metric), scores)
                versus = {name: getattr(test, name) for name in ("difference", "low", "high", "p_value")}
                number |= {"vs_before": {**versus, "verdict": verdict(test.low, test.high)}}
            tasks[task][metric] = number
    model = str(folder / RUNS[stage] / "model") if stage in RUNS else None
    answers = stages[stage]
    return {
        "stage": stage, "model": model, "fingerprint": answers.fingerprint, **tasks, "geometry": dict(answers.geometry)
    }  # fmt: skip


def _fingerprint(split: Split, queries: DemoQueries) -> str:
    """Of every text that is trained on or asked about: another Python brings other docstrings."""
    digest = hashlib.sha256()
    trained_on = (*(sentence.text for sentence in split.sentences), *(pair.positive for pair in split.pairs))
    for text in (*trained_on, *queries.texts):
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()


def _write_corpora(folder: Path, split: Split, queries: DemoQueries) -> None:
    """Written anew when continuing: the bytes are the same."""
    from contrapose.data.harvest_table import pair_rows, sentence_rows, write_parquet

    write_parquet(folder / "sentences.parquet", sentence_rows(split))
    write_parquet(folder / "pairs.parquet", pair_rows(split.pairs))
    library = {name: [getattr(pair, field) for pair in queries.library] for name, field in
               (("text", "positive"), ("name", "name"))}  # fmt: skip
    write_parquet(folder / LIBRARY, library)


def _load(model: str) -> Encodes:
    from contrapose.encoder.encoder import Encoder
    from contrapose.train.environment import pick_device

    return Encoder.load(model).to(pick_device("auto"))


def _train(settings: DemoSettings, folder: Path, stage: str, progress: Listener) -> None:
    """Train the pretrained model on the text of a stage, from a checkpoint where there is one."""
    from contrapose.storage.durable import remove_tree
    from contrapose.train.api import train

    run = folder / RUNS[stage]
    shared = ("model", "method", "steps", "batch_size", "learning_rate", "max_length", "seed")
    options: dict[str, Any] = {
        **{name: getattr(settings, name) for name in shared},
        "views": "dropout" if stage == "sentences" else "pairs",
        "held_out_rows": 0,
        "criterion": "none",
        "save_every": max(1, settings.steps // 2),
        "out": run,
        "listener": progress,
    }
    try:
        train(folder / f"{stage}.parquet", resume=run.exists(), **options)
    except ResumeRefused as error:
        progress.notice(f"training on {stage} starts anew: {error}")
        remove_tree(run)
        train(folder / f"{stage}.parquet", **options)


@contextmanager
def _told_how_to_go_on(settings: DemoSettings) -> Iterator[None]:
    """Ctrl-C anywhere in the demo: what is finished stays, and the same command goes on."""
    try:
        yield
    except (KeyboardInterrupt, Interrupted) as stopped:
        code = getattr(
            stopped, "exit_code", Interrupted.exit_code
        )  # a KeyboardInterrupt of Python's has none
        said = f"stopped. The same command goes on in {Path(settings.out)}."
        raise Interrupted(said, exit_code=code) from None


def show(result: Mapping[str, Any]) -> None:
    """The numbers before and after, with words; the geometry; the searches side by side."""
    stages = result["stages"]
    for task, title in TASKS.items():
        numbers = {stage["stage"]: stage[task] for stage in stages}
        rows = [
            [STAGES[name], *(_interval(each[metric]) for metric in METRICS)] for name, each in numbers.items()
        ]
        heads = {"": "name", **{f"{name} [95% interval]": "number" for name in METRICS.values()}}
        held_out = f"{title}: {stages[0][task]['questions']:,} held-out questions"
        console.show(console.table(heads, rows, title=held_out))
        for name in RUNS:
            console.say(in_words(f"Trained on {STAGES[name]}", numbers[name]["mrr_at_10"]["vs_before"]))
        console.say()
    heads = {"": "name", **{STAGES[stage["stage"]]: "number" for stage in stages}, " ": "text"}
    rows = [
        [name.replace("_", " "), *(f"{stage['geometry'][name]:.2f}" for stage in stages), meaning]
        for name, meaning in GEOMETRY.items()
    ]
    console.show(console.table(heads, rows, title="geometry of the held-out texts"))
    console.say("searches over the first lines of public objects", style="bold")
    for search in result["searches"]:
        known = {hit["name"] for hit in search["before"]}
        rows = [
            [_hit(before, known), _hit(after, known)]
            for before, after in zip(search["before"], search["pairs"], strict=True)
        ]
        console.show(
            console.table(
                {"before": "text", f"trained on {STAGES['pairs']}": "text"},
                rows,
                title=f'"{search["query"]}"',
            )
        )
    console.say(
        "+ was not among the first hits before. Most of these first lines were trained on, as your own text would be; "
        "the numbers above are from held-out objects only."
    )


def _interval(number: Mapping[str, float]) -> str:
    return f"{number['value']:.3f} [{number['low']:.3f}, {number['high']:.3f}]"


def _hit(hit: Mapping[str, Any], known: set[str]) -> str:
    return f"{'' if hit['name'] in known else '+ '}{hit['name']}: {hit['text']}"


def in_words(who: str, test: Mapping[str, Any]) -> str:
    """A trained encoder against the pretrained one; a difference inside its noise is called so.

    >>> in_words("Trained", {"verdict": "better", "difference": 0.02, "low": 0.01, "high": 0.03, "p_value": 0.0102})
    'Trained: better than before (MRR@10 +0.020 [+0.010, +0.030], p = 0.0102).'
    """
    amount = f"MRR@10 {test['difference']:+.3f} [{test['low']:+.3f}, {test['high']:+.3f}]"
    noise = "no difference from before that stands out of the noise"
    said = noise if test["verdict"] == "within noise" else f"{test['verdict']} than before"
    return f"{who}: {said} ({amount}, p = {test['p_value']:.4f})."


def say_what_next(result: Mapping[str, Any]) -> None:
    """Where the model is, and two commands that use what was made."""
    from contrapose.paths import expanded

    folder = expanded(result["settings"]["out"])
    console.say(f"The model is in {result['model']}, the numbers in {folder / RESULT}.")
    console.say(f"It took {result['seconds'] / 60:.1f} minutes.")
    search = command("search", result["model"], folder / LIBRARY, "split text at commas", top=5)
    train = command("train", YOUR_TEXT, model="minilm", method="hncse-hnm", out=free_folder("my-run"))
    console.say_commands([search, train])

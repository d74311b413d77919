"""MTEB's tasks, scored by MTEB's own code: what makes a number comparable with its leaderboard.

    result = evaluate_mteb(Encoder.load("minilm"), ["STSBenchmark", "SciFact"], "data/senteval")

Data comes from the folders given where they hold it (:mod:`contrapose.interop.mteb_data`), else from the hub or its
cache. Results are written in MTEB's layout, where its own tools find them:

    FOLDER/results/<organisation>__<model>/<revision>/<Task>.json      scores from 0 to 1
    FOLDER/predictions/<organisation>__<model>/<revision>/             cosines and rankings, for intervals

The revision is the encoder's fingerprint, so two models never overwrite one another; a precision other than fp32 goes
to MTEB's ``experiments/`` below it. A result is taken from its file where nothing that decides it has changed: model,
precision, version of mteb, and data (local data has a revision of its own). Else it is measured anew, and the file
overwritten.

Protocol "mteb" in our tables, x 100; it is never averaged with others (SICK-R here is 9,927 pairs, in SentEval 4,927).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from contrapose.errors import ContraposeError, DataError, MissingExtra, StorageError, UsageError, nearest
from contrapose.evaluate.encoding import UNIDENTIFIED, Encodes, name_of
from contrapose.evaluate.results import Result, average
from contrapose.evaluate.senteval import letters_of
from contrapose.evaluate.suite import Evaluation, Problem, per_example_arrays
from contrapose.interop.mteb_data import LAYOUTS, read_local
from contrapose.interop.mteb_local import LocalData, feed, stand_in
from contrapose.interop.mteb_manners import stay_offline, undisturbed
from contrapose.interop.mteb_model import MtebModel
from contrapose.interop.mteb_results import keeps_rows, results_of, with_interval
from contrapose.ledger import record, why_not_recorded
from contrapose.listening import Progress, listener_of

logger = logging.getLogger(__name__)

RESULTS = "mteb-results"
#: Texts per batch that MTEB hands over; the encoder makes its own batches of all of them.
_HANDED_OVER = 1024


def task_names(given: Sequence[str]) -> tuple[str, ...]:
    """MTEB's names of the tasks that are meant, each once: ``sts12`` is STS12.

    Raises :class:`UsageError` for an unknown task and for one that is not about text alone, :class:`MissingExtra`
    without the package.
    """
    metadata = {each.metadata.name: each.metadata for each in _registry()}
    by_letters = {letters_of(name): name for name in metadata}
    names = []
    for word in given:
        name = word if word in metadata else by_letters.get(letters_of(word))
        if name is None:
            close = nearest(word.lower(), [known.lower() for known in metadata])
            hint = next(
                (f". Did you mean '{known}'?" for known in metadata if f"'{known.lower()}'" in close), "."
            )
            raise UsageError(
                f"unknown MTEB task '{word}'{hint} Known are the {len(metadata):,} tasks of the mteb package, such as "
                "STSBenchmark, SICK-R, SciFact; all of them: python -m mteb available-tasks"
            )
        if list(metadata[name].modalities) != ["text"]:
            raise UsageError(
                f"{name} needs {', '.join(metadata[name].modalities)}; an Encoder reads text only"
            )
        names.append(name)
    if not names:
        raise UsageError("no MTEB task named; give names such as STSBenchmark,SICK-R")
    return tuple(dict.fromkeys(names))


def evaluate_mteb(
    encoder: Encodes,
    tasks: Sequence[str],
    data: str | Path | Sequence[str | Path] | None = None,
    *,
    results: str | Path = RESULTS,
    precision: str = "fp32",
    progress: Progress = None,
) -> Evaluation:
    """Evaluate ``encoder`` on MTEB's ``tasks`` with the mteb package.

    data: folders that stand in for a download. results: where the files go, see the module's docstring.
    precision: "fp32" as on the leaderboard, or "bf16"; an encoder that is a plain function ignores it.
    progress: a function called with the number of texts just encoded, or a Listener, which is told besides how many
        are known to be needed so far.

    A task whose data is neither here nor can be fetched, or whose run fails, becomes a :class:`Problem`. Raises
    :class:`UsageError` for an unknown task or a missing folder, :class:`MissingExtra` without mteb,
    :class:`StorageError` where results cannot be written, :class:`ModelError` for an encoder that returns NaN.
    """
    names = task_names(tasks)
    folders = [Path(data)] if isinstance(data, str | Path) else [Path(item) for item in data or ()]
    if obstacle := why_not_recorded():
        logger.warning("this evaluation will not be recorded in the ledger: %s", obstacle)
    logger.info("reading test splits: %s", ", ".join(names))
    measured: list[Result] = []
    problems = []
    with undisturbed():
        cache = _cache(Path(results))
        listener = listener_of(progress)
        model = MtebModel(encoder, precision=precision, listener=listener)
        with listener.task("encoding for MTEB", unit="text"):
            for name in names:
                try:
                    measured += _evaluate_task(name, folders, model, cache)
                except DataError as error:
                    problems.append(Problem(task=name, message=str(error)))
    for problem in problems:
        logger.warning("%s left out: %s", problem.task, problem.message)
    evaluation = Evaluation(
        model=name_of(encoder),
        fingerprint=str(model.mteb_model_meta.revision),
        results=tuple(measured),
        averages=tuple(average(of_task) for of_task in _by_task(measured) if len(of_task) > 1),
        problems=tuple(problems),
        sentences=model.texts,
        precision=precision,
    )
    return _recorded(evaluation) if measured else evaluation


def _recorded(evaluation: Evaluation) -> Evaluation:
    entry = record(
        "evaluation", {**evaluation.to_json(), "split": "test"}, per_example_arrays(evaluation.results)
    )
    return replace(evaluation, entry=entry.id if entry else None)


def _by_task(results: Sequence[Result]) -> list[list[Result]]:
    """The subsets of each task and split."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((str(result.details["mteb_task"]), result.split), []).append(result)
    return list(groups.values())


def _evaluate_task(name: str, folders: Sequence[Path], model: MtebModel, cache: Any) -> list[Result]:
    """Run one task, or take its file. Raises :class:`DataError` for whatever leaves only this task out."""
    import mteb

    task = mteb.get_task(name)
    local = read_local(name, folders, task.metadata)
    if local is not None:
        stand_in(task, local)
    meta = model.mteb_model_meta
    path = cache.get_task_result_path(name, meta)
    predictions = cache.cache_path / "predictions" / path.parent.relative_to(cache.cache_path / "results")
    known = _known(cache, task, meta)
    taken = known is not None and not known.get_missing_evaluations(task)
    model.begin()
    if taken:
        scored = known
    else:
        _fill(task, local, folders)
        kept = predictions if keeps_rows(task, local) else None
        scored = _run(task, model, cache, kept, anew=known is None)
    rows = results_of(task, scored, local, fingerprint=str(meta.revision), collapsed=model.is_collapsed)
    rows = [with_interval(row, task, local, predictions) for row in rows]
    if any(math.isnan(row.value) for row in rows):
        path.unlink(missing_ok=True)  # a ranking of rounding errors is no result for others to find
    about = {"file": str(path), "prompt": model.prompt_of(task), "taken_from_file": taken}
    shown = {key: value for key, value in about.items() if value}
    return [replace(row, details={**row.details, **shown}) for row in rows]


def _known(cache: Any, task: Any, meta: Any) -> Any:
    """The result file of this model, if it is of the same data and the same mteb; None where there is none."""
    from importlib.metadata import version

    if meta.revision == UNIDENTIFIED:  # a plain function: nobody knows whether it is the one of the file
        return None
    try:
        known = cache.load_task_result(task.metadata.name, meta)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # damaged, for instance by a crash while mteb wrote it: measured anew
    if known is None or known.mteb_version != version("mteb"):
        return None
    return known if known.dataset_revision == task.metadata.revision else None


def _fill(task: Any, local: LocalData | None, folders: Sequence[Path]) -> None:
    if local is not None:
        feed(task, local)
        return
    name = task.metadata.name
    try:
        task.load_data()
    except Exception as error:
        if isinstance(error, ConnectionError):
            stay_offline()  # the tasks after this one need not wait through its attempts again
        reason = next((line for line in str(error).strip().splitlines() if line), type(error).__name__)
        searched = ", ".join(map(str, folders)) or "no --data folder was given"
        layout = LAYOUTS.get(name)
        if layout is None and task.metadata.type == "Retrieval":
            layout = f"a folder {name.lower()} in BEIR's layout"
        local_way = f"Give --data a folder that holds {layout}, or fetch it" if layout else "Fetch it"
        raise DataError(
            f"its data is not in the folders ({searched}) and cannot be fetched ({reason[:200]}). {local_way} once "
            f"where there is a network: python -c \"import mteb; mteb.get_task('{name}').load_data()\", and copy the "
            "folder that HF_HOME names"
        ) from None


def _run(task: Any, model: MtebModel, cache: Any, predictions: Path | None, *, anew: bool) -> Any:
    import mteb

    try:
        of_model = mteb.evaluate(
            model,
            task,
            co2_tracker=False,
            cache=cache,
            overwrite_strategy="always" if anew else "only-missing",
            prediction_folder=predictions,
            show_progress_bar=False,
            encode_kwargs={"batch_size": _HANDED_OVER, "show_progress_bar": False},
        )
    except (ContraposeError, MemoryError):
        raise
    except OSError as error:
        raise StorageError(f"cannot write MTEB's results to {cache.cache_path}: {error}") from error
    except Exception as error:
        logger.debug("mteb failed on %s", task.metadata.name, exc_info=True)
        raise DataError(f"mteb could not evaluate it: {type(error).__name__}: {error}") from error
    return of_model.task_results[0]


def _cache(folder: Path) -> Any:
    from mteb.cache import ResultCache

    try:
        return ResultCache(folder)
    except OSError as error:
        raise StorageError(f"cannot make the results folder {folder}: {error.strerror}") from error


def _registry() -> Sequence[Any]:
    try:
        from mteb.get_tasks import TASK_LIST
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("", "mteb"):
            raise
        raise MissingExtra("evaluating MTEB's tasks", "mteb", "mteb") from None
    tasks: Sequence[Any] = TASK_LIST
    return tasks

"""From folders to the record of a report: reads, loads, encodes, and looks up the ledger; writes nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from contrapose.errors import ContraposeError, UsageError
from contrapose.ledger import versions
from contrapose.report.curves import bad_steps, curves_of, path_of
from contrapose.report.folders import RunFolder, is_trials, number, open_run
from contrapose.report.own_text import SAMPLE, Sample, own_text, sample_of
from contrapose.report.record import OwnText, Report, RunFacts
from contrapose.report.scores import corrected, scores_of
from contrapose.report.trials import open_trials
from contrapose.report.verdict import verdict_of

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder
    from contrapose.evaluate.statistics import PairedTest
    from contrapose.ledger import Ledger
    from contrapose.report.record import Score


class Watcher(Protocol):
    """Told how far the work is."""

    def phase(self, text: str) -> None:
        """A part of the work begins."""

    def announce(self, texts: int) -> None:
        """So many texts will be encoded in all."""

    def advance(self, texts: int) -> None:
        """So many texts were just encoded."""


class Silent:
    """A watcher that says nothing."""

    def phase(self, text: str) -> None:
        pass

    def announce(self, texts: int) -> None:
        pass

    def advance(self, texts: int) -> None:
        pass


def gather(
    folders: Sequence[str | Path],
    ledger: Ledger | None = None,
    *,
    sample: int = SAMPLE,
    watcher: Watcher | None = None,
) -> Report:
    """Everything that a report says of ``folders``: runs, and folders of trials.

    ledger: where the numbers of the before/after table come from; None leaves the table empty and says so.
    sample: rows of each run's own text that are encoded; 0 leaves the user's text out.

    Raises :class:`UsageError` for no folder, for one that is neither, and for an unfinished run;
    :class:`CorruptFile` for a damaged one.
    """
    watcher = watcher or Silent()
    places = [Path(folder).expanduser() for folder in dict.fromkeys(map(str, folders))]
    if not places:
        raise UsageError("no folder: give the folders of runs, sweeps or comparisons")
    if sample < 0 or 0 < sample < 3:
        raise UsageError(
            f"a sample of {sample} rows shows nothing: give at least 3, or 0 for none of your text"
        )
    watcher.phase("reading folders")
    runs = _named_apart([open_run(place) for place in places if not is_trials(place)])
    trials = tuple(open_trials(place) for place in places if is_trials(place))
    seen = _Seen(runs, sample, watcher)
    models = seen.fingerprints()
    watcher.phase("comparing evaluations in the ledger")
    tables, tests = _tables(ledger, runs, models)
    return Report(
        made=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        version=versions(["contrapose"])["contrapose"],
        ledger=str(ledger.path) if ledger is not None else None,
        comparisons=sum(map(len, tests)),
        runs=tuple(
            _facts(run, model, table, *seen.own(place), has_ledger=ledger is not None)
            for place, (run, model, table) in enumerate(
                zip(runs, models, corrected(tables, tests), strict=True)
            )
        ),
        trials=trials,
    )


def _named_apart(runs: list[RunFolder]) -> list[RunFolder]:
    """Runs whose folders have one name are called by the whole path that was given."""
    names = [run.name for run in runs]
    return [replace(run, name=str(run.folder)) if names.count(run.name) > 1 else run for run in runs]


def _tables(
    ledger: Ledger | None, runs: Sequence[RunFolder], models: Sequence[str]
) -> tuple[list[list[Score]], list[list[PairedTest]]]:
    tables: list[list[Score]] = []
    tests: list[list[PairedTest]] = []
    for run, model in zip(runs, models, strict=True):
        table, tested = scores_of(ledger, run.start_fingerprint, model) if ledger is not None else ([], [])
        tables.append(table)
        tests.append(tested)
    return tables, tests


class _Seen:
    """The encoders of the runs, and the vectors of their texts; each model encodes each text once."""

    def __init__(self, runs: Sequence[RunFolder], sample: int, watcher: Watcher) -> None:
        self._runs, self._watcher = runs, watcher
        self._encoders: dict[str, Encoder] = {}
        self._vectors: dict[str, dict[str, np.ndarray]] = {}
        self._models = [self._load(run.model) for run in runs]
        self._starts = [self._start(run) for run in runs]
        self._samples = [self._sample(run, sample) for run in runs]
        work = {
            (model, text)
            for place, (rows, _) in enumerate(self._samples)
            for model in (self._models[place], self._starts[place][0])
            if rows is not None and model is not None
            for text in rows.distinct
        }
        watcher.announce(len(work))

    def fingerprints(self) -> list[str]:
        return self._models

    def own(self, place: int) -> tuple[OwnText | None, list[str]]:
        """What is seen of the text of one run, and what could not be, in words."""
        (start, no_start), (rows, no_rows) = self._starts[place], self._samples[place]
        notes = [note for note in (no_start, no_rows) if note]
        if rows is None:
            return None, notes
        self._watcher.phase(f"encoding the text of {self._runs[place].name}")
        model = self._models[place]
        return own_text(rows, self._encode_with(start) if start else None, self._encode_with(model)), notes

    def _encode_with(self, fingerprint: str) -> Any:
        def encode(texts: Sequence[str]) -> np.ndarray:
            known = self._vectors.setdefault(fingerprint, {})
            new = [text for text in dict.fromkeys(texts) if text not in known]
            if new:
                encoder = self._encoders[fingerprint]
                vectors_ND = encoder.encode(new, normalize=True, progress=self._watcher.advance)
                known.update(zip(new, vectors_ND, strict=True))
            return np.stack([known[text] for text in texts])

        return encode

    def _load(self, model: str | Path, **options: Any) -> str:
        from contrapose.encoder.encoder import Encoder

        self._watcher.phase(f"loading {model}")
        encoder = Encoder.load(model, **options)
        fingerprint = encoder.fingerprint()
        self._encoders.setdefault(fingerprint, encoder)
        return fingerprint

    def _start(self, run: RunFolder) -> tuple[str | None, str]:
        """The fingerprint of the start model if it can be loaded and is still the one that was trained."""
        chosen = run.settings.encoder
        if run.start_fingerprint in self._encoders:
            return run.start_fingerprint, ""
        try:
            found = self._load(chosen.model, pooling=chosen.pooling, revision=chosen.revision)
        except ContraposeError as error:
            return None, (
                f"The start model '{chosen.model}' cannot be loaded, so the pictures of your text show only the "
                f"trained model: {error}"
            )
        if found != run.start_fingerprint:
            return None, (
                f"The model '{chosen.model}' is no longer the one that this run began with (its weights, tokenizer "
                "or pooling changed), so the pictures of your text show only the trained model"
            )
        return found, ""

    def _sample(self, run: RunFolder, size: int) -> tuple[Sample | None, str]:
        if not size:
            return None, "Pictures of your text were left out, as asked for (--sample 0)"
        try:
            sample = sample_of(run, size)
        except ContraposeError as error:
            return None, f"The run's own text cannot be shown: {error}"
        if len(sample.texts) < 3:
            return None, f"The run's own text has {len(sample.texts)} rows to look at, too few to draw"
        return sample, ""


def _facts(
    run: RunFolder,
    model: str,
    scores: tuple[Score, ...],
    own: OwnText | None,
    notes: Sequence[str],
    *,
    has_ledger: bool,
) -> RunFacts:
    summary, settings = run.summary, run.settings
    return RunFacts(
        name=run.name,
        folder=str(run.folder),
        method=settings.method.name,
        start_model=settings.encoder.model,
        corpus=settings.data.corpus,
        views=settings.data.views,
        rows=_whole(summary.get("rows")),
        steps=_whole(summary.get("steps")),
        chosen_step=_whole(summary.get("chosen_step")),
        seed=settings.training.seed,
        batch_size=settings.training.batch_size,
        learning_rate=settings.training.learning_rate,
        criterion=_text(summary.get("criterion_about")) or _text(summary.get("criterion")),
        score_before=number(summary.get("score_before")),
        score_chosen=number(summary.get("score_chosen")),
        blend=number(summary.get("blend")),
        seconds=number(summary.get("seconds")),
        fingerprint=model,
        start_fingerprint=run.start_fingerprint,
        verdict=verdict_of(summary, scores),
        scores=scores,
        curves=curves_of(run.rows),
        path=path_of(run.rows),
        own=own,
        notes=(*run.notes, *bad_steps(run.rows), *notes, *_not_evaluated(run, scores, has_ledger)),
        commands=_commands(run, scores),
    )


def _not_evaluated(run: RunFolder, scores: Sequence[Score], has_ledger: bool) -> list[str]:
    if not has_ledger:
        return ["The ledger is switched off (CONTRAPOSE_LEDGER=off), so there is no table of scores"]
    sides = [any(getattr(score, side) is not None for score in scores) for side in ("before", "after")]
    missing = [name for name, there in zip(("start model", "trained model"), sides, strict=True) if not there]
    if not missing:
        return []
    return [f"No evaluation of the {' and of the '.join(missing)} is in the ledger"]


def _commands(run: RunFolder, scores: Sequence[Score]) -> tuple[str, ...]:
    """What to run so that the table is filled."""
    models = {"before": run.settings.encoder.model, "after": str(run.folder)}
    return tuple(
        f"contrapose evaluate {model} --tasks sts,geometry --data YOUR_DATA"
        for side, model in models.items()
        if not any(getattr(score, side) is not None for score in scores)
    )


def _whole(value: Any) -> int | None:
    found = number(value)
    return None if found is None else int(found)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None

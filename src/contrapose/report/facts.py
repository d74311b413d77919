"""What a report says of one run: its settings, its summary, and what it leaves open, with the commands that fill it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contrapose.foreign import finite_number
from contrapose.hints import YOUR_DATA, command
from contrapose.report.curves import bad_steps, curves_of, path_of
from contrapose.report.record import BeforeAfter, OwnText, RunFacts
from contrapose.report.scores import labelled_changes
from contrapose.selection.reported import reported_verdict
from contrapose.train.run_folder import RunFolder


def facts_of(
    run: RunFolder,
    model: str,
    scores: tuple[BeforeAfter, ...],
    own: OwnText | None,
    notes: Sequence[str],
    *,
    has_ledger: bool,
) -> RunFacts:
    summary, settings = run.summary, run.settings
    unchanged = model == run.start_fingerprint
    missing = _missing(run, scores, unchanged=unchanged)
    not_evaluated = _not_evaluated(missing, has_ledger=has_ledger, unchanged=unchanged)
    asked = (
        "with the tasks and --data of the other evaluation" if scores else "or --pairs, --labels, --retrieval"
    )
    criterion = summary.get("criterion_about") or summary.get("criterion")
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
        processes=_whole(summary.get("processes")),
        learning_rate=settings.training.learning_rate,
        criterion=criterion if isinstance(criterion, str) else None,
        score_before=finite_number(summary.get("score_before")),
        score_chosen=finite_number(summary.get("score_chosen")),
        blend=finite_number(summary.get("blend")),
        seconds=finite_number(summary.get("seconds")),
        fingerprint=model,
        start_fingerprint=run.start_fingerprint,
        blend_scores=_shares(summary.get("blend_scores")),
        verdict=reported_verdict(summary, labelled_changes(scores)),
        scores=scores,
        curves=curves_of(run.rows),
        path=path_of(run.rows),
        own=own,
        notes=(*run.notes, *bad_steps(run.rows), *notes, *not_evaluated),
        commands=tuple(
            command("evaluate", name, tasks="sts,geometry", data=[YOUR_DATA], about=asked)
            for name in missing.values()
        ),
    )


def _not_evaluated(missing: Mapping[str, str], *, has_ledger: bool, unchanged: bool) -> list[str]:
    if not has_ledger:
        return ["The ledger is switched off (CONTRAPOSE_LEDGER=off), so there is no table of scores"]
    of = "model" if unchanged else " and of the ".join(f"{name} model" for name in missing)
    return [f"No evaluation of the {of} is in the ledger"] if missing else []


def _missing(run: RunFolder, scores: Sequence[BeforeAfter], *, unchanged: bool) -> dict[str, str]:
    """Name -> model of what was not evaluated; a model that is the pretrained one needs one evaluation only."""
    missing = {}
    if not any(score.before for score in scores):
        missing["pretrained"] = run.settings.encoder.model
    if not unchanged and not any(score.after for score in scores):
        missing["trained"] = str(run.folder)
    return missing


def _shares(blend_scores: Any) -> tuple[tuple[float, float], ...]:
    """(share, score) by share; empty where no share was chosen by score, and for anything of another form.

    >>> _shares({"0.5": 2.0, "0": 1.0}), _shares({"half": 1.0}), _shares(None)
    (((0.0, 1.0), (0.5, 2.0)), (), ())
    """
    if not isinstance(blend_scores, Mapping):
        return ()
    try:
        known = {float(share): finite_number(score) for share, score in blend_scores.items()}
    except ValueError:
        return ()
    return tuple(sorted((share, score) for share, score in known.items() if score is not None))


def _whole(value: Any) -> int | None:
    finite = finite_number(value)
    return None if finite is None else int(finite)

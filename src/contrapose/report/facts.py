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
        notes=(*run.notes, *bad_steps(run.rows), *notes, *_not_evaluated(run, model, scores, has_ledger)),
        commands=_commands(run, model, scores),
    )


def _not_evaluated(run: RunFolder, model: str, scores: Sequence[BeforeAfter], has_ledger: bool) -> list[str]:
    if not has_ledger:
        return ["The ledger is switched off (CONTRAPOSE_LEDGER=off), so there is no table of scores"]
    sides = [any(getattr(score, side) is not None for score in scores) for side in ("before", "after")]
    missing = [
        name for name, there in zip(("pretrained model", "trained model"), sides, strict=True) if not there
    ]
    if not missing:
        return []
    if model == run.start_fingerprint:
        return ["No evaluation of the model is in the ledger"]
    return [f"No evaluation of the {' and of the '.join(missing)} is in the ledger"]


def _commands(run: RunFolder, model: str, scores: Sequence[BeforeAfter]) -> tuple[str, ...]:
    """What to run so that the table is filled; a model that is the pretrained one is evaluated once."""
    models = {"before": run.settings.encoder.model, "after": str(run.folder)}
    if model == run.start_fingerprint:
        del models["after"]
    asked = (
        "with the tasks and --data of the other evaluation" if scores else "or --pairs, --labels, --retrieval"
    )
    return tuple(
        command("evaluate", model, tasks="sts,geometry", data=[YOUR_DATA], about=asked)
        for side, model in models.items()
        if not any(getattr(score, side) is not None for score in scores)
    )


def _shares(found: Any) -> tuple[tuple[float, float], ...]:
    """(share, score) by share; empty where no share was chosen by score, and for anything of another form.

    >>> _shares({"0.5": 2.0, "0": 1.0}), _shares({"half": 1.0}), _shares(None)
    (((0.0, 1.0), (0.5, 2.0)), (), ())
    """
    if not isinstance(found, Mapping):
        return ()
    try:
        return tuple(
            sorted(
                (float(share), score)
                for share, value in found.items()
                if (score := finite_number(value)) is not None
            )
        )
    except ValueError:
        return ()


def _whole(value: Any) -> int | None:
    found = finite_number(value)
    return None if found is None else int(found)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None

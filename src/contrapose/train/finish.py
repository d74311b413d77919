"""The end of a run: the best checkpoint becomes ``model/``, and ``summary.json`` says what happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contrapose.encoder.card import model_card
from contrapose.errors import CorruptCheckpoint, StorageError
from contrapose.ledger import record
from contrapose.selection.blend import best_share, blend
from contrapose.selection.scores import COLLAPSED, COLLAPSED_SCORE, decimals_of
from contrapose.selection.verdict import (
    Verdict,
    is_pretrained,
    judge,
    pretrained_kept,
    score_of_model,
    unjudged,
)
from contrapose.storage.durable import write_text
from contrapose.train import checkpoint as checkpoints
from contrapose.train.labels import held_out_accuracy
from contrapose.train.prepare import load_encoder
from contrapose.train.run_folder import read_record
from contrapose.train.saving import restore
from contrapose.train.session import Session
from contrapose.train.settings import run_folder
from contrapose.train.track import strict_json


def finish(session: Session) -> None:
    """Export the chosen weights and write the summary. Harmless to repeat."""
    chosen = _choose(session)
    classified = held_out_accuracy(session)
    with session.timings.timed("blending", session.progress.step):
        blending, verdict = _against_the_start(session)
    models = {
        "start_fingerprint": read_record(session.folder)["model"],
        "fingerprint": session.encoder.fingerprint(),
    }
    if is_pretrained(models):
        name = session.criterion.name if session.criterion else ""
        verdict = pretrained_kept(verdict, session.views, blending, name)
    summary = {
        **_summary(session, chosen),
        **session.timings.summary(),
        **classified,
        **blending,
        **models,
        "verdict": verdict.to_json(),
    }
    if session.processes.is_first:
        encoder = session.encoder.eval()
        encoder.use_attention("sdpa")
        card = model_card(
            encoder,
            method=session.recipe.method.name,
            hyperparameters={
                **session.recipe.hyperparameters.model_dump(),
                "parts": ", ".join(part.name for part in session.recipe.parts) or "none",
                **({"protocol": session.protocol.name} if session.recipe.has_protocol else {}),
                "learning_rate": session.settings.training.learning_rate,
                "batch_size": session.settings.training.batch_size,
                "max_length": session.settings.training.max_length,
                "steps": chosen,
                "share of the trained weights": summary["blend"],
                "views": session.views,
                "seed": session.settings.training.seed,
                "precision": session.precision,
            },
            data={
                "corpus": ", ".join(session.settings.data.corpus),
                "rows": len(session.corpus),
                "fingerprint": session.corpus.fingerprint,
            },
            numbers=_numbers(summary),
            citation=f"{session.recipe.method.paper}\n{session.recipe.method.reference}",
            fingerprint=models["fingerprint"],
            outcome=verdict.text,
            unchanged=is_pretrained(summary),
        )
        with session.listener.task("writing the model"):
            encoder.save(run_folder(session.settings) / "model", card, provenance=summary)
        summary |= session.timings.summary()
        write_text(session.folder / "summary.json", strict_json(summary) + "\n")
        settings = session.settings.model_dump(mode="json")
        record("run", {"folder": str(session.folder.resolve()), "summary": summary, "settings": settings})
    session.processes.wait()
    session.listener.finished(summary)


def _against_the_start(session: Session) -> tuple[dict[str, Any], Verdict]:
    """Blend the model with the encoder that the run began with, and judge it against that one."""
    wanted, criterion = session.settings.selection.blend, session.criterion
    if wanted is None:
        wanted = "auto" if criterion is not None else 1.0
    trained = _judged(session)
    if wanted == 1:
        return {"blend": 1.0, "blend_scores": {}}, trained
    scores: dict[str, float] = {}
    with session.listener.task("blending the weights"):
        start = load_encoder(session.settings, session.recipe).to(session.encoder.device).state_dict()
        if wanted == "auto":
            assert criterion is not None
            shares = session.looks.shares
            share, scores = best_share(session.encoder, start, criterion, session.precision, shares)
        else:
            share = wanted
        blend(session.encoder, start, share)
    facts = {"blend": share, "blend_scores": scores, "verdict_of_all": trained.to_json()}
    return facts, trained if share in (0, 1) else _judged(session, blended=True)


def _judged(session: Session, *, blended: bool = False) -> Verdict:
    if session.criterion is None:
        return unjudged()
    return judge(session.criterion, session.encoder, session.precision, session.views, brief=blended)


def _choose(session: Session) -> int:
    """Load the weights of the best checkpoint; the step they are of."""
    best, now = session.progress.best_step, session.progress.step
    if best is None or best == now:
        return now
    try:
        restore(session, checkpoints.load(session.checkpoints, best))
    except (CorruptCheckpoint, StorageError) as error:
        session.listener.notice(
            f"the best checkpoint (step {best}) cannot be read, so the last step is exported: {error}"
        )
        return now
    return best


def _summary(session: Session, chosen: int) -> dict[str, Any]:
    progress = session.progress
    return {
        "method": session.recipe.method.name,
        "model": session.settings.encoder.model,
        "steps": progress.step,
        "chosen_step": chosen,
        "criterion": session.criterion.name if session.criterion else None,
        "criterion_about": session.criterion.about if session.criterion else None,
        "score_before": progress.start_score,
        "score_chosen": progress.best_score if chosen == progress.best_step else None,
        "stopped_early": progress.stopped_early,
        "skipped_steps": progress.skipped_total,
        "collapse_alarm": progress.collapse_told,
        "seed": session.settings.training.seed,
        "rows": session.facts["rows"],
        "view_cosine": session.facts.get("view_cosine"),
        "corpus_fingerprint": session.corpus.fingerprint,
        "rows_quarantined": session.corpus.statistics.quarantined,
        "precision": session.precision,
        "processes": session.processes.size,
        "rows_per_second": session.timings.rows_per_second(session.settings.training.batch_size),
    }


def _numbers(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The criterion of baseline and model; nothing where the two are one, or the model's was not measured."""
    before, after = summary["score_before"], score_of_model(summary)
    if before is None or after is None or is_pretrained(summary):
        return []
    places = decimals_of(before, after)
    return [
        {
            "measured": summary["criterion_about"],
            **{
                name: COLLAPSED if score == COLLAPSED_SCORE else round(score, places)
                for name, score in (("before", before), ("after", after))
            },
        }
    ]

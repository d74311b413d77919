"""The end of a pretraining run: the whole masked language model becomes ``model/``, and a summary is written."""

from __future__ import annotations

from typing import Any, cast

from contrapose.encoder.card import pretraining_card
from contrapose.encoder.own_language_model import OwnLanguageModel
from contrapose.ledger import record
from contrapose.pretrain.step import PART
from contrapose.storage.durable import write_text
from contrapose.train.run_folder import read_record, read_rows
from contrapose.train.session import Session
from contrapose.train.track import strict_json

#: How the ledger and summary.json call it, where a training run names its method.
METHOD = "masked-language-modelling"


def finish(session: Session) -> None:
    """Export the last weights with their head and write the summary. Harmless to repeat."""
    settings, first = session.settings, session.processes.is_first
    summary: dict[str, Any] = {
        "method": METHOD,
        "model": read_record(session.folder)["model_name"],
        "steps": session.progress.step,
        **_held_out(session),
        "language_head": session.facts["language_head"],
        "skipped_steps": session.progress.skipped_total,
        "seed": settings.training.seed,
        "rows": session.facts["rows"],
        "corpus_fingerprint": session.corpus.fingerprint,
        "rows_quarantined": session.corpus.statistics.quarantined,
        "precision": session.precision,
        "processes": session.processes.size,
        "rows_per_second": session.timings.rows_per_second(settings.training.batch_size),
        "start_fingerprint": read_record(session.folder)["model"],
        "fingerprint": session.encoder.fingerprint(),
    }
    if first:
        encoder = session.encoder.eval()
        encoder.use_attention("sdpa")
        head = cast("OwnLanguageModel", session.objective.parts[PART].language_model)
        summary |= session.timings.summary()
        card = pretraining_card(encoder, summary, corpus=", ".join(settings.data.corpus))
        with session.listener.task("writing the model"):
            encoder.save(session.folder / "model", card, provenance=summary, language_head=head)
        summary |= session.timings.summary()
        write_text(session.folder / "summary.json", strict_json(summary) + "\n")
        record(
            "run",
            {
                "folder": str(session.folder.resolve()),
                "summary": summary,
                "settings": settings.model_dump(mode="json"),
            },
        )
    session.processes.wait()
    session.listener.finished(summary)


def _held_out(session: Session) -> dict[str, Any]:
    """The loss of hidden words before and after, and how many were filled in; None where no word was measured."""
    looks: dict[int, dict[str, Any]] = {}
    if session.processes.is_first:
        rows = read_rows(session.metrics.path) if session.metrics.path.exists() else []
        looks = {
            row["step"]: row["evaluation"] for row in rows if row.get("evaluation", {}).get("hidden_words")
        }
    before, after = looks.get(0, {}), looks.get(session.progress.step, {})
    return {
        "loss_before": before.get("masked_loss"),
        "loss_after": after.get("masked_loss"),
        "accuracy_before": before.get("masked_accuracy"),
        "accuracy_after": after.get("masked_accuracy"),
        "hidden_words": int(after.get("hidden_words", 0)),
    }

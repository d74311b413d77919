"""A signal, as a training run of its own: which rows it reads, and how it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contrapose.adapt import folder as folders
from contrapose.adapt.budget import Planned
from contrapose.adapt.queries import Encode, span_pairs, with_answers
from contrapose.adapt.settings import AdaptSettings
from contrapose.adapt.texts import DOCUMENTS, PAIRS, Texts
from contrapose.listening import Listener
from contrapose.train.api import train

#: Steps between checkpoints: a run of one signal has a hundred, about.
SAVE_EVERY = 50


def rows_for(
    planned: Planned,
    folder: Path,
    training: Sequence[Texts],
    queries: Sequence[str],
    encode: Encode,
    listener: Listener,
) -> Path:
    """The file that a signal is trained on; what is ranked is made where it is not there yet.

    queries: of a log; encode: N texts -> (N, D), by the start.
    """
    path = folders.text_path(folder, planned.kind)
    (texts,) = (each for each in training if each.kind == planned.kind)
    if not planned.signal.needs_teacher or (planned.kind == PAIRS and not queries):
        return path
    path = folders.text_path(folder, planned.kind, part="queries")
    if not path.is_file():
        with listener.task("making queries of the documents"):
            pairs = span_pairs(texts, encode) if texts.kind == DOCUMENTS else texts
        folders.write_texts(path, with_answers(pairs, queries, encode))
    return path


def train_signal(
    planned: Planned,
    rows: Path,
    out: Path,
    model: str,
    seed: int,
    settings: AdaptSettings,
    listener: Listener,
) -> None:
    """Train the signal from ``model`` into ``out``, or go on where that was stopped; the last step is what counts."""
    two_columns = planned.kind == PAIRS or planned.signal.needs_teacher
    train(
        rows,
        model=model,
        out=out,
        steps=planned.steps,
        columns=("anchor", "positive") if two_columns else ("text",),
        criterion="none",
        held_out_rows=0,
        seed=seed,
        device=settings.device,
        save_every=SAVE_EVERY,
        resume=(out / "run.json").is_file(),
        listener=listener,
        **planned.signal.options,
    )

"""A signal, as a training run of its own: which rows it reads, how it is trained, and whether time is left for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from contrapose.adapt import folder as folders
from contrapose.adapt import wording
from contrapose.adapt.budget import Pace, Planned, one_by_one
from contrapose.adapt.choice import mean_of
from contrapose.adapt.queries import Encode, span_pairs, with_answers
from contrapose.adapt.settings import AdaptSettings
from contrapose.adapt.texts import DOCUMENTS, PAIRS, Texts
from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.foreign import read_json_object
from contrapose.listening import Listener
from contrapose.seeds import derive
from contrapose.storage.durable import write_json
from contrapose.train.api import train

if TYPE_CHECKING:
    import torch
    from torch import Tensor

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


@dataclass(kw_only=True)
class Trainings:
    """The trainings of an adaptation, one after another, while time is left.

    model: that all begin with; rows_of: makes the file of a signal; reasons: why a signal was left out, by its name.
    """

    folder: Path
    settings: AdaptSettings
    model: str
    rows_of: Callable[[Planned], Path]
    seconds_left: Callable[[], float]
    tell: Callable[[str], None]
    listener: Listener
    reasons: dict[str, str] = field(default_factory=dict)

    def run(self, planned: Sequence[Planned], device: torch.device) -> dict[str, dict[str, Tensor]]:
        """The weights that each signal made of the model, the mean over its trainings."""
        weights: dict[str, list[Mapping[str, Tensor]]] = {}
        pace, runs = Pace(), one_by_one(planned)
        for at, (each, number) in enumerate(runs, start=1):
            out = self.folder / "signals" / (each.name if number == 0 else f"{each.name}-{number + 1}")
            if each.name in self.reasons:
                continue
            if not (out / folders.MODEL).is_dir() and not pace.fits(each.once, self.seconds_left()):
                self._leave_out(each, number)
                continue
            with self.listener.task(f"learning {each.signal.teaches} ({at} of {len(runs)})"):
                try:
                    self._train(each, number, out, pace)
                except UsageError as error:
                    self.reasons[each.name] = str(error)
                    self.tell(f"the signal '{each.signal.name}' is left out: {error}")
                    continue
                model = Encoder.load(out / folders.MODEL, head="none").to(device)
                weights.setdefault(each.name, []).append(dict(model.state_dict()))
        return {name: mean_of(of_signal) for name, of_signal in weights.items()}

    def _train(self, each: Planned, number: int, out: Path, pace: Pace) -> None:
        """Unless that was done before the adaptation was interrupted."""
        if (out / folders.MODEL).is_dir():
            return
        began = time.perf_counter()
        seed = self.settings.seed if number == 0 else derive(self.settings.seed, "again", number)
        train_signal(each, self.rows_of(each), out, self.model, seed, self.settings, self.listener)
        pace.planned += each.once
        pace.taken += time.perf_counter() - began

    def _leave_out(self, each: Planned, number: int) -> None:
        """Written into the plan, so that what goes on leaves it out too."""
        plan = read_json_object(self.folder / folders.PLAN)
        if number == 0:
            self.reasons[each.name] = wording.TOO_SLOW
            plan["steps"][each.name] = 0
        else:
            plan["trainings"][each.name] = number
        write_json(self.folder / folders.PLAN, plan)
        self.tell(wording.left_out_late(each, number))

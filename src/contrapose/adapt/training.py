"""A signal, as a training run of its own: which rows it reads, how it is trained, and whether time is left for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from contrapose.adapt import folder as folders
from contrapose.adapt import wording
from contrapose.adapt.budget import LOOKS, Pace, Planned
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
    texts: Texts,
    queries: Sequence[str],
    encode: Encode,
    listener: Listener,
    *,
    whole: bool,
) -> Path:
    """The file that a signal is trained on, made where it is not there yet.

    texts: the rows to train on, or all (whole); queries: of a log; encode: N texts -> (N, D), by the start.
    """
    path = folders.text_path(folder, planned.kind, part="all" if whole else "")
    if planned.signal.needs_teacher and (planned.kind != PAIRS or queries):
        path = folders.text_path(folder, planned.kind, part="queries-all" if whole else "queries")
        if not path.is_file():
            with listener.task("making queries of the documents"):
                pairs = span_pairs(texts, encode) if texts.kind == DOCUMENTS else texts
            folders.write_texts(path, with_answers(pairs, queries, encode))
    elif not path.is_file():
        folders.write_texts(path, texts)
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

    model: that all begin with; rows_of: makes the file of a signal, of the rows to train on or (True) of all;
    seconds_left: when so many looks are still to come; reasons: why a signal was left out, by its name.
    """

    folder: Path
    settings: AdaptSettings
    model: str
    rows_of: Callable[[Planned, bool], Path]
    seconds_left: Callable[[int], float]
    tell: Callable[[str], None]
    listener: Listener
    reasons: dict[str, str] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)

    def run(self, planned: Sequence[Planned], device: torch.device) -> dict[str, dict[str, Tensor]]:
        """The weights that each signal made of the model."""
        weights = {}
        wanted = [each for each in planned if each.steps]
        looks = LOOKS * (1 + len(wanted))
        for number, each in enumerate(wanted, start=1):
            out = self.folder / "signals" / each.name
            if not self._has_time(each, out, looks):
                self._leave_out(each)
                continue
            with self.listener.task(f"learning {each.signal.teaches} ({number} of {len(wanted)})"):
                try:
                    self._train(each, out, whole=False)
                except UsageError as error:
                    self.reasons[each.name] = str(error)
                    self.tell(f"the signal '{each.signal.name}' is left out: {error}")
                    continue
                weights[each.name] = _weights_of(out, device)
        return weights

    def again(self, taken: Sequence[Planned], device: torch.device) -> dict[str, dict[str, Tensor]]:
        """The weights of what was taken, trained once more on all rows with another seed; only while time is left."""
        weights = {}
        for each in taken:
            out = self.folder / "signals" / f"{each.name}-all"
            if self._has_time(each, out, looks=1):
                with self.listener.task(f"learning {each.signal.teaches}, of all the text"):
                    self._train(each, out, whole=True)
                    weights[each.name] = _weights_of(out, device)
        return weights

    def _has_time(self, each: Planned, out: Path, looks: int) -> bool:
        return (out / folders.MODEL).is_dir() or self.pace.fits(each.once, self.seconds_left(looks))

    def _train(self, each: Planned, out: Path, *, whole: bool) -> None:
        """Unless that was done before the adaptation was interrupted."""
        if (out / folders.MODEL).is_dir():
            return
        began = time.perf_counter()
        seed = derive(self.settings.seed, "again") if whole else self.settings.seed
        train_signal(each, self.rows_of(each, whole), out, self.model, seed, self.settings, self.listener)
        self.pace.planned += each.once
        self.pace.taken += time.perf_counter() - began

    def _leave_out(self, each: Planned) -> None:
        """Written into the plan, so that what goes on leaves it out too."""
        plan = read_json_object(self.folder / folders.PLAN)
        self.reasons[each.name] = wording.TOO_SLOW
        plan["steps"][each.name] = 0
        write_json(self.folder / folders.PLAN, plan)
        self.tell(wording.left_out_late(each))


def _weights_of(out: Path, device: torch.device) -> dict[str, Tensor]:
    return dict(Encoder.load(out / folders.MODEL, head="none").to(device).state_dict())

"""The embedded main job: teach an encoder the language of the Python standard library, and show the difference.

    harvest the docstrings -> hold objects out -> ask the encoder as it is           ("before")
                                               -> train on sentences alone -> ask    ("sentences")
                                               -> train on natural pairs   -> ask    ("pairs")

Both trainings start from the same encoder. This file computes; ``demo_view.py`` is what a person sees.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from contrapose.data.harvest import HarvestStatistics, harvest_python
from contrapose.data.harvest_table import pair_rows, sentence_rows, write_parquet
from contrapose.data.held_out import Split, split_documented
from contrapose.errors import Interrupted, ResumeRefused
from contrapose.experiment.clock import Clock
from contrapose.experiment.demo_folder import RUNS, DemoFolder
from contrapose.experiment.demo_promise import broken_promise
from contrapose.experiment.demo_result import STAGES, DemoResult, DemoSettings
from contrapose.experiment.questions import Exam, Sheet, sit
from contrapose.storage.durable import RunLock, remove_tree

if TYPE_CHECKING:
    from contrapose.evaluate.encoding import Encodes


class Watcher(Protocol):
    """Who is told what the demo does."""

    def phase(self, text: str) -> None:
        """A part begins."""

    def harvested(self, account: HarvestStatistics, split: Split) -> None:
        """The text is there."""

    def answered(self, stage: str, sheet: Sheet) -> None:
        """A stage was asked all questions."""

    def moved(self, elapsed: float, remaining: float | None) -> None:
        """Something got done; seconds so far and seconds left (None: not known yet)."""

    def notice(self, text: str) -> None:
        """Something a person should read."""


@dataclass
class _Work:
    """What the parts of the demo share."""

    settings: DemoSettings
    folder: DemoFolder
    watcher: Watcher
    exam: Exam
    clock: Clock
    load: Callable[[str], Encodes]
    sheets: dict[str, Sheet] = field(default_factory=dict)
    told_of_time: bool = False

    def moved(self) -> None:
        self.watcher.moved(self.clock.elapsed, self.clock.remaining())
        if not self.told_of_time and (words := broken_promise(self.clock, self.settings)):
            self.told_of_time = True
            self.watcher.notice(words)


def run_demo(settings: DemoSettings, watcher: Watcher) -> DemoResult:
    """Do all of it in ``settings.out``. An interrupted demo goes on where it was when called the same way again.

    Raises :class:`UsageError` for a folder that is not the demo's, :class:`EmptyCorpus` where there are no docstrings,
    :class:`Interrupted` on Ctrl-C, and the errors of training.
    """
    began = time.monotonic()
    folder = DemoFolder(settings.out)
    folder.claim()
    with RunLock(folder.path), _told_how_to_go_on(settings):
        watcher.phase("reading the docstrings of the Python standard library")
        account, split = _harvest(settings)
        exam = Exam.of(split)
        asked = {**settings.model_dump(mode="json"), "text": _fingerprint(split, exam)}
        if folder.begin(asked):
            watcher.notice(f"continuing the demo in {folder.path}")
        watcher.harvested(account, split)
        _write_corpora(folder, split, exam)
        work = _Work(settings, folder, watcher, exam, _clock(settings, folder, exam, began), _load)
        _ask(work, "before", settings.model)
        for stage in RUNS:
            _train(work, stage)
            _ask(work, stage, str(folder.model(stage)))
        result = DemoResult(settings, account, split, exam, work.sheets, folder, time.monotonic() - began)
        folder.end(asked, result.to_json())
    return result


def _harvest(settings: DemoSettings) -> tuple[HarvestStatistics, Split]:
    account = HarvestStatistics()
    return account, split_documented(harvest_python(settings.sources, statistics=account))


def _fingerprint(split: Split, exam: Exam) -> str:
    """Of every text that is trained on or asked about: another Python brings other docstrings."""
    digest = hashlib.sha256()
    for text in (*(sentence.text for sentence in split.sentences), *(pair.positive for pair in split.pairs)):
        digest.update(text.encode() + b"\0")
    for text in exam.texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()


def _write_corpora(folder: DemoFolder, split: Split, exam: Exam) -> None:
    """Written anew when continuing: the bytes are the same."""
    write_parquet(folder.corpus("sentences"), sentence_rows(split))
    write_parquet(folder.corpus("pairs"), pair_rows(split.pairs))
    library = {"text": [pair.positive for pair in exam.library], "name": [pair.name for pair in exam.library]}
    write_parquet(folder.library, library)


def _clock(settings: DemoSettings, folder: DemoFolder, exam: Exam, began: float) -> Clock:
    return Clock(
        evaluations=1 + len(RUNS),
        lengths=[len(text) for text in exam.texts],
        trainings=sum(not folder.is_trained(stage) for stage in RUNS),
        steps=settings.steps,
        rows_per_step=settings.batch_size,
        began=began,
    )


def _load(model: str) -> Encodes:
    from contrapose.encoder.encoder import Encoder
    from contrapose.train.environment import pick_device

    return Encoder.load(model).to(pick_device("auto"))


def _precision(encoder: Encodes) -> str | None:
    """bf16 where the machine computes in it, at half the time; the same in every stage. A plain function has none."""
    from contrapose.train.environment import pick_precision

    device = getattr(encoder, "device", None)
    if device is None:
        return None
    return "bf16" if pick_precision("auto", device) else "fp32"


def _ask(work: _Work, stage: str, model: str) -> None:
    work.watcher.phase(
        "asking the encoder as it is"
        if stage == "before"
        else f"asking the encoder trained on {STAGES[stage]}"
    )
    encoder = work.load(model)
    work.clock.begin_evaluation()

    def encoded(texts: int) -> None:
        work.clock.encoded(texts)
        work.moved()

    sheet = sit(encoder, work.exam, precision=_precision(encoder), progress=encoded)
    work.clock.end_evaluation()
    work.sheets[stage] = sheet
    work.watcher.answered(stage, sheet)
    work.moved()


def _train(work: _Work, stage: str) -> None:
    """Train from the first encoder on the text of a stage, from a checkpoint where there is one."""
    if work.folder.is_trained(stage):
        return
    work.watcher.phase(f"training with {work.settings.method} on {stage}")
    resume = work.folder.run(stage).exists()
    try:
        _run(work, stage, resume=resume)
    except ResumeRefused as error:
        work.watcher.notice(f"training on {stage} starts anew: {error}")
        remove_tree(work.folder.run(stage))
        _run(work, stage, resume=False)
    work.clock.end_training()
    work.moved()


def _run(work: _Work, stage: str, *, resume: bool) -> None:
    from contrapose.experiment.demo_listener import TrainingListener
    from contrapose.train.api import train

    settings = work.settings
    train(
        work.folder.corpus(stage),
        model=settings.model,
        method=settings.method,
        out=work.folder.run(stage),
        resume=resume,
        listener=TrainingListener(work.clock, work.moved, work.watcher.notice),
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        max_length=settings.max_length,
        seed=settings.seed,
        views="dropout" if stage == "sentences" else "pairs",
        held_out_rows=0,
        criterion="none",
        save_every=max(1, settings.steps // 2),
    )


@contextmanager
def _told_how_to_go_on(settings: DemoSettings) -> Iterator[None]:
    """Ctrl-C anywhere in the demo: what is finished stays, and the same command goes on."""
    try:
        yield
    except (KeyboardInterrupt, Interrupted) as stopped:
        code = getattr(
            stopped, "exit_code", Interrupted.exit_code
        )  # a KeyboardInterrupt of Python's has none
        where = Path(settings.out)
        raise Interrupted(f"stopped. The same command goes on in {where}.", exit_code=code) from None

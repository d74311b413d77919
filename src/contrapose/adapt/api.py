"""``adapt(...)``: one call from text to an encoder that is better on it, or to the start and the reason. The stages
read top to bottom; each leaves its result in the folder, and one that finds its own there goes on from it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.adapt.settings import AdaptSettings
from contrapose.config import validate
from contrapose.errors import Interrupted

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder
    from contrapose.listening import Listener


@dataclass(frozen=True)
class Adaptation:
    """A finished adaptation: its folder, what came of it, and the encoder."""

    folder: Path

    @property
    def model_folder(self) -> Path:
        return self.folder / "model"

    @cached_property
    def outcome(self) -> dict[str, Any]:
        """What came of it, as adaptation.json has it: word, sentence, tests, signals, seconds."""
        from contrapose.adapt.folder import MARK
        from contrapose.foreign import read_json_object

        return dict(read_json_object(self.folder / MARK)["outcome"])

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder that was taken, loaded from its folder."""
        from contrapose.encoder.encoder import Encoder

        return Encoder.load(self.model_folder)


def adapt(
    corpus: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    queries: str | Path | None = None,
    columns: Sequence[str] | None = None,
    model: str | Path = "minilm",
    minutes: float = 10.0,
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    listener: Listener | None = None,
) -> Adaptation:
    """Adapt an encoder to text, without labels: learn what the text teaches, keep the rest, take what is proven.

    corpus    files, folders or globs: lines, tables, Markdown, HTML, mail, PDF
    out       the adaptation's folder; the encoder is in ``out/model``
    queries   a file of unlabeled queries, one per line
    columns   of a table: one of texts, or two that belong together
    model     ``minilm``, a folder, or a hub name
    minutes   for everything
    resume    go on where an interrupted one of the same folder ended

    Raises UsageError for a wrong option, or where there is too little text (200 rows), and the errors of reading.
    """
    paths = [corpus] if isinstance(corpus, str | Path) else list(corpus)
    given = {
        "corpus": tuple(str(path) for path in paths),
        "out": str(out),
        "queries": None if queries is None else str(queries),
        "columns": None if columns is None else tuple(columns),
        "model": str(model),
        "minutes": minutes,
        "seed": seed,
        "device": device,
    }
    settings = validate(AdaptSettings, given, where="options")
    return adapt_with(settings, resume=resume, listener=listener)


def adapt_with(
    settings: AdaptSettings, *, resume: bool = False, listener: Listener | None = None
) -> Adaptation:
    """Adapt as the settings say; see :func:`adapt`."""
    from contrapose.listening import Listener
    from contrapose.paths import expanded
    from contrapose.train.signals import StopAtOnce, Stopped

    began = time.perf_counter()
    try:
        with ExitStack() as stack:
            stack.enter_context(StopAtOnce())
            return _adapt(settings, expanded(settings.out), resume, listener or Listener(), began, stack)
    except Stopped as stopped:
        raise Interrupted(_go_on(settings), exit_code=stopped.exit_code) from None
    except Interrupted as error:  # of the training of a signal, which saved its steps
        raise Interrupted(_go_on(settings), exit_code=error.exit_code) from None


def _go_on(settings: AdaptSettings) -> str:
    return f"stopped; what was done in {settings.out} is kept. Continue with the same command and --resume."


def _adapt(
    settings: AdaptSettings, folder: Path, resume: bool, listener: Listener, began: float, stack: ExitStack
) -> Adaptation:
    from contrapose.adapt.folder import begin, remove_unless_begun
    from contrapose.adapt.preflight import check
    from contrapose.adapt.stages import Stages
    from contrapose.storage.staging import locked_folder
    from contrapose.train.claim import refuse_a_file

    refuse_a_file(folder)
    check(settings)
    lock, is_new = locked_folder(folder)
    stack.callback(lock.release)
    if is_new:
        stack.callback(remove_unless_begun, folder)  # before the release: nobody else can be at work there
    if "outcome" in begin(folder, settings, resume=resume):
        listener.notice(f"{folder} is finished already: nothing is left to do")
        return Adaptation(folder)
    stages = Stages(settings, folder, listener, began)
    stages.read()
    stages.look()
    stages.weigh()
    stages.plan()
    stages.train()
    stages.choose()
    stages.train_again()
    stages.finish()
    return Adaptation(folder)

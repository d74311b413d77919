"""``train(...)``: one call from text files to a model folder. The command line and the demo call it too."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import CorruptFile
from contrapose.train.settings import RunSettings, nested, resolve

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder
    from contrapose.train.session import Session
    from contrapose.train.track import Listener


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, what it measured, and the encoder it made."""

    folder: Path

    @property
    def model_folder(self) -> Path:
        return self.folder / "model"

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl."""
        from contrapose.train.track import read_rows

        return read_rows(self.folder / "metrics.jsonl")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Steps, scores, speed and data of the run, as written at its end."""
        try:
            return dict(json.loads((self.folder / "summary.json").read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise CorruptFile(
                f"{self.folder} has no readable summary.json ({error}): the run is not finished"
            ) from None

    @cached_property
    def encoder(self) -> Encoder:
        """The model that the run chose, loaded from its folder."""
        from contrapose.encoder.encoder import Encoder

        return Encoder.load(self.model_folder)


def train(
    corpus: str | Path | Sequence[str | Path],
    *,
    model: str | Path = "minilm",
    method: str = "hncse-hnm",
    out: str | Path,
    resume: bool = False,
    listener: Listener | None = None,
    **options: Any,
) -> Run:
    """Train a sentence encoder on text.

    corpus   a file, folder or glob of text, or several
    model    ``minilm``, a folder, or a hub name
    method   see ``contrapose.methods()``
    out      the run's folder: config.toml, env.json, metrics.jsonl, checkpoints/, model/
    resume   go on from the newest checkpoint in ``out``
    options  any key of the configuration (``steps``, ``batch_size``, ``views``, ``dev_data``, ``parts`` ...); a name
             that no section has is a hyperparameter of the method (``margin``, ``k`` ...)

    Raises UsageError for a wrong option before anything is loaded, and the errors of reading, training and saving.
    """
    paths = [corpus] if isinstance(corpus, str | Path) else list(corpus)
    given = {"corpus": tuple(str(path) for path in paths), "model": str(model), "method": method, "out": out}
    return train_with(resolve(nested({**given, **options})), resume=resume, listener=listener)


def train_with(settings: RunSettings, *, resume: bool = False, listener: Listener | None = None) -> Run:
    """Train as the settings say; see :func:`train`."""
    from contrapose.train import loop
    from contrapose.train.finish import finish
    from contrapose.train.prepare import prepare
    from contrapose.train.track import Listener

    began = time.perf_counter()
    with ExitStack() as stack:
        session: Session = prepare(settings, resume=resume, listener=listener or Listener(), stack=stack)
        stack.callback(session.metrics.close)
        loop.run(session)
        finish(session, began)
        return Run(session.folder)

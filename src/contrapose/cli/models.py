"""From the MODEL of a command line to an encoder, loaded when the first vector is wanted.

Options, files and queries are checked before that, so a mistake in them is told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import UsageError
from contrapose.hints import command
from contrapose.listening import Listener, listener_of

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder


def model_of(name: str) -> str:
    """The model that a name means: of a run's or an adaptation's folder, its ``model/``.

    >>> model_of("minilm")
    'minilm'
    """
    folder = Path(name)
    if (folder / "adaptation.json").exists():
        if not (folder / "model").is_dir():
            raise UsageError(
                f"{name} is an adaptation without a model: it is not finished. "
                f"Go on with: {command('adapt', out=name, resume=True)}"
            )
        return str(folder / "model")
    is_run = (folder / "run.json").exists() or (folder / "metrics.jsonl").exists()
    if not is_run or (folder / "config.json").exists() or (folder / "modules.json").exists():
        return name
    if not (folder / "model").is_dir():
        raise UsageError(
            f"{name} is a run without a model: it is not finished. "
            f"Go on with: {command('train', out=name, resume=True)}"
        )
    return str(folder / "model")


#: Rows that a model in another precision is compared with the original on.
ROWS_COMPARED = 256


def first_texts(sources: Sequence[str], columns: Sequence[str] = ()) -> list[str]:
    """The first rows of text that can be read."""
    from contrapose.data.quarantine import Quarantine
    from contrapose.data.readers import read_rows

    rows = read_rows(list(sources), columns=list(columns) or None, quarantine=Quarantine(max_bad_share=1.0))
    texts = (" ".join(row.texts) for row in rows)
    return list(islice((text for text in texts if text.strip()), ROWS_COMPARED))


class LazyEncoder:
    """Behaves as the encoder of ``model``, which it loads on first use, and tells ``listener`` when it does.

    prepared: what takes the place of the encoder once it is loaded, such as the same one on another backend.
    """

    def __init__(
        self,
        model: str,
        device: str = "auto",
        listener: Listener | None = None,
        prepared: Callable[[Encoder], Any] | None = None,
    ) -> None:
        self._model, self._device = model_of(model), device
        self.listener = listener or listener_of(None)
        self._loaded: Encoder | None = None
        self._prepared, self._used = prepared, None

    def load(self) -> Encoder:
        """The encoder itself."""
        if self._loaded is None:
            from contrapose.encoder.encoder import Encoder
            from contrapose.train.environment import pick_device

            device = pick_device(self._device)
            with self.listener.task("loading the model"):
                self._loaded = Encoder.load(self._model).to(device).eval()
        return self._loaded

    def __getattr__(self, name: str) -> Any:
        if self._prepared is None:
            return getattr(self.load(), name)
        if self._used is None:
            self._used = self._prepared(self.load())
        return getattr(self._used, name)

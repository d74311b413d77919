"""What computes an encoding: the original, or another kind that is compared with it first; and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from contrapose.cli import console
from contrapose.cli.export import show_check
from contrapose.cli.failures import PARTIAL

if TYPE_CHECKING:
    from contrapose.backends.check import Checked
    from contrapose.cli.models import LazyEncoder
    from contrapose.encoder.encoder import Encoder
    from contrapose.listening import Listener
    from contrapose.use.encode import Summary
    from contrapose.use.encode_blocks import FolderSummary


@dataclass
class Kind:
    """A backend and a precision of a model, as they were asked for. Wrong requests are told when this is made."""

    model: str
    input: list[str]
    backend: str
    precision: str
    device: str
    columns: tuple[str, ...]
    data: str | None
    max_loss: float
    checked: Checked | None = None

    def __post_init__(self) -> None:
        if self.is_other:
            from contrapose.backends.opening import check_request

            check_request(self.backend, self.precision, self.device, self.max_loss)

    @property
    def is_other(self) -> bool:
        """Whether it is anything but the original."""
        return (self.backend, self.precision) != ("torch", "fp32")

    def encoder(self, listener: Listener) -> LazyEncoder:
        """What encodes, loaded and compared on first use."""
        from contrapose.cli.models import LazyEncoder

        def prepared(encoder: Encoder) -> Any:
            return self._opened(encoder, listener)

        return LazyEncoder(self.model, self.device, listener, prepared if self.is_other else None)

    def sample(self) -> list[str]:
        """The first rows of the input; general sentences where it is standard input, which is read once."""
        from contrapose.adapt.general import GENERAL_SENTENCES
        from contrapose.cli.models import first_texts

        found = [] if "-" in self.input else first_texts(self.input, self.columns)
        return found or list(GENERAL_SENTENCES)

    def to_json(self) -> dict[str, Any]:
        checked = None if self.checked is None else self.checked.to_json()
        return {"backend": self.backend, "precision": self.precision, "checked": checked}

    def _opened(self, encoder: Encoder, listener: Listener) -> Any:
        from contrapose.backends.opening import open_encoder
        from contrapose.cli.models import model_of

        opened = open_encoder(
            encoder,
            backend=self.backend,
            precision=self.precision,
            sample=self.sample,
            max_loss=self.max_loss,
            data=self.data,
            model=Path(model_of(self.model)),
            listener=listener,
        )
        self.checked = opened.checked
        return opened.encoder


def tell(kind: Kind, summary: Summary | FolderSummary, *, json: bool, next_step: str | None) -> None:
    """What was done, and what the kind costs where it was compared. Exit code 3 where rows could not be read."""
    if json:
        console.show_json(summary.to_json() | kind.to_json())
    else:
        if kind.checked is not None:
            show_check(kind.checked)
        for line in summary.lines():
            console.say(line)
        if next_step is not None:
            console.suggest(next_step)
    if summary.quarantined:
        raise typer.Exit(PARTIAL)

"""What computes an encoding: the original, or another backend or precision that is compared with it first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contrapose.backends.check import Checked
    from contrapose.cli.models import LazyEncoder
    from contrapose.encoder.encoder import Encoder
    from contrapose.listening import Listener


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

    def show(self) -> None:
        """Print what it costs, where it was compared."""
        if self.checked is not None:
            from contrapose.cli.export import show_check

            show_check(self.checked)

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

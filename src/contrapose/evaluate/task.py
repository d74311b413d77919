"""What a task is: which texts it needs, and how their vectors are scored."""

from __future__ import annotations

from typing import Any, Protocol

from contrapose.evaluate.encoding import Encodings
from contrapose.evaluate.results import Result


class Task(Protocol):
    """A task is data and a metric: which texts it needs, and how their vectors are scored."""

    @property
    def name(self) -> str: ...

    @property
    def texts(self) -> list[str]: ...

    def score(self, encodings: Encodings) -> list[Result]: ...


class OnData:
    """A task that is called as its data is, and needs the texts of its data."""

    data: Any

    @property
    def name(self) -> str:
        return str(self.data.task)

    @property
    def texts(self) -> list[str]:
        texts: list[str] = self.data.texts
        return texts

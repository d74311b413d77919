"""What a task is: which texts it needs, and how their vectors are scored; and where tasks come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
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


@dataclass(frozen=True, kw_only=True)
class Protocols:
    """How the tasks that know several protocols are scored. hybrid: retrieval by words as well."""

    sts: str = "senteval-all"
    transfer: str = "senteval-transfer"
    hybrid: bool = False


@dataclass(frozen=True, kw_only=True)
class DatasetSource:
    """A task whose data is not read yet: its group and splits, and where it lies.

    ``read(split, protocols)`` reads it, and raises :class:`DataError` where the data is missing or damaged.
    """

    task: str
    group: str
    splits: tuple[str, ...]
    where: Path
    read: Callable[[str, Protocols], Task]


def with_subfolders(folder: Path) -> list[Path]:
    """A folder and the folders right in it, by name."""
    return [folder, *sorted(child for child in folder.iterdir() if child.is_dir())]

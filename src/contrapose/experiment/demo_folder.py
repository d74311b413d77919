"""The demo's output folder: whose it is, what in it is finished, and what a new start may delete.

    demo.json               what was asked, and whether it came to its end: the mark of a folder that is the demo's
    sentences.parquet       the training sentences            pairs.parquet      the training pairs
    library.parquet         every public object's first line, to search in
    trained-on-sentences/   a run folder, model/ in it        trained-on-pairs/  the same
    result.json             all numbers

An unfinished demo is continued when the same is asked again; a finished one, or one that was asked something else, is
started anew. Only what the demo itself wrote is deleted, and a folder without its mark is never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contrapose.errors import UsageError
from contrapose.foreign import read_json_object
from contrapose.paths import expanded
from contrapose.storage.durable import remove_tree, write_json
from contrapose.storage.syscalls import reporting

MARK = "demo.json"
RESULT = "result.json"
#: Training stage -> its run folder and its corpus.
RUNS = {"sentences": "trained-on-sentences", "pairs": "trained-on-pairs"}
CORPORA = {"sentences": "sentences.parquet", "pairs": "pairs.parquet"}
LIBRARY = "library.parquet"


class DemoFolder:
    """The output folder at ``path``."""

    def __init__(self, path: str | Path) -> None:
        self.path = expanded(path)

    def run(self, stage: str) -> Path:
        return self.path / RUNS[stage]

    def model(self, stage: str) -> Path:
        return self.run(stage) / "model"

    def corpus(self, stage: str) -> Path:
        return self.path / CORPORA[stage]

    @property
    def library(self) -> Path:
        return self.path / LIBRARY

    def claim(self) -> None:
        """Make the folder, or see that it is the demo's; raises :class:`UsageError` where it is somebody else's."""
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path} is a file, not a folder: choose another name with --out")
        with reporting(self.path, "make the folder"):
            self.path.mkdir(parents=True, exist_ok=True)
            others = [
                entry.name for entry in self.path.iterdir() if not entry.name.startswith(".contrapose-")
            ]
        if others and MARK not in others and others != ["run.lock"]:
            raise UsageError(
                f"{self.path} holds files that are not the demo's ({', '.join(sorted(others)[:3])}): "
                "choose another folder with --out"
            )

    def begin(self, asked: Mapping[str, Any]) -> bool:
        """True where an unfinished demo of the same is continued; otherwise what an earlier one left is deleted."""
        mark = self._mark()
        if mark.get("asked") == asked and not mark.get("finished"):
            return True
        for name in (RESULT, *CORPORA.values(), LIBRARY):
            with reporting(self.path / name, "delete"):
                (self.path / name).unlink(missing_ok=True)
        for stage in RUNS:
            remove_tree(self.run(stage))
        self._write_mark(asked, finished=False)
        return False

    def end(self, asked: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Write the result and note that the demo came to its end."""
        write_json(self.path / RESULT, result)
        self._write_mark(asked, finished=True)

    def is_trained(self, stage: str) -> bool:
        """Whether the run of a stage is complete; its summary is written after its model."""
        return (self.run(stage) / "summary.json").is_file() and self.model(stage).is_dir()

    def _mark(self) -> dict[str, Any]:
        try:
            return read_json_object(self.path / MARK)
        except (OSError, ValueError):
            return {}

    def _write_mark(self, asked: Mapping[str, Any], *, finished: bool) -> None:
        write_json(self.path / MARK, {"asked": dict(asked), "finished": finished})

"""Folders that contrapose made itself: what lies in them is no text to train on, encode or search."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from contrapose.data.text import printable
from contrapose.errors import UsageError

#: A folder with one of these was made by contrapose: a run (or one at work), an experiment, a demo, an adaptation, a
#: folder of vectors.
MARKS = ("run.json", "run.lock", "experiment.json", "demo.json", "adaptation.json", "_encode/plan.json")
#: Folders that a warning names.
SHOWN = 3


class OwnFolders:
    """One search for text: which files are left out of it, and how many they are.

    out: a folder that the search is made for and that is about to be contrapose's own; it need not be there yet.
    """

    def __init__(self, out: str | Path | None = None) -> None:
        self._out = None if out is None else os.path.realpath(out)
        self._known: dict[Path, bool] = {}
        self.left_out: Counter[Path] = Counter()

    def keeps(self, file: Path, *, below: Path) -> bool:
        """Whether ``file`` is text; False, and counted, where a folder between ``below`` and it is contrapose's own."""
        around = [parent for parent in file.parents if parent != below and parent.is_relative_to(below)]
        for folder in reversed(around):
            if self._is_own(folder):
                self.left_out[folder] += 1
                return False
        return True

    def refuse(self, folder: Path) -> None:
        """Raise UsageError for a folder of text that is contrapose's own."""
        self.refuse_out(folder)
        if mark := _mark(folder):
            raise UsageError(
                f"{printable(folder, 300)} is a folder that contrapose made (it holds {mark}), not one of text. "
                "To read files in it all the same, name them"
            )

    def refuse_out(self, folder: Path) -> None:
        """Raise UsageError where the folder that is searched is the one that will be written into."""
        if self._out is not None and os.path.realpath(folder) == self._out:
            raise UsageError(
                f"--out {printable(folder, 300)} is the folder that the text is read from, and a run writes files that "
                "would be taken for text: choose a folder of its own, inside it or elsewhere"
            )

    def also(self) -> str:
        """The end of an error about a search that found nothing else."""
        return f" ({self.summary()})" if self.left_out else ""

    def summary(self) -> str:
        """What was left out, for people."""
        files, folders = sum(self.left_out.values()), list(self.left_out)
        named = ", ".join(printable(folder, 100) for folder in folders[:SHOWN])
        more = f" and {len(folders) - SHOWN} more" if len(folders) > SHOWN else ""
        return (
            f"left out {files} file{'s' * (files != 1)} in {len(folders)} folder{'s' * (len(folders) != 1)} that "
            f"contrapose made itself: {named}{more}"
        )

    def _is_own(self, folder: Path) -> bool:
        if folder not in self._known:
            self._known[folder] = bool(_mark(folder)) or os.path.realpath(folder) == self._out
        return self._known[folder]


def _mark(folder: Path) -> str:
    """The file that tells that contrapose made a folder; "" where none does."""
    for name in MARKS:
        if (folder / name).is_file():
            return name
    evidence = folder / "evidence"  # of a ledger, whatever its name
    if evidence.is_dir() and ((folder / "ledger.jsonl").is_file() or any(evidence.glob("*.safetensors"))):
        return "evidence"
    return ""

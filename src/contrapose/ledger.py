"""The ledger: every run and every evaluation, appended, so that a number can always be traced to what made it.

    LEDGER/ledger.jsonl        one entry per line: id, kind, time, environment, and what the kind records
    LEDGER/evidence/ID.safetensors     the rows behind the numbers of an evaluation, for paired comparison later

It lies in ``$CONTRAPOSE_LEDGER``, else in ``$XDG_DATA_HOME/contrapose/ledger`` (``~/.local/share/...``);
``CONTRAPOSE_LEDGER=off`` keeps none. Several processes may append at once. A ledger that cannot be written is a
warning: the work itself is worth more than its record.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import secrets
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.errors import ContraposeError, CorruptFile, StorageError, UsageError
from contrapose.foreign import parse_json_object
from contrapose.paths import expanded
from contrapose.storage.durable import append_line, write_bytes

logger = logging.getLogger(__name__)

VARIABLE = "CONTRAPOSE_LEDGER"
KINDS = ("run", "evaluation", "trial")
#: Packages whose versions decide numbers.
PACKAGES = ("contrapose", "torch", "transformers", "tokenizers", "safetensors", "numpy", "scipy", "pyarrow")
#: Parts of an entry that are read again, and the kind that each is of.
_SHAPE: dict[str, type] = {
    "summary": dict, "results": list, "environment": dict, "factors": dict, "values": dict, "facts": dict,
}  # fmt: skip
_NAMES_OF_RESULT = ("task", "metric", "protocol", "split")
#: Shortest beginning of an id that is taken for it.
SHORTEST_ID = 4


@dataclass(frozen=True)
class Entry:
    """One line of the ledger."""

    id: str
    kind: str
    time: str
    body: Mapping[str, Any] = field(hash=False)

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "kind": self.kind, "time": self.time, **self.body}


class Ledger:
    """A folder of entries; ``Ledger.usual()`` is the user's own, or None where it is switched off.

    name: of the file of entries; an experiment keeps its own ledger, of its trials, in its folder.
    """

    def __init__(self, folder: str | Path, name: str = "ledger.jsonl") -> None:
        self.folder, self._name = Path(folder), name

    @classmethod
    def usual(cls) -> Ledger | None:
        """Raises :class:`UsageError` where no folder can be named: no home folder, and none named instead."""
        given = os.environ.get(VARIABLE, "")
        if given.lower() in ("off", "0", "none"):
            return None
        try:
            if given:
                return cls(expanded(given))
            home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
            return cls(expanded(home) / "contrapose" / "ledger")
        except UsageError as error:
            raise UsageError(f"{error}. Set {VARIABLE} to a folder, or to off") from None

    @property
    def path(self) -> Path:
        return self.folder / self._name

    def why_not_writable(self) -> str:
        """What stands in the way of an entry as far as can be seen without writing; "" where nothing does."""
        existing = self.path if os.path.lexists(self.path) else self.folder
        while not os.path.lexists(existing):
            existing = existing.parent
        if existing == self.path:
            fits, kind = os.path.isfile(existing), "file"
        else:
            fits, kind = os.path.isdir(existing), "folder"
        if not fits:
            return f"{existing} is no {kind}"
        allowed = os.access(existing, os.W_OK if kind == "file" else os.W_OK | os.X_OK)
        return "" if allowed else f"{existing} may not be written"

    def append(
        self, kind: str, body: Mapping[str, Any], evidence: Mapping[str, np.ndarray] | None = None
    ) -> Entry:
        """Record ``body``; its evidence is on the disk before the line that speaks of it.

        Raises :class:`StorageError` where the folder cannot be written; :func:`record` turns that into a warning.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}")
        entry = Entry(secrets.token_hex(6), kind, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), body)
        try:
            (self.folder / "evidence").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make {self.folder}: {error.strerror}") from error
        if evidence:
            from safetensors.numpy import save

            arrays = {name: np.ascontiguousarray(array) for name, array in evidence.items()}
            write_bytes(self._evidence_path(entry), save(arrays))
        append_line(self.path, json.dumps(_plain(entry.to_json()), allow_nan=False), sync=True)
        return entry

    def entries(self, kind: str | None = None) -> list[Entry]:
        """All entries, oldest first. Lines that are no entry are counted in a warning, and left out."""
        return [entry for entry in self._read() if kind in (None, entry.kind)]

    def find(self, beginning: str) -> Entry:
        """The entry whose id begins so. Raises :class:`UsageError` for none, and for several."""
        entries = [entry for entry in self._read() if entry.id.startswith(beginning)]
        if len(beginning) < SHORTEST_ID or not entries:
            raise UsageError(f"no entry '{beginning}' in {self.path}; `contrapose runs` lists them")
        if len(entries) > 1:
            raise UsageError(
                f"'{beginning}' is the beginning of {len(entries)} entries: {', '.join(entry.id for entry in entries)}"
            )
        return entries[0]

    def evidence(self, entry: Entry) -> dict[str, np.ndarray]:
        """The arrays that were recorded with an entry; {} where there are none."""
        path = self._evidence_path(entry)
        if not path.exists():
            return {}
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            return dict(load(path.read_bytes()))
        except (OSError, SafetensorError) as error:
            raise CorruptFile(f"{path}: the evidence of entry {entry.id} cannot be read ({error})") from None

    def _evidence_path(self, entry: Entry) -> Path:
        return self.folder / "evidence" / f"{entry.id}.safetensors"

    def _read(self) -> Iterator[Entry]:
        if not self.path.exists():
            return
        bad = 0
        for line in self.path.read_text(encoding="utf-8", errors="replace").split("\n"):
            if not line.strip():
                continue
            try:
                yield _entry(parse_json_object(line))
            except (ValueError, KeyError):
                bad += 1
        if bad:
            logger.warning("%s: %d lines are no entries and were left out", self.path, bad)


def record(
    kind: str, body: Mapping[str, Any], evidence: Mapping[str, np.ndarray] | None = None
) -> Entry | None:
    """Append to the user's ledger, with the environment; None where there is none or it cannot be written."""
    try:
        ledger = Ledger.usual()
        if ledger is None:
            return None
        return ledger.append(kind, {**body, "environment": environment()}, evidence)
    except ContraposeError as error:
        logger.warning("not recorded in the ledger: %s", error)
        return None


def why_not_recorded() -> str:
    """Why the user's ledger will take no entry, asked before work begins; "" where it will, or is switched off."""
    try:
        ledger = Ledger.usual()
    except UsageError as error:
        return str(error)
    return "" if ledger is None else ledger.why_not_writable()


def environment() -> dict[str, Any]:
    """Python, system and the versions of what computes; cheap, imports nothing."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions(PACKAGES),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]] if sys.argv and sys.argv[0] else [],
    }


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Package -> version, or "not installed"."""
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _entry(record: dict[str, Any]) -> Entry:
    """The entry that a line holds. KeyError where its head is missing, ValueError for a body of another shape."""
    identity, kind_of_entry, time_of_entry = (str(record.pop(name)) for name in ("id", "kind", "time"))
    for name, kind in _SHAPE.items():
        if not isinstance(record.get(name, kind()), kind):
            raise ValueError(f"{name} is of another kind")
    body: dict[str, Any] = _plain(record)
    if not all(map(_is_result, body.get("results", ()))):
        raise ValueError("a result that is none")
    if not all(isinstance(value, dict) for value in body.get("values", {}).values()):
        raise ValueError("values that are none")
    return Entry(identity, kind_of_entry, time_of_entry, body)


def _is_result(result: Any) -> bool:
    """Whether it has what tables and comparisons read; ``value`` is null where it is undefined."""
    if not isinstance(result, dict) or not isinstance(result.get("details"), dict):
        return False
    value = result.get("value", "missing")
    number = value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    return number and all(isinstance(result.get(name), str) for name in _NAMES_OF_RESULT)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)

"""Data of one of MTEB's tasks that was read from a folder, and how it takes the place of MTEB's own download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT = "default"


@dataclass(frozen=True, kw_only=True)
class LocalData:
    """A task's data: ``parts[subset][split]`` as MTEB wants them.

    parts        a table by column, or for retrieval ``corpus``, ``queries`` and ``relevant_docs``
    sizes        (rows, characters) of each subset and split; rows of retrieval are its queries
    folder       the name of the folder it was read from
    fingerprint  a sha256 over what was read
    text         "raw" or "tokenised"
    """

    parts: Mapping[str, Mapping[str, Mapping[str, Any]]]
    sizes: Mapping[tuple[str, str], tuple[int, int]]
    folder: str
    fingerprint: str
    text: str

    @property
    def subsets(self) -> list[str]:
        return list(self.parts)

    @property
    def revision(self) -> str:
        """What stands in MTEB's result file in place of the revision of its own data set."""
        return f"local-{self.fingerprint[:40]}"


def feed(task: Any, local: LocalData) -> None:
    """Put the data into ``task`` in place of a download; the task then says so in its revision."""
    from datasets import Dataset, DatasetDict

    def made(part: Mapping[str, Any]) -> Any:
        if "relevant_docs" not in part:
            return Dataset.from_dict(dict(part))
        tables = {key: Dataset.from_dict(part[key]) for key in ("corpus", "queries")}
        return {**tables, "relevant_docs": part["relevant_docs"], "top_ranked": None}

    by_subset = {name: {split: made(part) for split, part in of.items()} for name, of in local.parts.items()}
    retrieval = any("relevant_docs" in part for of in local.parts.values() for part in of.values())
    if not retrieval:
        by_subset = {name: DatasetDict(of) for name, of in by_subset.items()}
    task.dataset = by_subset if retrieval or local.subsets != [DEFAULT] else by_subset[DEFAULT]
    task.data_loaded = True


def stand_in(task: Any, local: LocalData) -> None:
    """Make the task's description that of the local data: its subsets, and a revision of its own."""
    data = {**task.metadata.dataset, "revision": local.revision}
    task.metadata = task.metadata.model_copy(update={"dataset": data})
    task.hf_subsets = [subset for subset in task.hf_subsets if subset in local.parts]

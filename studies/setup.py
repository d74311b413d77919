"""What the trials of all studies share: the corpora, the sentences that no run trains on, the options of training.

    OUT/NAME.jsonl             the ledger of study NAME
    OUT/corpora/KEY.txt        rows of a corpus, as the runs read them

Rows are put in the order of a hash of their text, so that a smaller corpus is a part of every larger one, whatever
order the file had. The first of the main corpus are the probe: how far a run moved the space is measured on them.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import UsageError
from contrapose.experiment.measuring import Setting
from contrapose.experiment.trials import Trial, TrialResult

if TYPE_CHECKING:
    from contrapose.listening import Listener

#: The tasks of the score of a run: the development split of STS-B and the trial set of SICK.
JUDGED = ("STS-B", "SICK-R")
#: Sentences that every encoder is compared on with the one it started from.
PROBE = 500
#: At most this share of a small corpus is taken for the probe.
PROBE_SHARE = 5


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A trial, and how it is measured: called with the trial, its folder, and who is told of the training."""

    trial: Trial
    measure: Callable[[Trial, Path, Listener | None], TrialResult]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a study is run with. corpora: the first is the main one, further ones are domains for ``scale``."""

    corpora: tuple[str, ...]
    data: tuple[str, ...]
    out: Path
    model: str = "minilm"
    steps: int = 60
    seeds: int = 2
    batch_size: int = 64
    learning_rate: float = 2e-5
    max_length: int = 32

    def check(self) -> None:
        """Raise :class:`UsageError` where a folder is missing or none holds the tasks that every run is judged on."""
        from contrapose.evaluate.found import sources_in

        if not self.corpora:
            raise UsageError("a study trains on sentences: give at least one file of them as CORPUS")
        found = {
            each.task for each in sources_in([Path(folder) for folder in self.data]) if "dev" in each.splits
        }
        if missing := [task for task in JUDGED if task not in found]:
            raise UsageError(
                f"no folder of --data ({', '.join(self.data) or 'none was given'}) holds the development split of "
                f"{' and '.join(missing)}, which every run is judged on: give SentEval's folder with --data"
            )

    @cached_property
    def probe(self) -> list[str]:
        """Sentences of the main corpus that no run trains on."""
        texts = self._ordered[self.corpora[0]]
        return texts[: min(PROBE, len(texts) // PROBE_SHARE)]

    def texts(self, corpus: str | None = None, rows: int | None = None) -> list[str]:
        """The rows to train on: the first ``rows`` of ``corpus`` (all; the main one), without the probe."""
        held_out = set(self.probe)
        found = [text for text in self._ordered[corpus or self.corpora[0]] if text not in held_out]
        return found[:rows]

    def setting(self, *, corpus: str | None = None, rows: int | None = None, **changes: Any) -> Setting:
        """Judged on the development split of STS, unless ``changes`` say otherwise."""
        given = {"tasks": ("sts",), "data": self.data, "split": "dev", "model": self.model, **changes}
        return Setting(corpus=(str(self._file(corpus, rows)),), **given)

    def options(self, method: str, seed: int = 0, **options: Any) -> dict[str, Any]:
        """The options of a run, those of the method among them."""
        shared: dict[str, Any] = {
            "steps": self.steps,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "max_length": self.max_length,
            "criterion": "none",
            "held_out_rows": 0,
        }
        return {"method": method, "seed": seed, **shared, **options}

    @cached_property
    def _ordered(self) -> Mapping[str, list[str]]:
        return {corpus: _in_order_of_hash(corpus) for corpus in self.corpora}

    def _file(self, corpus: str | None, rows: int | None) -> Path:
        from contrapose.storage.durable import write_text
        from contrapose.storage.syscalls import reporting

        content = "\n".join(self.texts(corpus, rows)) + "\n"
        key = hashlib.sha256(content.encode()).hexdigest()[:16]
        path = self.out / "corpora" / f"{key}.txt"
        if not path.exists():
            with reporting(path.parent):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, content)
        return path


def _in_order_of_hash(corpus: str) -> list[str]:
    from contrapose.data.corpus import build_corpus

    with tempfile.TemporaryDirectory(prefix="contrapose-") as place:
        built = build_corpus([corpus], Path(place) / "corpus")
        if len(built.columns) > 1:
            raise UsageError(
                f"a study trains on sentences, and {corpus} has the columns {', '.join(built.columns)}: "
                "give a file with one text per row"
            )
        (texts,) = built.take(range(len(built))).values()
    return sorted(texts, key=lambda text: hashlib.blake2b(text.encode(), digest_size=16).digest())

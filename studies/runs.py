"""How the trials of the studies are planned and measured; what has a row is never run again.

    OUT/NAME.jsonl             the ledger of study NAME
    OUT/corpora/KEY.txt        rows of a corpus, as the runs read them

Rows are put in the order of a hash of their text, so that a smaller corpus is a part of every larger one, whatever
order the file had. The first of the main corpus are the probe: how far a run moved the space is measured on them.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import UsageError
from contrapose.experiment.measuring import Setting
from contrapose.experiment.trials import Trial, TrialListener, TrialResult, Trials
from contrapose.ledger import Entry, Ledger
from studies.measuring import Measuring

if TYPE_CHECKING:
    from contrapose.listening import Listener

#: The tasks of the score of a run: the development split of STS-B and the trial set of SICK.
JUDGED = ("STS-B", "SICK-R")
#: Sentences that every encoder is compared on with the pretrained model; at most a fifth of a small corpus.
PROBE, PROBE_SHARE = 500, 5
#: Every method with its own hyperparameters.
METHODS = ("simcse", "focal-infonce", "hncse-pm", "hncse-hnm", "hncse")


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
        from contrapose.evaluate.dataset_sources import dataset_sources

        if not self.corpora:
            raise UsageError("a study trains on sentences: give at least one file of them as CORPUS")
        sources = dataset_sources([Path(folder) for folder in self.data])
        with_dev = {source.task for source in sources if "dev" in source.splits}
        if missing := [task for task in JUDGED if task not in with_dev]:
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
        probe = set(self.probe)
        return [text for text in self._ordered[corpus or self.corpora[0]] if text not in probe][:rows]

    def setting(self, *, corpus: str | None = None, rows: int | None = None, **changes: Any) -> Setting:
        """Judged on the development split of STS, unless ``changes`` say otherwise."""
        given = {"tasks": ("sts",), "data": self.data, "split": "dev", "model": self.model, **changes}
        return Setting(corpus=(str(self._file(corpus, rows)),), **given)

    def runs(
        self,
        wanted: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]],
        *,
        elsewhere: Mapping[str, str] | None = None,
        may_refuse: bool = False,
        **setting: Any,
    ) -> list[Planned]:
        """The pretrained model, and one run for each (factors, options); ``setting`` as :meth:`setting` takes it.

        elsewhere: tasks that have no split of the setting's kind -> the split that they are judged on; may_refuse: runs
        that the model cannot serve are recorded as such.
        """
        shared = self.setting(**setting)
        measure = Measuring(shared, self.probe, elsewhere or {}, may_refuse).measure
        trials = [shared.start(), *(shared.trial(factors, self._options(**own)) for factors, own in wanted)]
        return [Planned(trial=trial, measure=measure) for trial in trials]

    def _options(self, method: str, seed: int = 0, **options: Any) -> dict[str, Any]:
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
        content = "\n".join(self.texts(corpus, rows)) + "\n"
        key = hashlib.sha256(content.encode()).hexdigest()[:16]
        return written(self.out / "corpora" / f"{key}.txt", content)


def written(path: Path, content: str) -> Path:
    """Write ``content`` unless it is there."""
    from contrapose.storage.durable import write_text
    from contrapose.storage.syscalls import reporting

    with reporting(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != content:
            write_text(path, content)
    return path


def _in_order_of_hash(corpus: str) -> list[str]:
    from contrapose.data.corpus import build_corpus

    with tempfile.TemporaryDirectory(prefix="contrapose-") as folder:
        built = build_corpus([corpus], Path(folder) / "corpus")
        if len(built.columns) > 1:
            raise UsageError(
                f"a study trains on sentences, and {corpus} has the columns {', '.join(built.columns)}: "
                "give a file with one text per row"
            )
        (texts,) = built.take(range(len(built))).values()
    return sorted(texts, key=lambda text: hashlib.blake2b(text.encode(), digest_size=16).digest())


def run_planned(
    name: str,
    planned: Sequence[Planned],
    out: Path,
    watcher: TrialListener | None = None,
    listener: Listener | None = None,
) -> list[Entry]:
    """Measure what is not measured yet; the study's rows. The same call goes on where an interrupted one ended.

    Where another study of the same folder holds a trial with equal options, its row is copied.
    """
    trials = Trials(out, experiment=name, name=f"{name}.jsonl")
    by_key = {each.trial.key: each for each in planned}
    of_others = {
        str(entry.body.get("key")): entry.body
        for path in sorted(out.glob("*.jsonl"))
        if path != trials.ledger.path
        for entry in Ledger(out, path.name).entries("trial")
    }
    mine = trials.rows()
    for key, each in by_key.items():
        if key in of_others and key not in mine:
            own = {"experiment": name, "factors": dict(each.trial.factors)}
            trials.ledger.append("trial", {**of_others[key], **own})
    return trials.run(
        [each.trial for each in planned],
        lambda trial, folder: by_key[trial.key].measure(trial, folder, listener),
        watcher,
    )

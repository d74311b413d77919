"""What the demo is asked and what it found, as records; ``to_json`` is what ``contrapose demo --json`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from contrapose.config import Frozen
from contrapose.data.harvest import STANDARD_LIBRARY, HarvestStatistics
from contrapose.data.held_out import Split
from contrapose.experiment.demo_folder import DemoFolder
from contrapose.experiment.questions import METRICS, Exam, Sheet, verdict

#: The three stages, in order, by what the encoder was trained on.
STAGES = {
    "before": "before",
    "sentences": "sentences alone",
    "pairs": "natural pairs",
}


class DemoSettings(Frozen):
    """What the demo may be told. The defaults are those of the recorded figures."""

    out: str = "contrapose-demo"
    model: str = "minilm"
    method: str = "hncse-hnm"
    seed: int = Field(0, ge=0, lt=2**63)
    steps: int = Field(100, ge=1)
    batch_size: int = Field(64, ge=2)
    learning_rate: float = Field(2e-5, gt=0, lt=1)
    max_length: int = Field(48, ge=3)
    sources: tuple[str, ...] = (STANDARD_LIBRARY,)


@dataclass(frozen=True)
class DemoResult:
    """What was harvested and what each stage answered. ``seconds`` is the time of this call, continued or not."""

    settings: DemoSettings
    account: HarvestStatistics
    split: Split
    exam: Exam
    sheets: Mapping[str, Sheet]
    folder: DemoFolder
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain data: the counts, the numbers of each stage with intervals and paired tests, the searches."""
        return {
            "settings": self.settings.model_dump(mode="json"),
            "files": self.account.files,
            "objects": self.account.objects,
            "training_sentences": len(self.split.sentences),
            "training_pairs": len(self.split.pairs),
            "held_out_objects": self.split.held_out_objects,
            "stages": [self._stage(stage) for stage in self.sheets],
            "searches": [
                {
                    "query": query,
                    **{s: [a.to_json() for a in sheet.answers[query]] for s, sheet in self.sheets.items()},
                }
                for query in self.exam.searches
            ],
            "model": str(self.folder.model("pairs")),
            "seconds": round(self.seconds, 1),
        }

    def _stage(self, stage: str) -> dict[str, Any]:
        sheet, tasks = self.sheets[stage], {}
        for task, pairs in self.exam.tasks.items():
            tasks[task] = {
                "questions": len(pairs),
                **{metric: self._number(stage, task, metric) for metric in METRICS},
            }
        trained = None if stage == "before" else str(self.folder.model(stage))
        return {
            "stage": stage,
            "model": trained,
            "fingerprint": sheet.model,
            **tasks,
            "geometry": sheet.geometry,
        }

    def _number(self, stage: str, task: str, metric: str) -> dict[str, Any]:
        interval = self.sheets[stage].interval(task, metric)
        number: dict[str, Any] = {"value": interval.estimate, "low": interval.low, "high": interval.high}
        if stage != "before":
            test = self.sheets[stage].compared_with(self.sheets["before"], task, metric)
            number["vs_before"] = {
                "difference": test.difference,
                "low": test.low,
                "high": test.high,
                "p_value": test.p_value,
                "verdict": verdict(test),
            }
        return number

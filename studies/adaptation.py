"""adaptation: does `contrapose adapt` gain on every domain, and is what it says at the end right?

Every domain of ``adaptation_domains``, with all its text and with a thousand rows of it, three seeds. Labels are read
once, after the encoder was taken. "better" is right where the labelled task gained; "unchanged" is right unless a
signal that was trained would have gained a point. Signals are judged alone with the first seed, and wherever nothing
was handed out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import UsageError
from contrapose.experiment.trials import Trial, TrialResult
from studies.adaptation_answers import answer, figure
from studies.adaptation_domains import ADAPTED, Adapting, read_adapting
from studies.runs import Planned, Setup
from studies.study import Study

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder

#: Rows of text that are given: more than is read of any kind, and few.
SIZES = {"all": 20_000, "1,000 rows": 1_000}
#: Seeds, whatever --seeds says: they are in the question.
SEEDS = 3


class Adaptations:
    """The domains of a folder, each read once, and what the start measures on them."""

    def __init__(self, data: Path, model: str) -> None:
        from contrapose.encoder.encoder import Encoder
        from contrapose.train.environment import pick_precision

        self.model = model
        self.domain = cache(lambda name: read_adapting(name, data))
        start = Encoder.load(model)
        self.precision = "bf16" if pick_precision("auto", start.device) else "fp32"
        self.before = cache(lambda name: self.domain(name).measured(start, self.precision))

    def trials(self) -> list[Trial]:
        """Seed by seed, all domains of one seed and size before the next."""
        return [
            Trial(
                factors={"domain": domain, "text": text, "seed": seed},
                options={
                    "study": "adaptation",
                    "model": self.model,
                    "domain": domain,
                    "rows": rows,
                    "seed": seed,
                },
            )
            for seed in range(SEEDS)
            for text, rows in SIZES.items()
            for domain in ADAPTED
        ]

    def measure(self, trial: Trial, folder: Path, listener: Any = None) -> TrialResult:
        """Adapt, and look at the labels."""
        from contrapose.adapt.api import adapt

        domain, before = self.domain(trial.factors["domain"]), self.before(trial.factors["domain"])
        out = folder / "adapted"
        done = adapt(
            domain.write(folder / "text.jsonl", trial.options["rows"]),
            out=out,
            model=self.model,
            seed=trial.factors["seed"],
            resume=out.exists(),
            listener=listener,
        )
        outcome = done.outcome
        after = domain.measured(done.encoder, self.precision)
        # To read labels with every signal costs half as much as to adapt: once is enough where nothing depends on it.
        judged_alone = trial.factors["seed"] == 0 or outcome["word"] == "unchanged"
        worth = {
            name: round(domain.change(before, domain.measured(encoder, self.precision))["difference"], 4)
            for name, encoder in (_alone_and_together(out, self.model) if judged_alone else ())
        }
        return TrialResult(
            facts={
                "word": outcome["word"],
                "start": domain.value(before),
                "value": domain.value(after),
                **domain.change(before, after),
                **_hybrid(domain, before, after),
                "signals": worth,
                "taken": outcome["taken"],
                "left_out": outcome["left_out"],
                "questions": outcome["questions"],
                "seconds": outcome["seconds"],
            }
        )


def _alone_and_together(out: Path, model: str) -> Iterator[tuple[str, Encoder]]:
    """What a user would have of each signal whole, and of the average of all: name -> encoder."""
    from contrapose.adapt.choice import TOGETHER, WEIGHED, mean_of
    from contrapose.encoder.encoder import Encoder

    weighed = out / "start"
    encoder = Encoder.load(weighed if weighed.is_dir() else model)
    if weighed.is_dir():
        yield WEIGHED, encoder
    # What was trained once more on all of the text is a part of what is handed out, and of no signal alone.
    means = {
        path.parent.name: Encoder.load(path).state_dict()
        for path in sorted((out / "signals").glob("*/model"))
        if not path.parent.name.endswith("-all")
    }
    for name, weights in [
        *means.items(),
        *([(TOGETHER, mean_of([*means.values()]))] if len(means) > 1 else []),
    ]:
        encoder.load_state_dict(weights)
        yield name, encoder


def _hybrid(domain: Adapting, before: Any, after: Any) -> dict[str, float | None]:
    metric = f"hybrid-{domain.metric}"
    return {"hybrid_start": domain.value(before, metric), "hybrid": domain.value(after, metric)}


def plan(setup: Setup) -> list[Planned]:
    """The data folder is the one of --data that holds ``corpora`` and ``senteval``."""
    for folder in map(Path, setup.data):
        if (folder / "corpora").is_dir() and (folder / "senteval").is_dir():
            runs = Adaptations(folder, setup.model)
            return [Planned(trial=trial, measure=runs.measure) for trial in runs.trials()]
    raise UsageError(
        "the study 'adaptation' needs labelled domains: give --data a folder that holds corpora/ and senteval/"
    )


STUDY = Study(
    name="adaptation",
    question="Does adapting gain on every domain, without one label, and is what it says at the end right?",
    plan=plan,
    answer=answer,
    figure=figure,
    corpora="",
    data=("DATA",),
)

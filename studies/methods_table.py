"""``make methods-table``: every method from a start that no contrast has trained, and from minilm; as a table.

    python -m studies.methods_table --wiki wiki.txt.gz --senteval SENTEVAL --start FOLDER [--out runs/methods]
    python -m studies.methods_table --out runs/methods --summary docs/results/methods.jsonl

The first command measures what is not measured yet, and can be stopped and given again at any time, in the middle of a
training too; several processes may be given it at once, and with ``--address`` every run is a task on a Ray cluster.
It uses the GPU where there is one. The second one writes what there is so far as plain data; ``make docs`` makes the
page docs/methods-measured.md of it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.cli.cluster_options import crew_at
from contrapose.experiment.measuring import UNTRAINED
from contrapose.experiment.trials import Measuring, Trial
from studies.methods_plan import Start
from studies.methods_summary import write

if TYPE_CHECKING:
    from contrapose.cluster.crew import Crew

#: Starts by name: the second start, and the model that contrast has trained already, with fewer seeds.
SECOND, FIRST = "minilm-mlm", "minilm"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wiki", help="sentences to train on, one per line")
    parser.add_argument("--senteval", help="SentEval's folder")
    parser.add_argument("--start", help="folder of the second start, as `contrapose pretrain` makes it")
    parser.add_argument("--out", type=Path, default=Path("runs/methods"))
    parser.add_argument(
        "--summary", type=Path, help="write what was measured as JSON lines, and measure nothing more"
    )
    parser.add_argument("--only", help="methods to measure now, with commas between them")
    parser.add_argument("--address", help="a Ray cluster that measures: local, auto or HOST:PORT of its head")
    parser.add_argument("--workers", type=int, help="runs at a time on the cluster")
    given = parser.parse_args(arguments)
    if given.summary is None:
        if not (given.wiki and given.senteval and given.start):
            parser.error("give --wiki, --senteval and --start, or --summary FILE")
        for start in starts(given.wiki, given.senteval, given.start, given.out):
            only = set(given.only.split(",")) if given.only else None
            measure(start, only, crew_at(given.address, given.workers))
        return
    plans = json.loads((given.out / "starts.json").read_text("utf-8"))
    write([Start(**plan, out=given.out) for plan in plans.values()], given.summary)


def starts(wiki: str, senteval: str, second: str, out: Path) -> list[Start]:
    """The second start with all seeds and choices, minilm with one seed (three for the five); noted in OUT."""
    made = [
        Start(name=SECOND, model=second, corpus=wiki, senteval=senteval, out=out),
        Start(
            name=FIRST,
            model=FIRST,
            corpus=wiki,
            senteval=senteval,
            out=out,
            seeds=1,
            seeds_of_five=3,
            chosen=False,
        ),
    ]
    plans = {
        start.name: {name: value for name, value in asdict(start).items() if name != "out"} for start in made
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "starts.json").write_text(json.dumps(plans, indent=1) + "\n", "utf-8")
    return made


def measure(start: Start, only: set[str] | None = None, crew: Crew | None = None) -> None:
    """All that is planned, then what its results choose. crew: a cluster that measures, in place of this process."""
    from contrapose.cli.trials_view import TrialsView, trials_of, watching

    with (
        watching(start.folder, TrialsView(score=_score)) as view,
        trials_of(crew) as trials_in,
    ):
        trials = trials_in(start.folder, experiment="methods")

        def run(wanted: Sequence[Trial]) -> None:
            asked = [
                trial for trial in wanted if only is None or trial.options["method"] in {*only, UNTRAINED}
            ]
            trials.run(asked, Measuring(start, view), view)

        run(start.planned())
        run(start.chosen_runs(trials.rows()))


def _score(row: Mapping[str, Any]) -> str:
    """What the line of a finished run says of it."""
    facts = row["facts"]
    return (
        f"not for this start: {facts['refused']}" if "refused" in facts else f"STS-B dev {facts['dev']:.2f}"
    )


if __name__ == "__main__":
    main()

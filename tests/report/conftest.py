"""Two tiny finished runs with a ledger that knows them, and a report of both: made once for the whole package."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from contrapose.encoder.encoder import Encoder
from contrapose.evaluate.judged import PairsTask
from contrapose.evaluate.labelled import read_judged
from contrapose.evaluate.suite import evaluate
from contrapose.ledger import VARIABLE, Ledger
from contrapose.report.gather import gather
from contrapose.report.record import Report
from tests.train.runs import Place, plain_bert, run_tiny, texts, write_place

#: Texts that try to leave their place: markup, quotes, a script, right-to-left, direction overrides, NUL, emoji,
#: links, a table's bars, and a line of 10,000 characters.
HOSTILE = (
    "<script>window.stolen = 1</script> the cat sits on the mat in the park",
    '</script></style></li></template><img src=x onerror="window.stolen = 2"> a dog runs after the ball',
    '" onmouseover="window.stolen = 3" \' ` the market fell on monday again',
    "]]> --> <!-- <svg onload=window.stolen=4> sort a list of numbers in place",
    "[click](javascript:window.stolen=5) | a | b | the train leaves in ten minutes",
    "שלום עולם this line turns \u202eround and round\u202c the last word",
    "nul \x00 and bell \x07 and escape \x1b[31m red the bank raised its rate",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 a man plays the guitar on a stage",
    "# heading & <b>bold</b> http://evil.example/x @someone the team won",
    "word " * 2000,
)


@dataclass(frozen=True)
class World:
    place: Place
    first: Path
    second: Path
    sweep: Path
    comparison: Path
    ledger: Ledger
    report: Report


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("report")
    place = write_place(folder, plain_bert(folder / "bert"))
    rows = [*texts(400, seed=7, fewest=9), *(f"{text} {number}" for text in HOSTILE for number in range(9))]
    random.Random(0).shuffle(rows)
    corpus = folder / "hostile<b>.txt"
    corpus.write_text("\n".join(rows) + "\n")
    options = {"corpus": corpus, "criterion": "label-free", "eval_every": 4}
    first = run_tiny(place, folder / "<i>first", **options).folder
    second = run_tiny(place, folder / "second", **options, method="focal-infonce", seed=1).folder
    pairs = folder / "paraphrases.tsv"
    pairs.write_text(
        "".join(
            f"{number % 5}\t{a}\t{b}\n"
            for number, (a, b) in enumerate(zip(rows[:60], rows[60:120], strict=True))
            if "\t" not in a + b
        )
    )
    ledger = Ledger(folder / "ledger")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(ledger.folder))
        for model in (place.model, first / "model", second / "model"):
            own = [PairsTask(data=read_judged(pairs, pairs=True), split="test")]
            evaluate(Encoder.load(model), ["geometry"], texts=texts(40, seed=3), own=own)
    sweep, comparison = write_trials(folder)
    report = gather([first, second, sweep, comparison], ledger)
    return World(place, first, second, sweep, comparison, ledger, report)


def write_trials(folder: Path) -> tuple[Path, Path]:
    """A sweep over two numbers and a comparison of methods, two seeds each."""

    def values(value: float) -> dict[str, dict[str, object]]:
        return {
            "sts": {
                "metric": "spearman",
                "protocol": "x",
                "value": value,
                "low": value - 1,
                "high": value + 1,
                "rows": 9,
            }
        }

    sweep, comparison = folder / "sweep", folder / "comparison"
    grid = [
        {"factors": {"temperature": t, "margin": m, "seed": s}, "values": values(70 + 100 * t + m + s / 10)}
        for t in (0.01, 0.05, 0.1)
        for m in (0.0, 0.5)
        for s in (0, 1)
    ]
    methods = [
        {"factors": {"method": method, "seed": s}, "values": values(70 + s)}
        for method in ("simcse", "<b>mine</b>")
        for s in (0, 1)
    ]
    for where, trials in ((sweep, grid), (comparison, methods)):
        where.mkdir()
        (where / "trials.jsonl").write_text("".join(json.dumps(trial) + "\n" for trial in trials))
    return sweep, comparison

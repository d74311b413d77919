"""What the demo trains, and how long that takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import contrapose
from contrapose.cli import console
from contrapose.cli.demo_folder import RUNS
from contrapose.errors import ResumeRefused
from contrapose.listening import Listener

if TYPE_CHECKING:
    from contrapose.data.docstring_split import Split

#: What the recorded figures were made with; the options of the command line replace some of it.
DEFAULTS = {
    "model": "minilm", "method": "hncse-hnm", "steps": 100, "batch_size": 64, "seed": 0,
    "learning_rate": 2e-5, "max_length": 48,
}  # fmt: skip
#: A training step costs about as much as encoding so many texts per row: two views, forward and backward of each.
STEP_IN_TEXTS = 6
#: Minutes that the adaptation may take.
ADAPT_MINUTES = 5.0
#: Minutes from which on the demo says how to shorten it.
LONG = 12


def train(settings: Mapping[str, Any], folder: Path, stage: str, view: Listener) -> None:
    """Train the pretrained model on the text of a stage, from a checkpoint where there is one."""
    from contrapose.storage.durable import remove_tree

    run = folder / RUNS[stage]
    options = {
        **{name: settings[name] for name in DEFAULTS},
        "views": "dropout" if stage == "sentences" else "pairs",
        "held_out_rows": 0,
        "criterion": "none",
        "save_every": max(1, settings["steps"] // 2),
        "out": run,
        "listener": view,
    }
    try:
        contrapose.train(folder / f"{stage}.parquet", resume=run.exists(), **options)
    except ResumeRefused as error:
        view.notice(f"training on {stage} starts anew: {error}")
        remove_tree(run)
        contrapose.train(folder / f"{stage}.parquet", **options)


def can_adapt(split: Split, tell: Callable[[str], object]) -> bool:
    """Whether there are pairs enough to adapt to; said where there are not."""
    from contrapose.adapt.texts import FEWEST_ROWS

    if len(split.pairs) >= FEWEST_ROWS:
        return True
    tell(f"{len(split.pairs)} pairs are too few to adapt to; {FEWEST_ROWS} would do")
    return False


def adapt(settings: Mapping[str, Any], folder: Path, view: Listener) -> None:
    """What ``contrapose adapt`` makes of the pairs."""
    out = folder / RUNS["adapted"]
    contrapose.adapt(
        folder / "pairs.parquet",
        columns=("anchor", "positive"),
        out=out,
        model=settings["model"],
        minutes=ADAPT_MINUTES,
        seed=settings["seed"],
        resume=out.exists(),
        listener=view,
    )


def time_left(settings: Mapping[str, Any], asking: float, texts: int, left: Sequence[str]) -> str:
    """What is said when the pretrained model was asked: so many ``texts`` took ``asking`` seconds. left: runs.

    >>> time_left(DEFAULTS, 15, 11_000, ["sentences", "pairs"])
    'The rest takes about 2 minutes on this machine.'
    """
    steps = sum(run != "adapted" for run in left) * settings["steps"] * settings["batch_size"]
    minutes = asking * (len(RUNS) + steps * STEP_IN_TEXTS / texts) / 60 + ADAPT_MINUTES * ("adapted" in left)
    shorter = " Fewer --steps take less time, and show less." if minutes > LONG else ""
    return (
        f"The rest takes about {console.counted(max(1, round(minutes)), 'minute')} on this machine.{shorter}"
    )

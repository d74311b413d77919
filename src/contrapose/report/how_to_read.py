"""How to read each part of a report: a paragraph above it, for models that were trained and for those that were not."""

from __future__ import annotations

from collections.abc import Sequence

from contrapose.report.record import RunFacts, TrialsFolder
from contrapose.report.svg import Chart

HOW = {
    "scores": "Look at the difference first: it is after (the model that the run made) minus before (the pretrained "
    "model), on the same rows. Brackets hold 95% intervals: another sample of the same size would probably give a "
    "number within them. Where that of the difference reaches over zero, or where chance could do as much, there is no "
    "clear change. The brackets of single numbers are wider, and decide nothing.",
    "evaluate": "Rows of your own that somebody judged say most: give --pairs PAIRS.csv (score, text, text), "
    "--labels TOPICS.csv or --retrieval FOLDER instead of --tasks and --data.",
    "forest": "Right of the zero line: better after training. Each dot is a difference, its line the 95% interval. A "
    "hollow dot is no clear change: its line crosses zero, or among so many differences chance could do as much.",
    "curves": "Look whether the positives stay near (high cosine) while the hardest negatives move away; loss alone "
    "says little. One point per step.",
    "plane": "Down and left is better; most runs trade one for the other. Down: texts that belong together come "
    "closer. Left: all texts spread out more evenly. Measured on held-out rows along the run: each line begins at the "
    "ring, and the large filled mark is the step that was chosen.",
    "cosines": "Positives should lie right of both kinds of negatives; where the hardest negatives overlap them, the "
    "model cannot tell them apart. Drawn is how near pairs are, before and after; upright lines are medians.",
    "map": "Look for groups that tear apart or merge. Every mark is a sentence; near marks are near in meaning for the "
    "model, as far as two dimensions can show. Colour and shape say which group it lay in before training. Point at a "
    "mark to read it; the same sentence is highlighted in the other picture.",
    "neighbours": "Read a few: are the new neighbours nearer in meaning than those that were lost? The sentences whose "
    "nearest neighbours changed most come first.",
    "suspects": "Read a few: do both say the same? Then they are a false negative: where two such rows meet in a "
    "batch, training pushes them apart. Many of them call for mixing with care, a larger margin, or removing "
    "near-duplicates. Listed are the different rows that are nearest to each other for the model.",
    "heat": "The more a field stands out from the page, the higher its mean over seeds.",
    "heat, region": "Framed fields hold a setting that the result above cannot tell from the highest.",
    "line": "Each dot is the mean over seeds, its bar one standard deviation up and down.",
    "line, region": "Filled dots are the settings that the result above cannot tell from the highest; hollow ones lie "
    "clearly below it.",
    "no region": "The highest is not marked: which settings cannot be told from it is unknown here.",
    "trials": "Mean ± standard deviation over seeds. The spread alone does not say which differences are clear.",
}  # fmt: skip

#: The same for a model that is the pretrained one: there is no before and no after.
HOW_OF_ONE = {
    "scores": "The model is the pretrained one, so one number stands for both. Brackets hold 95% intervals: another "
    "sample of the same size would probably give a number within them.",
    "cosines": "Positives should lie right of both kinds of negatives; where the hardest negatives overlap them, the "
    "model cannot tell them apart. Drawn is how near pairs are; upright lines are medians.",
    "map": "Every mark is a sentence; near marks are near in meaning for the model, as far as two dimensions can show. "
    "Colour and shape say which group it lies in. Point at a mark to read it.",
}


def how(name: str, runs: Sequence[RunFacts]) -> str:
    """How to read a part of the report about ``runs``."""
    return HOW_OF_ONE.get(name, HOW[name]) if all_unchanged(runs) else HOW[name]


def how_to_read_trials(folder: TrialsFolder, drawn: Sequence[tuple[str, Chart | None]]) -> list[str]:
    """How to read the pictures of a folder of trials, of each kind once: (kind, picture)."""
    paragraphs = []
    for kind in dict.fromkeys(kind for kind, _ in drawn):
        marks = HOW.get(f"{kind}, region", "") if folder.region else HOW["no region"]
        paragraphs.append(f"{HOW[kind]} {marks}" if f"{kind}, region" in HOW else HOW[kind])
    if len(folder.numeric) >= 2 and folder.varied[2:]:
        paragraphs.append(f"Each field is also the mean over {', '.join(folder.varied[2:])}.")
    return paragraphs


def all_unchanged(runs: Sequence[RunFacts]) -> bool:
    """Whether every run handed out its pretrained model: then nothing has a before and an after."""
    return bool(runs) and all(run.pretrained_kept for run in runs)

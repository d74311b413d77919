"""The demo's folder: what lies where, whose it is, and whether an unfinished demo goes on.

    demo.json               what was asked, and whether it came to its end: the mark of a folder that is the demo's
    sentences.parquet       the training sentences            pairs.parquet      the training pairs
    library.parquet         every public object's first line, to search in
    trained-on-sentences/   a run folder, model/ in it        trained-on-pairs/  the same
    adapted/                the folder of ``contrapose adapt`` on the pairs, model/ in it
    result.json             all numbers, as --json prints them

An unfinished demo is continued when the same is asked again; a finished one, or one that was asked something else, is
started anew. Only what the demo itself wrote is deleted, and a folder without its mark is never touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import UsageError

if TYPE_CHECKING:
    from contrapose.data.docstring_split import Pair, Split

#: The stages, in order, by what the encoder was trained on; the run folder of each.
STAGES = {"before": "before", "sentences": "sentences alone", "pairs": "natural pairs", "adapted": "adapted"}
RUNS = {"sentences": "trained-on-sentences", "pairs": "trained-on-pairs", "adapted": "adapted"}
#: What is said of the encoder of each stage.
WHO = {
    "before": "as it is",
    "sentences": "trained on sentences alone",
    "pairs": "trained on natural pairs",
    "adapted": "adapted by contrapose adapt",
}
MARK, RESULT, LIBRARY = "demo.json", "result.json", "library.parquet"


def claim(folder: Path) -> None:
    """Make the folder, or see that it is the demo's; raises :class:`UsageError` where it is somebody else's."""
    from contrapose.train.claim import make_folder

    make_folder(folder)
    others = sorted(each.name for each in folder.iterdir() if not each.name.startswith(".contrapose-"))
    if others and MARK not in others and others != ["run.lock"]:
        raise UsageError(
            f"{folder} holds files that are not the demo's ({', '.join(others[:3])}): "
            "choose another folder with --out"
        )


def begin(folder: Path, asked: Mapping[str, Any]) -> bool:
    """True where an unfinished demo of the same is continued; otherwise what an earlier one left is deleted."""
    from contrapose.foreign import read_json_object
    from contrapose.storage.durable import remove_tree, write_json

    try:
        mark = read_json_object(folder / MARK)
    except (OSError, ValueError):
        mark = {}
    if mark.get("asked") == asked and not mark.get("finished"):
        return True
    (folder / RESULT).unlink(missing_ok=True)
    for run in RUNS.values():
        remove_tree(folder / run)
    write_json(folder / MARK, {"asked": dict(asked), "finished": False})
    return False


def is_trained(folder: Path, stage: str) -> bool:
    """Whether the run of a stage is complete; its summary, or its outcome, is written after its model."""
    if stage == "adapted":
        from contrapose.adapt.folder import is_finished

        return is_finished(folder / RUNS[stage])
    return all((folder / RUNS[stage] / name).exists() for name in ("summary.json", "model"))


def write_corpora(folder: Path, split: Split, library: Sequence[Pair]) -> None:
    """Written anew when continuing: the bytes are the same."""
    from contrapose.data.harvest_table import pair_rows, sentence_rows, write_parquet

    write_parquet(folder / "sentences.parquet", sentence_rows(split))
    write_parquet(folder / "pairs.parquet", pair_rows(split.pairs))
    first_lines = {"text": [pair.positive for pair in library], "name": [pair.name for pair in library]}
    write_parquet(folder / LIBRARY, first_lines)


def model_of(folder: Path, stage: str) -> str | None:
    """The model that a training left; None for the pretrained one."""
    return str(folder / RUNS[stage] / "model") if stage in RUNS else None

"""The text of an adaptation, in its folder: read once, cut, and parted into rows to train on and rows that prove."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.adapt import folder as folders
from contrapose.adapt.settings import AdaptSettings
from contrapose.adapt.texts import DOCUMENTS, PAIRS, SHORT, Texts, read_texts
from contrapose.foreign import read_json_object
from contrapose.listening import Listener
from contrapose.seeds import numpy_generator
from contrapose.storage.durable import write_json

#: Rows of a kind that are trained on: a run of one signal reads one or two thousand.
TRAINING_ROWS = {PAIRS: 3_000, DOCUMENTS: 3_000, SHORT: 10_000}
#: Rows that prove, at most, and their share of a small corpus: a gain that is not proven is no gain.
PROVING_ROWS = {PAIRS: 600, DOCUMENTS: 600, SHORT: 1_500}
PROVING_SHARE = 0.4
#: Words of a text that are read: more costs time and changes little.
WORDS_READ = 128


@dataclass(frozen=True, kw_only=True)
class Parted:
    """kinds: kind -> what it is in words, and how many rows were read of it."""

    training: list[Texts]
    held_out: list[Texts]
    kinds: Mapping[str, Mapping[str, Any]]
    notices: list[str]
    malformed: int


def read_parted(settings: AdaptSettings, folder: Path, listener: Listener) -> Parted:
    """What lies in the folder; where nothing does, the text is read first."""
    about = folders.text_path(folder, "about").with_suffix(".json")
    if not about.is_file():
        found = read_texts(settings.corpus, settings.columns, listener)
        for texts in found.texts:
            training, held_out = parted(texts, settings.seed)
            folders.write_texts(folders.text_path(folder, texts.kind), training)
            folders.write_texts(folders.text_path(folder, texts.kind, part="held-out"), held_out)
        kinds = {texts.kind: {"what": texts.what, "rows": len(texts)} for texts in found.texts}
        write_json(about, {"kinds": kinds, "notices": found.notices, "malformed": found.malformed})
    read = read_json_object(about)
    sides = {
        part: [
            folders.read_written(folders.text_path(folder, kind, part=part), kind, facts["what"])
            for kind, facts in read["kinds"].items()
        ]
        for part in ("", "held-out")
    }
    return Parted(
        training=sides[""],
        held_out=sides["held-out"],
        kinds=read["kinds"],
        notices=list(read["notices"]),
        malformed=int(read["malformed"]),
    )


def parted(texts: Texts, seed: int) -> tuple[Texts, Texts]:
    """(to train on, to prove by), drawn with the seed; texts cut at what is read of them."""
    order = numpy_generator(seed, "adapt", texts.kind).permutation(len(texts))
    proving = min(PROVING_ROWS[texts.kind], int(PROVING_SHARE * len(texts)))
    training = order[proving : proving + TRAINING_ROWS[texts.kind]]
    columns = {
        name: [" ".join(text.split()[:WORDS_READ]) for text in rows] for name, rows in texts.columns.items()
    }
    cut = Texts(kind=texts.kind, columns=columns, what=texts.what)
    return cut.rows(np.sort(training)), cut.rows(np.sort(order[:proving]))

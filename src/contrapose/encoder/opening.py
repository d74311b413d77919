"""From a model's name to a folder that has been looked through and may be loaded: the one way in for every model."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from contrapose.encoder.layout import Layout, read_layout
from contrapose.encoder.proof import verify_saved
from contrapose.encoder.safety import inspect_folder
from contrapose.encoder.source import Source, resolve
from contrapose.encoder.tokenizer_trial import try_tokenizer


class Opened(NamedTuple):
    """source: where the folder is; layout: what it says about itself."""

    source: Source
    layout: Layout


def open_model(model: str | Path, revision: str | None = None) -> Opened:
    """The folder of a model, after every check that needs no weights.

    Raises :class:`UsageError` (no such model), :class:`UnsafeModel` (code, pickle, paths that lead out),
    :class:`CorruptFile` (damaged weights), :class:`ModelError` (anything else that is wrong with the folder).
    """
    source = resolve(model, revision)
    inspect_folder(source.folder, fetched=source.fetched)
    verify_saved(source.folder, fetched=source.fetched)
    layout = read_layout(source.folder, source.name)
    if not source.embedded:
        try_tokenizer(layout.backbone)
    return Opened(source, layout)

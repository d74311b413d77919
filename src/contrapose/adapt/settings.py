"""What ``adapt`` is told. No torch here."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from contrapose.config import Frozen


class AdaptSettings(Frozen):
    """Of one adaptation; written to its folder, and compared where it goes on."""

    model_config = ConfigDict(title="Adaptation")

    corpus: Annotated[tuple[str, ...], Field(min_length=1, description="files, folders, globs of text")]
    out: Annotated[str, Field(min_length=1, description="folder of the adaptation")]
    queries: Annotated[
        str | None, Field(description="unlabeled queries, one per line, from a log for example")
    ] = None
    columns: Annotated[
        tuple[str, ...] | None, Field(description="columns of a table: one text, or two that belong together")
    ] = None
    model: Annotated[str, Field(min_length=1, description="the encoder to adapt")] = "minilm"
    minutes: Annotated[
        float, Field(gt=0, le=10_000, description="for everything: looking, training, proving")
    ] = 10.0
    seed: Annotated[int, Field(ge=0, lt=2**63, description="of every random draw")] = 0
    device: Annotated[str, Field(description="auto, cpu, cuda or cuda:N")] = "auto"

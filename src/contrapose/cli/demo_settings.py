"""What the demo may be told. The defaults are those of the recorded figures."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contrapose.config import Frozen


class DemoSettings(Frozen):
    """The options of ``contrapose demo``; what is no option is part of what the figures were recorded with."""

    out: Annotated[str, Field(min_length=1, description="folder of the demo")] = "contrapose-demo"
    model: Annotated[str, Field(min_length=1, description="the pretrained model")] = "minilm"
    method: Annotated[str, Field(description="see `contrapose methods`")] = "hncse-hnm"
    steps: Annotated[int, Field(ge=1, description="steps of each training")] = 100
    batch_size: Annotated[int, Field(ge=2, description="rows per step")] = 64
    seed: Annotated[int, Field(ge=0, lt=2**63, description="seed of every random draw")] = 0
    sources: Annotated[
        tuple[str, ...],
        Field(
            description="Python sources to harvest",
            json_schema_extra={"flag": "--source", "metavar": "PATH_OR_PACKAGE", "default": "stdlib"},
        ),
    ] = ("stdlib",)
    learning_rate: Annotated[float, Field(gt=0, lt=1, json_schema_extra={"flag": None})] = 2e-5
    max_length: Annotated[int, Field(ge=3, json_schema_extra={"flag": None})] = 48

"""Hyperparameters that several equations and parts take.

Two that use one name mean one value only where they use one of these objects; otherwise putting them together is
refused.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Temperature = Annotated[float, Field(gt=0, le=10, description="cosines are divided by it; 1/scale")]
MixupShape = Annotated[
    float, Field(gt=0, le=100, description="a of Beta(a, a), by which shares of mixed vectors are drawn")
]
RawVectors = Annotated[
    bool, Field(description="mix vectors as they are, as the published code does: longer ones weigh more")
]

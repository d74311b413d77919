"""What a run is told about choosing its model. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from contrapose.config import Frozen

#: A label-free or STS-B score is taken this often by default: four times in a short run, as SimCSE in a long one. In a
#: run so short that this would cost more than a quarter of training, less often: selection/budget.py.
LONGEST_EVALUATION_INTERVAL = 125


class SelectionSettings(Frozen):
    """[selection]: which checkpoint becomes the model."""

    model_config = ConfigDict(title="Choosing the checkpoint")

    criterion: Annotated[
        Literal["auto", "stsb-dev", "label-free", "none"],
        Field(
            description="what chooses; auto: stsb-dev where dev_data is given, else label-free; none: the last step"
        ),
    ] = "auto"
    dev_data: Annotated[
        str | None, Field(description="SentEval folder, whose STS-B development set then chooses")
    ] = None
    eval_every: Annotated[
        int | None,
        Field(
            ge=1,
            description="steps between evaluations",
            json_schema_extra={
                "default": "a quarter of the run, 125 at most; fewer evaluations in a very short run"
            },
        ),
    ] = None
    patience: Annotated[
        int | None, Field(ge=1, description="stop after so many evaluations without a new best")
    ] = None
    blend: Annotated[
        Annotated[float, Field(ge=0, le=1)] | Literal["auto"] | None,
        Field(
            description="share of the trained weights in the model, the rest being the pretrained model's; auto: "
            "chosen by the criterion",
            json_schema_extra={"default": "auto where there is a criterion", "metavar": "auto|0..1"},
        ),
    ] = None

    @model_validator(mode="after")
    def _criterion_has_data(self) -> SelectionSettings:
        if self.criterion == "stsb-dev" and self.dev_data is None:
            raise ValueError("criterion 'stsb-dev' needs dev_data, a SentEval folder")
        if self.criterion in ("label-free", "none") and self.dev_data is not None:
            raise ValueError(f"dev_data would be ignored with criterion '{self.criterion}'")
        if self.criterion == "none" and self.patience is not None:
            raise ValueError("patience would be ignored with criterion 'none'")
        if self.criterion == "none" and self.blend == "auto":
            raise ValueError("blend 'auto' is chosen by the criterion, and it is 'none': give a number")
        return self

    def evaluation_interval(self, num_steps: int) -> int:
        """Steps between evaluations, where they cost little."""
        return self.eval_every or min(LONGEST_EVALUATION_INTERVAL, -(-num_steps // 4))

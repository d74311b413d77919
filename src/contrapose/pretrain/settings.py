"""The configuration of a pretraining run: what of a training run's has a meaning here, and what is its own.

No torch here: a wrong option is refused before anything heavy is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from contrapose.config import Frozen
from contrapose.errors import nearest
from contrapose.selection.settings import SelectionSettings
from contrapose.train.settings import (
    DataSettings,
    EncoderSettings,
    MethodSettings,
    RunSettings,
    SavingSettings,
    TrainingSettings,
)

#: The panel of what is measured on held-out text.
HELD_OUT = "Held-out text"
#: The learning rate rises over so many steps, or over half of a shorter run.
WARMUP_STEPS = 100


class PretrainDataSettings(DataSettings):
    """[data]: that of a training run; the rows that are held out choose nothing."""

    held_out_rows: Annotated[
        int,
        Field(
            ge=0,
            description="rows kept from training, to measure what was learnt; a tenth at most",
            json_schema_extra={"panel": HELD_OUT},
        ),
    ] = 1_000


class PretrainEncoderSettings(EncoderSettings):
    """[encoder]: that of a training run, without a train-only head."""

    model_config = ConfigDict(title="Model")


class PretrainSelectionSettings(SelectionSettings):
    """[selection]: how often held-out text is looked at; the last step is the model."""

    model_config = ConfigDict(title=HELD_OUT)

    eval_every: Annotated[
        int | None,
        Field(
            ge=1,
            description="steps between two looks at held-out text",
            json_schema_extra={"default": "1,000, and after the last step"},
        ),
    ] = None
    criterion: Literal["auto", "stsb-dev", "label-free", "none"] = "none"


class MaskingSettings(Frozen):
    """[masking]"""

    model_config = ConfigDict(title="Masking")

    mask_rate: Annotated[
        float, Field(gt=0, lt=1, description="share of the words that are hidden, to be filled in")
    ] = 0.15
    new_head: Annotated[
        bool, Field(description="draw a new masked-language head even where the model has one")
    ] = False


class ScratchSettings(Frozen):
    """[scratch]: an encoder of this size is drawn at random, in place of a pretrained model."""

    model_config = ConfigDict(title="From scratch, in place of --model")

    layers: Annotated[
        int | None,
        Field(ge=1, le=1_000, description="layers of a new encoder"),
    ] = None
    width: Annotated[int | None, Field(ge=1, le=100_000, description="width of a new encoder")] = None
    heads: Annotated[
        int | None,
        Field(
            ge=1,
            le=1_000,
            description="attention heads of a new encoder",
            json_schema_extra={"default": "one for every 32 of its width"},
        ),
    ] = None
    vocabulary: Annotated[
        str | None,
        Field(
            min_length=1,
            description="the model whose tokenizer a new encoder has",
            json_schema_extra={"default": "minilm"},
        ),
    ] = None

    @model_validator(mode="after")
    def _whole(self) -> ScratchSettings:
        given = [
            name for name in ("layers", "width", "heads", "vocabulary") if getattr(self, name) is not None
        ]
        if given and (self.layers is None or self.width is None):
            raise ValueError(f"a new encoder needs layers and width; given: {', '.join(given)}")
        if self.width is not None and self.width % self.num_heads:
            raise ValueError(f"width {self.width} cannot be divided among {self.num_heads} attention heads")
        return self

    @property
    def asked_for(self) -> bool:
        return self.layers is not None

    @property
    def num_heads(self) -> int:
        return self.heads or max(1, (self.width or 0) // 32)


def fitting_warmup(num_steps: int) -> int:
    """The default warm-up of a run of so many steps.

    >>> fitting_warmup(1_000), fitting_warmup(12)
    (100, 6)
    """
    return min(WARMUP_STEPS, num_steps // 2)


class PretrainingSettings(TrainingSettings):
    """[training]: that of a training run, with other defaults."""

    batch_size: Annotated[int, Field(ge=2, description="texts per step, over all processes")] = 32
    learning_rate: Annotated[
        float, Field(gt=0, lt=1, description="learning rate of AdamW, at its highest")
    ] = 5e-4
    max_length: Annotated[int, Field(ge=3, le=100_000, description="tokens kept of a text")] = 40
    warmup_steps: Annotated[
        int,
        Field(
            ge=0,
            description="steps in which the learning rate rises to its highest",
            json_schema_extra={"default": f"{WARMUP_STEPS}, or half of fewer steps"},
        ),
    ] = WARMUP_STEPS

    @model_validator(mode="before")
    @classmethod
    def _shorter_warmup(cls, values: Any) -> Any:
        steps = values.get("steps") if isinstance(values, Mapping) else None
        if isinstance(steps, int) and "warmup_steps" not in values:
            return {**values, "warmup_steps": fitting_warmup(steps)}
        return values


#: Section -> the keys of it that a pretraining run has; the rest of a training run's settings mean nothing here.
KEYS: Mapping[str, tuple[str, ...]] = {
    "data": tuple(key for key in DataSettings.model_fields if key not in ("views", "label_column")),
    "encoder": tuple(key for key in EncoderSettings.model_fields if key != "head"),
    "scratch": tuple(ScratchSettings.model_fields),
    "masking": tuple(MaskingSettings.model_fields),
    "training": tuple(
        key
        for key in TrainingSettings.model_fields
        if key not in ("chunk_size", "length_groups", "mask_repeats", "tiled")
    ),
    "selection": ("eval_every",),
    "saving": tuple(SavingSettings.model_fields),
}


class PretrainSettings(RunSettings):
    """Everything a pretraining run depends on. ``out`` is the run's folder.

    It is a training run to all that writes, saves and resumes one; what means nothing here is neither read nor written.
    """

    scratch: ScratchSettings = Field(default_factory=ScratchSettings)
    masking: MaskingSettings = Field(default_factory=MaskingSettings)
    training: PretrainingSettings = Field(default_factory=PretrainingSettings)
    method: MethodSettings = Field(default_factory=lambda: MethodSettings(name="simcse"))
    data: PretrainDataSettings
    encoder: PretrainEncoderSettings = Field(default_factory=PretrainEncoderSettings)
    selection: PretrainSelectionSettings = Field(default_factory=PretrainSelectionSettings)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        for section, table in values.items():
            if section == "out":
                continue
            if section not in KEYS:
                raise ValueError(f"unknown section '{section}'{nearest(section, list(KEYS))}")
            for key in table if isinstance(table, Mapping) else ():
                if key not in KEYS[section]:
                    raise ValueError(f"unknown key '{section}.{key}'{nearest(key, KEYS[section])}")
        return values

    @model_validator(mode="after")
    def _one_model(self) -> PretrainSettings:
        if self.scratch.asked_for and "model" in self.encoder.model_fields_set:
            raise ValueError("a model is given, and the size of a new one too: give one of them")
        return self

    @model_serializer(mode="wrap")
    def _own_keys(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        tables = handler(self)
        sections = {
            section: {key: tables[section][key] for key in keys if key in tables[section]}
            for section, keys in KEYS.items()
        }
        if self.scratch.asked_for:
            del sections["encoder"]["model"]
        return {"out": tables["out"], **sections}


def sections() -> dict[str, type[BaseModel]]:
    """Section -> its model, with the fields that a pretraining run has."""
    models: dict[str, type[BaseModel]] = {
        "data": PretrainDataSettings,
        "encoder": PretrainEncoderSettings,
        "scratch": ScratchSettings,
        "masking": MaskingSettings,
        "training": PretrainingSettings,
        "selection": PretrainSelectionSettings,
        "saving": SavingSettings,
    }
    return models


def with_fitting_warmup(settings: PretrainSettings, num_steps: int) -> PretrainSettings:
    """Where nobody gave a warm-up or a number of steps: they are known once the corpus is read."""
    if "warmup_steps" in settings.training.model_fields_set:
        return settings
    training = settings.training.model_copy(update={"warmup_steps": fitting_warmup(num_steps)})
    return settings.model_copy(update={"training": training})

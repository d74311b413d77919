"""The settings of a run, section by section; validated once, frozen, written into the run as they were resolved.

No torch here: a wrong option is refused before anything heavy is imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from contrapose.config import Frozen
from contrapose.errors import UsageError
from contrapose.paths import expanded
from contrapose.selection.settings import SelectionSettings


class DataSettings(Frozen):
    """[data]"""

    model_config = ConfigDict(title="Text")

    corpus: Annotated[
        tuple[str, ...],
        Field(
            min_length=1,
            description="files, folders, globs; - is standard input",
            json_schema_extra={"flag": None},
        ),
    ]
    columns: Annotated[
        tuple[str, ...] | None,
        Field(
            description="columns to read: text, or anchor, positive, negatives",
            json_schema_extra={"metavar": "NAME,..."},
        ),
    ] = None
    label_column: Annotated[
        str | None,
        Field(
            min_length=1,
            description="column that holds the class of each row, for methods that learn from labels",
        ),
    ] = None
    views: Annotated[
        str,
        Field(
            min_length=1,
            description="where the second view comes from: auto (the method's, else the columns where there are two, "
            "else dropout), or the name of a text part, such as dropout, crop or pairs",
        ),
    ] = "auto"
    min_words: Annotated[int, Field(ge=1, description="rows with fewer words are left out")] = 1
    max_characters: Annotated[int, Field(ge=1, description="longer rows are left out")] = 100_000
    deduplicate: Annotated[bool, Field(description="equal rows are read once")] = True
    in_place: Annotated[
        bool, Field(description="use Parquet files where they lie, without a copy of their text")
    ] = False
    max_bad_share: Annotated[
        float, Field(ge=0, le=1, description="stop when a larger share of the rows is malformed")
    ] = 0.5
    held_out_rows: Annotated[
        int,
        Field(
            ge=0,
            description="rows kept from training, to choose without labels",
            json_schema_extra={"panel": "Choosing the checkpoint"},
        ),
    ] = 1_000

    @model_validator(mode="after")
    def _no_labels_in_place(self) -> DataSettings:
        if self.in_place and self.label_column is not None:
            raise ValueError("in_place gives no labels: leave label_column out, or in_place")
        return self


class EncoderSettings(Frozen):
    """[encoder]"""

    model_config = ConfigDict(title="Model and method")

    model: Annotated[
        str, Field(min_length=1, description="the pretrained model: minilm, a folder, or a hub name")
    ] = "minilm"
    pooling: Annotated[
        Literal["cls", "cls_before_pooler", "avg", "avg_first_last", "avg_top2"] | None,
        Field(
            description="how a text's vector is made of its tokens' vectors",
            json_schema_extra={"default": "the model's"},
        ),
    ] = None
    head: Annotated[
        Literal["none", "linear-tanh", "mlp-bn"] | None,
        Field(
            description="projection that is used in training only",
            json_schema_extra={"default": "by the model", "metavar": "NAME"},
        ),
    ] = None
    dropout: Annotated[float | None, Field(ge=0, lt=1, description="replaces every dropout of the model")] = (
        None
    )
    revision: Annotated[str | None, Field(description="revision of a model of the hub")] = None


class MethodSettings(Frozen):
    """[method]; the hyperparameters are checked against the method when the recipe is made."""

    model_config = ConfigDict(title="Model and method")

    name: Annotated[
        str,
        Field(
            description="a method of `contrapose methods`, or a FILE.py of yours",
            json_schema_extra={"flag": "--method"},
        ),
    ] = "hncse-hnm"
    parts: Annotated[
        tuple[str, ...],
        Field(
            description="parts to add to the method",
            json_schema_extra={"flag": "--with", "metavar": "PART,..."},
        ),
    ] = ()
    hyperparameters: dict[str, Any] = Field(default_factory=dict)


class TrainingSettings(Frozen):
    """[training]"""

    model_config = ConfigDict(title="Training")

    steps: Annotated[
        int | None,
        Field(
            ge=1, description="steps to train, instead of epochs", json_schema_extra={"default": "one epoch"}
        ),
    ] = None
    epochs: Annotated[
        float | None,
        Field(gt=0, le=1000, description="passes over the text", json_schema_extra={"default": "1"}),
    ] = None
    batch_size: Annotated[
        int, Field(ge=2, description="rows per step, over all processes: more rows, more negatives")
    ] = 64
    chunk_size: Annotated[
        Annotated[int, Field(ge=1)] | Literal["auto", "all"],
        Field(
            description="texts per forward pass and process: less memory, and other dropout masks of the same "
            "method; auto: all where they fit the free memory; parts that read tokens still read the whole batch",
            json_schema_extra={"metavar": "auto|all|N"},
        ),
    ] = "auto"
    learning_rate: Annotated[
        float, Field(gt=0, lt=1, description="learning rate of AdamW, at its highest")
    ] = 1e-5
    max_length: Annotated[int, Field(ge=3, le=100_000, description="tokens kept of a text in training")] = 32
    warmup_steps: Annotated[
        int, Field(ge=0, description="steps in which the learning rate rises to its highest")
    ] = 0
    weight_decay: Annotated[float, Field(ge=0, lt=1, description="weight decay of AdamW")] = 0.0
    max_grad_norm: Annotated[float, Field(gt=0, description="longer gradients are cut to this length")] = 1.0
    seed: Annotated[int, Field(ge=0, lt=2**63, description="seed of every random draw")] = 0
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        Field(description="number format; auto: bf16 where a probe of half a second shows it to be faster"),
    ] = "auto"
    device: Annotated[str, Field(description="where to compute: auto, cpu, cuda or cuda:N")] = "auto"
    length_groups: Annotated[
        int | None,
        Field(
            ge=1,
            le=64,
            description="groups of like length that a batch is encoded in",
            json_schema_extra={"default": "by the device"},
        ),
    ] = None
    mask_repeats: Annotated[bool, Field(description="texts equal to the anchor are not its negatives")] = True
    tiled: Annotated[
        Literal["auto", "always", "never"],
        Field(
            description="the loss in tiles, without a table of all pairs: less memory, the same loss; auto: where the "
            "table would be large: over 8 MiB on a processor, 256 MiB on a GPU"
        ),
    ] = "auto"
    max_skipped: Annotated[
        int, Field(ge=1, description="steps in a row without finite gradient before giving up")
    ] = 10

    @field_validator("chunk_size", mode="before")
    @classmethod
    def _texts_or_a_word(cls, value: Any) -> Any:
        if value is None:  # in what versions without "auto" wrote
            return "all"
        if value in ("auto", "all") or (type(value) is int and value > 0):
            return value
        raise ValueError("must be auto, all, or a whole number of texts, 1 or more")

    @model_validator(mode="after")
    def _one_length(self) -> TrainingSettings:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("give steps or epochs, not both")
        if self.steps is not None and self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps ({self.warmup_steps}) must be below steps ({self.steps})")
        return self


class SavingSettings(Frozen):
    """[saving]: may change between a run and its continuation; nothing here changes a result."""

    model_config = ConfigDict(title="Run")

    save_every: Annotated[int, Field(ge=1, description="steps between checkpoints")] = 100
    keep: Annotated[int, Field(ge=2, description="newest checkpoints kept, besides the best")] = 2
    tensorboard: Annotated[bool, Field(description="write TensorBoard files too")] = False


class RunSettings(Frozen):
    """Everything a run depends on. ``out`` is the run's folder."""

    out: Annotated[str, Field(min_length=1)]
    data: DataSettings
    encoder: EncoderSettings = Field(default_factory=EncoderSettings)
    method: MethodSettings = Field(default_factory=MethodSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    selection: SelectionSettings = Field(default_factory=SelectionSettings)
    saving: SavingSettings = Field(default_factory=SavingSettings)

    @field_validator("out")
    @classmethod
    def _plain_path(cls, out: str) -> str:
        if "\0" in out:
            raise ValueError("a path cannot hold a NUL character")
        return out

    @model_validator(mode="after")
    def _columns_fit_views(self) -> RunSettings:
        """A file of a method may bring text parts of its own, known when it is read."""
        if self.data.views != "auto" and not self.method.name.endswith(".py"):
            from contrapose.text.catalogue import text_parts_for, text_parts_named

            try:
                text_parts_named(self.data.views)
                if self.data.columns is not None:
                    text_parts_for(self.data.views, self.data.columns)
            except UsageError as error:
                raise ValueError(str(error)) from None
        return self


#: Where a bare name belongs: every key of every section that is unique among them.
SECTIONS: dict[str, type[BaseModel]] = {
    "data": DataSettings,
    "encoder": EncoderSettings,
    "method": MethodSettings,
    "training": TrainingSettings,
    "selection": SelectionSettings,
    "saving": SavingSettings,
}


def steps_of(settings: RunSettings, num_rows: int) -> int:
    """How many steps the run has; a step that crosses the end of an epoch takes the rest from the next."""
    training = settings.training
    if training.steps is not None:
        return training.steps
    return max(1, -(-int((training.epochs or 1) * num_rows) // training.batch_size))


def run_folder(settings: RunSettings) -> Path:
    return expanded(settings.out)

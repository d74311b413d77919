"""How many texts a forward pass holds: all of a batch where they fit the free memory, else chunks of them.

Decided once, before the first step, and written into the run's record: dropout masks follow the chunks, so a run that
goes on has the chunks that it began with. What is free is asked of the system; what a text takes is measured, by a
forward and a backward pass of a few texts of the greatest length there may be. Nothing is measured where even a
generous estimate fits.

    peak(n texts) = fixed + n per_text,     per_text = a T + b T^2  of T tokens
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from contrapose.contract import Views
from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.objectives.tiled_contrast import is_large_table
from contrapose.seeds import seeded
from contrapose.train.attention import attention_in_training
from contrapose.train.dropout import SeededDropout
from contrapose.train.launch import launched
from contrapose.train.memory import free_memory, in_gib, peak_bytes
from contrapose.train.resume import chunk_size_before
from contrapose.train.run_folder import read_record

if TYPE_CHECKING:
    from contrapose.train.batches import Batch
    from contrapose.train.beginning import Begun
    from contrapose.train.session import Model
    from contrapose.train.settings import RunSettings

#: Of the free memory, what is planned with. The rest is for what is not counted: kernels' scratch memory, gaps that
#: the allocator leaves, looks at held-out text, other programs that grow.
SHARE = 0.7
#: Tokens of a row that is measured; longer rows are worked out from rows of this length and half of it.
MEASURED_TOKENS = 64
#: A pass of so many texts fills a processor. A batch that does not fit is cut no finer, unless it must be.
FULL_PASS = 32
#: The chunk is a part of what fits, so that the first few of a batch can keep their graphs, and need no second pass.
PARTS = 4
FLOAT = 4
#: Copies of the trained weights: the gradient, AdamW's two averages, and once more what a checkpoint holds when it is
#: written. Of two steps with 512 rows planned for 2.6 GiB, a process grew by 3.3.
COPIES = 6
#: Tables of rows against candidates that a loss and its gradient hold at one time, about; and vectors of each text.
TABLES, VECTORS = 6, 8


@dataclass(frozen=True, kw_only=True)
class Need:
    """Bytes of a step, without the weights. beside: gradients, optimizer, checkpoint, vectors and loss, whatever the
    chunks."""

    beside: int
    fixed: int
    per_text: float
    measured: bool

    def of(self, texts: int) -> int:
        return round(self.beside + self.fixed + texts * self.per_text)

    def texts_in(self, memory: float) -> int:
        """How many texts may be in memory at one time."""
        return max(0, int((memory - self.beside - self.fixed) // self.per_text))


@dataclass(frozen=True, kw_only=True)
class Chunks:
    """size: texts of a forward pass, None for the batch at once; kept: chunks that keep their graph; why: in words."""

    size: int | None
    kept: int = 1
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be decided. size: as the settings say it; texts: of a step in this process, all views together;
    vectors: of a step in all processes; rows: of the whole batch; length: the most tokens of a text; in_tiles: whether
    the loss has no table of all pairs."""

    size: int | str
    texts: int
    vectors: int
    rows: int
    length: int
    bf16: bool
    layers: tuple[int, ...] = ()
    in_tiles: bool = False


def chunks_of_run(begun: Begun, settings: RunSettings, model: Model, batch: Batch) -> Chunks:
    """The chunks of this run, the same in all of its processes; of one that goes on those that it was begun with.

    batch: the first, which has as many texts as any
    """
    processes, encoder, training = begun.processes, model.encoder, settings.training
    rows, views = len(batch.row_ids), len(batch.texts)
    asked = Asked(
        size=training.chunk_size,
        texts=views * -(-rows // processes.size),
        vectors=views * rows,
        rows=rows,
        length=encoder.length_for(training.max_length),
        bf16=begun.bf16,
        layers=tuple(model.objective.needs.layers),
        in_tiles=_in_tiles(model, settings, rows, views),
    )
    free = free_memory(begun.device)
    if begun.device.type == "cpu":
        free //= launched().local_size
    if begun.goes_on:
        return _as_begun(chunk_size_before(read_record(begun.folder)), asked, model, free)
    chunks = decide(asked, model, free)
    least = -processes.most(-(chunks.size or asked.texts), begun.device)
    if least == (chunks.size or asked.texts):
        return chunks
    why = f"{chunks.why}; chunks of {least}, as in the process with the least memory"
    return Chunks(size=least, kept=max(1, chunks.kept * (chunks.size or asked.texts) // least), why=why)


def _as_begun(size: int | None, asked: Asked, model: Model, free: int) -> Chunks:
    """How many chunks keep their graphs changes no bit, so that is decided anew."""
    if size is None or asked.size != "auto":
        return Chunks(size=size, why="as the run was begun")
    fits = measure(asked, model).texts_in(SHARE * free) // size
    count = -(-asked.texts // size)
    return Chunks(
        size=size, kept=max(1, min(fits, count)), why=f"chunks of {size} texts, as the run was begun"
    )


def decide(asked: Asked, model: Model, free: int) -> Chunks:
    """The chunks of a run that begins now, with ``free`` bytes.

    Raises UsageError for a chunk that is larger than the batch, and where memory is too small for what was asked for;
    with "auto", where it is too small for one text at a time.
    """
    if isinstance(asked.size, int) and asked.size > asked.texts:
        raise UsageError(
            f"--chunk-size {asked.size} is larger than the batch: a step reads {asked.texts} texts in this process. "
            f"Give {asked.texts} or less, or leave --chunk-size out"
        )
    at_once = asked.size if isinstance(asked.size, int) else asked.texts
    size = asked.size if isinstance(asked.size, int) else None
    generous = estimate(asked, model)
    if generous is not None and generous.of(at_once) <= SHARE * free:
        return Chunks(size=size, why=_at_once(generous, at_once, free, size))
    need = measure(asked, model)
    smallest = 1 if asked.size == "auto" else at_once
    if need.of(smallest) > free:
        raise UsageError(_too_large(asked, need, smallest, free))
    if asked.size != "auto" or need.of(asked.texts) <= SHARE * free:
        return Chunks(size=size, why=_at_once(need, at_once, free, size))
    return fitting(need, asked.texts, free)


def fitting(need: Need, texts: int, free: int) -> Chunks:
    """Chunks of a batch that does not fit as a whole, and how many of them may keep their graphs.

    >>> need = Need(beside=0, fixed=0, per_text=2**20, measured=True)
    >>> fitting(need, 1024, 2**30)
    Chunks(size=128, kept=5, why='chunks of 128 texts, of which 5 of 8 keep their graph: 0.6 of 1.0 GiB')
    """
    capacity = max(1, need.texts_in(SHARE * free))
    size = 1 << (max(capacity // PARTS, min(capacity, FULL_PASS)).bit_length() - 1)
    count = -(-texts // size)
    kept = max(1, min(capacity // size, count))
    taken = need.of(size * kept)
    which = f", of which {kept} of {count} keep their graph" if kept > 1 else ""
    return Chunks(size=size, kept=kept, why=f"chunks of {size} texts{which}: {_of(taken, free)}")


def estimate(asked: Asked, model: Model) -> Need | None:
    """About three times what a layer of a transformer takes; None for a configuration that does not say its sizes."""
    config = model.encoder.backbone.config
    sizes = [
        getattr(config, name, None)
        for name in ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads")
    ]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        return None
    layers, width, inner, heads = (int(size or 0) for size in sizes)
    per_token = (layers + 1) * FLOAT * (35 * width + 6 * inner + 10 * heads * asked.length)
    return Need(beside=_beside(asked, model), fixed=0, per_text=per_token * asked.length, measured=False)


def measure(asked: Asked, model: Model) -> Need:
    """What a forward and a backward pass take here, counted on 2 and 4 rows, and for long rows on shorter ones."""
    encoder, length = model.encoder, asked.length
    token = encoder.tokenizer.mask_token_id or encoder.tokenizer.unk_token_id or 0
    tokens = min(length, MEASURED_TOKENS)

    def peak(rows: int, row_tokens: int) -> int:
        ids = [[token] * row_tokens] * rows
        return peak_bytes(lambda: _pass(encoder, ids, asked), encoder.device)

    with _ready_to_measure(encoder, asked):
        two, four = peak(2, tokens), peak(4, tokens)
        per_text = max(1.0, (four - two) / 2)
        fixed = max(0.0, two - 2 * per_text)
        if length > tokens:
            half = max(1.0, (peak(4, tokens // 2) - fixed) / 4)
            square = max(0.0, (per_text - 2 * half) / (tokens**2 / 2))
            per_text = (per_text / tokens - square * tokens) * length + square * length**2
    return Need(beside=_beside(asked, model), fixed=round(fixed), per_text=per_text, measured=True)


@contextmanager
def _ready_to_measure(encoder: Encoder, asked: Asked) -> Iterator[None]:
    """Training mode, and no gradient stays on a weight: of a few rows they would be more than all else.

    They are counted once for all chunks; so is the word table's, whose gradient is kept from step to step.
    """
    attention = encoder.attention
    table = encoder.backbone.get_input_embeddings().weight
    learns = bool(table.requires_grad)
    table.requires_grad_(False)
    hooks = [
        parameter.register_post_accumulate_grad_hook(_drop)
        for parameter in encoder.backbone.parameters()
        if parameter.requires_grad
    ]
    try:
        with encoder.in_mode(training=True), seeded(0, "memory", device=encoder.device):
            encoder.use_attention(attention_in_training(encoder, bf16=asked.bf16))
            yield
    finally:
        for hook in hooks:
            hook.remove()
        table.requires_grad_(learns)
        encoder.use_attention(attention)


def _drop(parameter: Tensor) -> None:
    parameter.grad = None


def _pass(encoder: Encoder, ids: list[list[int]], asked: Asked) -> None:
    device = encoder.device
    with SeededDropout(0, "memory"), torch.autocast(device.type, torch.bfloat16, enabled=asked.bf16):
        pooled = encoder.pooled_with_layers(ids, asked.layers) if asked.layers else encoder.pooled(ids)
    torch.autograd.backward(pooled.sum())


def _beside(asked: Asked, model: Model) -> int:
    learned = sum(each.numel() for each in model.modules.parameters() if each.requires_grad)
    width = model.encoder.width * (1 + len(asked.layers))
    table = 0 if asked.in_tiles else _table(asked.rows, asked.vectors)
    return FLOAT * (COPIES * learned + VECTORS * asked.vectors * width + TABLES * table)


def _table(rows: int, vectors: int) -> int:
    """Cells of the table of all pairs: every row with every vector of the other views."""
    return rows * max(rows, vectors - rows)


def _in_tiles(model: Model, settings: RunSettings, rows: int, views: int) -> bool:
    tiled = settings.training.tiled
    table = FLOAT * _table(rows, views * rows)
    if tiled == "never" or (tiled == "auto" and not is_large_table(table, model.encoder.device)):
        return False
    labels = torch.empty(0, dtype=torch.int64) if settings.data.label_column else None
    return not model.objective.why_not_in_tiles(Views(by_name={}, labels=labels))


def _at_once(need: Need, at_once: int, free: int, size: int | None) -> str:
    what = "the batch at once" if size is None else f"chunks of {size} texts, as asked for"
    return f"{what}: {'' if need.measured else 'at most '}{_of(need.of(at_once), free)}"


def _of(taken: int, free: int) -> str:
    return f"{in_gib(taken).removesuffix(' GiB')} of {in_gib(free)}"


def _too_large(asked: Asked, need: Need, texts: int, free: int) -> str:
    passes = f"{texts} texts of {asked.length} tokens" if texts > 1 else f"one text of {asked.length} tokens"
    numbers = (
        f"a step of {asked.rows} rows needs {in_gib(need.of(texts))} and {in_gib(free)} are free: "
        f"{in_gib(need.beside)} for gradients, optimizer, checkpoint, vectors and loss, "
        f"{in_gib(need.of(texts) - need.beside)} for a pass of {passes}"
    )
    if asked.size != "auto" and need.of(1) <= free:
        fits = fitting(need, asked.texts, free).size
        return f"the batch does not fit in memory: {numbers}. Give --chunk-size auto, or {fits}"
    return (
        f"the batch does not fit in memory, even one text at a time: {numbers}. "
        "Give a smaller --batch-size or --max-length, a smaller model, or free some memory"
    )

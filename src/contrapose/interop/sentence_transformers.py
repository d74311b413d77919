"""Every method of the catalogue as a loss for sentence-transformers' own trainer.

    model = SentenceTransformer("path/or/name")
    loss = ContraposeLoss(model, "hncse-hnm", num_mixtures=40)
    SentenceTransformerTrainer(model=model, train_dataset=dataset, loss=loss).train()

Model folders need no adapter: ``Encoder.save`` writes what ``SentenceTransformer(folder)`` reads, and ``Encoder.load``
reads what its ``save_pretrained`` writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from contrapose.contract import Method, Needs, Supplies, Views
from contrapose.errors import MissingExtra, UsageError
from contrapose.objectives.catalogue import recipe

#: The base of text hashes: odd, with well-spread bits (2**64 divided by the golden ratio, as a signed integer).
HASH_BASE = -0x61C8864680B583EB

Features = Mapping[str, Any]


class ContraposeLoss(nn.Module):
    """A contrapose method, for ``SentenceTransformerTrainer`` of sentence-transformers 5.3 and later.

    1. Each column of the data set is embedded by the model as it stands: no head is put on it.
    2. The columns are, in order: anchor, positive, negatives. A data set of *one* column is trained as unsupervised
       SimCSE: every text passes through the model twice, under two dropout masks, and finds itself.
    3. The method scores them in fp32, whatever precision the trainer runs in.

    model            a SentenceTransformer
    method           a name of ``contrapose methods``: "simcse", "focal-infonce", "hncse-hnm" ...
    parts            parts of other methods to add, as with ``--with``: ("queue",)
    seed             where the random choices of the parts (which negatives are mixed) come from
    mask_repeats     columns with the anchor's or the positive's tokens are no negatives of the row
    hyperparameters  of the method: ``temperature=0.05`` is what sentence-transformers calls ``scale=20``

    With "simcse" and two or more columns this is its MultipleNegativesRankingLoss(scale=1 / temperature), to rounding,
    where no text repeats within a batch.

    The trainer does not tell a loss whether it accepted a step. So every forward pass in training mode, with gradients
    on, counts as one: a queue takes in its positives (unless the loss is not finite, which would poison the queue),
    and the step from which randomness is derived moves on. With gradient accumulation each micro-batch is such a step.
    In evaluation mode nothing changes. All of it, step and queue, is in ``state_dict()``; the trainer's checkpoints
    hold the model alone, so save the loss's state yourself if you resume a method with a queue.

    With several processes each contrasts the rows of its own batch. For bit-exact resume, gathered negatives and
    gradient caching use ``contrapose train``.

    Raises :class:`MissingExtra` without sentence-transformers, :class:`UsageError` for an unknown method, part or
    hyperparameter, for a method that needs more than a vector of each text, for a model that is none, and for one
    column where the model has no dropout.
    """

    num_steps: Tensor

    def __init__(
        self,
        model: nn.Module,
        method: str,
        *,
        parts: Sequence[str] = (),
        seed: int = 0,
        mask_repeats: bool = True,
        **hyperparameters: Any,
    ) -> None:
        super().__init__()
        width = _width(model)
        self.model = model
        self.recipe = recipe(method, parts, hyperparameters)
        if replace(self.recipe.needs, texts=()) != Needs():
            raise UsageError(
                f"method '{method}' needs more of the model than one vector of each text (inner layers, tokens, "
                f"other models), and sentence-transformers gives a loss no more: use contrapose train --method {method}"
            )
        if self.recipe.has_protocol:
            raise UsageError(
                f"method '{method}' acts between the steps of training ({self.recipe.protocol_class.name}), and "
                f"sentence-transformers calls a loss within them: use contrapose train --method {method}"
            )
        if makers := [part if isinstance(part, str) else part.name for part in self.recipe.method.text_parts]:
            raise UsageError(
                f"method '{method}' makes texts of its own ({', '.join(makers)}), and sentence-transformers gives a "
                f"loss the columns of its data set: use contrapose train --method {method}"
            )
        self.parts, self.seed, self.mask_repeats = tuple(parts), seed, mask_repeats
        self.objective = self.recipe.build(width)
        self.objective.attach(Supplies(width=width, pooled_width=width, seed=seed))
        self.register_buffer("num_steps", torch.zeros((), dtype=torch.int64))

    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None = None) -> Tensor:
        """The loss of one batch, a scalar. ``labels`` is part of the trainer's protocol and not looked at."""
        learning = self.model.training and torch.is_grad_enabled()
        columns = [dict(features) for features in sentence_features]
        if not columns:
            raise UsageError("the data set has no column of texts: give one, or anchor, positive, negatives")
        embeddings = self._embed(columns)
        with torch.autocast(embeddings[0].device.type, enabled=False):
            views = self._views(embeddings, columns)
            total = cast("Tensor", self.objective(views, with_stats=False).total)
            if learning:
                self._advance(views, total)
        return total

    def _embed(self, columns: list[dict[str, Any]]) -> list[Tensor]:
        """One (B, D) per column; of a single column, two. The model writes into what it is given: it gets copies."""
        passes = columns * 2 if len(columns) == 1 else columns
        embeddings = [cast("Tensor", self.model(dict(column))["sentence_embedding"]) for column in passes]
        at_start = len(columns) == 1 and self.model.training and int(self.num_steps) == 0
        if at_start and torch.equal(embeddings[0], embeddings[1]):
            raise UsageError(
                "the data set has one column, and the model gives every text the same vector twice: it has no dropout, "
                "so there is nothing to learn from. Load it with a dropout, for BERT-like models "
                "SentenceTransformer(name, config_kwargs={'hidden_dropout_prob': 0.1, "
                "'attention_probs_dropout_prob': 0.1}), or give pairs: columns anchor and positive."
            )
        return embeddings

    def _views(self, embeddings: list[Tensor], columns: list[dict[str, Any]]) -> Views:
        anchor, positive, *negatives = (embedding.float() for embedding in embeddings)
        views = Views.pair(anchor, positive, negatives, seed=self.seed, step=int(self.num_steps))
        self.recipe.refuse_ignored(views.by_name)
        if self.mask_repeats and all("input_ids" in column for column in columns):
            hashes = [text_hashes(column["input_ids"], column.get("attention_mask")) for column in columns]
            hashes = hashes * 2 if len(hashes) == 1 else hashes
            views = Views(
                by_name=views.by_name,
                text_ids=dict(zip(views.by_name, hashes, strict=True)),
                seed=views.seed,
                step=views.step,
            )
        return views

    @torch.no_grad()
    def _advance(self, views: Views, total: Tensor) -> None:
        remembers = any(buffer.numel() > 1 for buffer in self.objective.buffers())
        if not remembers or bool(torch.isfinite(total)):
            self.objective.observe(views)
        self.num_steps += 1

    def get_config_dict(self) -> dict[str, Any]:
        """What the model card of sentence-transformers shows of this loss."""
        return {
            "method": self.recipe.method.name,
            "parts": [part.name for part in self.recipe.parts],
            **self.recipe.hyperparameters.model_dump(),
            "mask_repeats": self.mask_repeats,
            "seed": self.seed,
        }

    @property
    def citation(self) -> str:
        """The method's paper in BibTeX, for the model card."""
        return bibtex(self.recipe.method)


def text_hashes(input_ids_BT: Tensor, attention_mask_BT: Tensor | None = None) -> Tensor:
    """(B,) int64, equal for rows with equal tokens, wherever the padding stands.

    A polynomial in an odd base modulo 2**64; only positions that the mask keeps are counted.

    >>> ids, mask = torch.tensor([[5, 7, 0], [5, 7, 9], [0, 5, 7]]), torch.tensor([[1, 1, 0], [1, 1, 1], [0, 1, 1]])
    >>> hashes = text_hashes(ids, mask)
    >>> bool(hashes[0] == hashes[2]), bool(hashes[0] == hashes[1])
    (True, False)
    """
    ids_BT = input_ids_BT.long()
    kept_BT = torch.ones_like(ids_BT) if attention_mask_BT is None else attention_mask_BT.long()
    powers_T = torch.full((ids_BT.shape[1] + 1,), HASH_BASE, device=ids_BT.device).cumprod(0)
    power_BT = powers_T[kept_BT.cumsum(1)]
    hashes_B = ((ids_BT + 1) * kept_BT * power_BT).sum(1)
    return torch.where(hashes_B == 0, torch.ones_like(hashes_B), hashes_B)  # 0 means "unknown" to a queue


def bibtex(method: Method) -> str:
    """The record's paper as a BibTeX entry; what it does not name (HNCSE's names no authors) is left out.

    >>> from contrapose.objectives.simcse import METHOD
    >>> print(bibtex(METHOD))
    @misc{simcse2021,
        author = {Gao and Yao and Chen},
        title = {{SimCSE: Simple Contrastive Learning of Sentence Embeddings}},
        year = {2021},
        note = {EMNLP},
        url = {https://arxiv.org/abs/2104.08821},
    }
    """
    form = r"(?:(?P<author>.+?) )?(?P<year>\d{4}), (?P<title>.+?)(?: \((?P<note>[^()]+)\))?"
    match = re.fullmatch(form, method.paper)
    fields = match.groupdict() if match else {"title": method.paper}
    if fields.get("author"):
        fields["author"] = fields["author"].replace(", ", " and ")
    fields |= {"title": f"{{{fields['title']}}}", "url": method.reference}
    names = [name for name in ("author", "title", "year", "note", "url") if fields.get(name)]
    lines = [f"    {name} = {{{fields[name]}}}," for name in names]
    return "\n".join([f"@misc{{{method.name}{fields.get('year') or ''},", *lines, "}"])


def _width(model: nn.Module) -> int:
    """The width of the model's embeddings; the wrong kind of model is refused here."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise MissingExtra("ContraposeLoss", "st", "sentence-transformers") from None
    if not isinstance(model, SentenceTransformer):
        raise UsageError(
            f"ContraposeLoss trains a SentenceTransformer, got {type(model).__name__}. "
            "A model folder of contrapose becomes one by SentenceTransformer(folder)"
        )
    # The name changed between the releases; a truncation set for encoding does not apply in training.
    ask = getattr(model, "get_embedding_dimension", None) or model.get_sentence_embedding_dimension
    truncation, model.truncate_dim = model.truncate_dim, None
    try:
        width = ask()
    finally:
        model.truncate_dim = truncation
    if width is None:
        raise UsageError("this SentenceTransformer does not say how wide its embeddings are")
    return int(width)

"""Replaced token detection (DiffCSE): a vector must say enough of its text to tell which of its words were changed.

    x'   = x with a share of its words hidden                     80 % [MASK], 10 % another word, 10 % left as they are
    x''  = what a masked language model G makes of x'             frozen; argmax at every position, or a draw
    y_t  = 1 where x''_t differs from x_t and t is no padding, else 0
    D    reads x'' with its first input embedding replaced by the text's vector h
    term = weight * mean over positions of CE(W D(x'' | h)_t, y_t)

G is never trained; D starts as the encoder did and is trained, with W; both are gone after training. The gradient
reaches the encoder through h alone, so whatever helps D to tell the words must be in h. h is what the loss compares:
after the train-only head. The mean is over both views, all rows of the batch and all positions, padding included
(``loss_scope="nonpad"``: tokens alone). The first token stays what it was.

Chuang et al. 2022, "DiffCSE: Difference-based Contrastive Learning for Sentence Embeddings", NAACL;
https://arxiv.org/abs/2204.10298

The paper says that G's words are sampled; the published code takes the most probable one (``decode``), at every
position and not only at hidden ones (``replace_scope``), with G in training mode, so that its dropout is active by
accident. Here G is in evaluation mode. Padding keeps its token (the code writes 0, which is masked anyway).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from contrapose.contract import Needs, Network, Part, Supplies, Tokens, Views
from contrapose.maths.masking import hide
from contrapose.maths.similarity import at_least_fp32
from contrapose.seeds import seeded, torch_generator

#: Rows given to the language model at once: it says a number for every word of the vocabulary at every position.
ROWS_PER_PASS = 32
READ = ("anchor", "positive")


def draw_words(logits_RTV: Tensor, draws_RT: Tensor) -> Tensor:
    """(R, T) ids drawn from softmax(logits): the first word at which the cumulated probability passes the draw."""
    cumulated_RTV = logits_RTV.double().softmax(-1).cumsum(-1)
    words_RT = (cumulated_RTV <= draws_RT.double()[..., None]).sum(-1)
    return words_RT.clamp(max=logits_RTV.shape[-1] - 1)


def detection_loss(
    logits_RT2: Tensor, changed_RT: Tensor, counted_RT: Tensor | None, num_positions: int
) -> Tensor:
    """The cross entropy of "was this word changed", summed over the counted positions, over ``num_positions``.

    counted_RT: None counts every position. ``num_positions`` are those of the whole batch, so that the shares of
    several processes add up to the mean.
    """
    logits_RT2 = at_least_fp32(logits_RT2)
    loss_RT = F.cross_entropy(logits_RT2.flatten(0, 1), changed_RT.long().flatten(), reduction="none")
    loss_RT = loss_RT.view_as(changed_RT)
    if counted_RT is not None:
        loss_RT = loss_RT.masked_fill(~counted_RT, 0.0)
    return loss_RT.sum() / num_positions


class ReplacedTokens(Part):
    """The replaced-token term of DiffCSE. See the module's docstring for the equation."""

    name = "replaced-tokens"
    idea = "From a text's vector, a discriminator must tell which of its words a language model changed (DiffCSE)."

    generator: nn.Module
    discriminator: nn.Module
    head: nn.Linear

    def __init__(
        self,
        *,
        generator: Annotated[
            str,
            Field(min_length=1, description="masked language model that changes words: a folder or a name"),
        ] = "distilbert/distilbert-base-uncased",
        replaced_weight: Annotated[
            float, Field(ge=0, le=100, description="weight of the replaced-token term, the paper's lambda")
        ] = 0.005,
        masking_ratio: Annotated[
            float, Field(gt=0, lt=1, description="share of the words that the generator has to fill in")
        ] = 0.30,
        decode: Annotated[
            Literal["argmax", "sample"],
            Field(description="its most probable word, or one drawn by probability"),
        ] = "argmax",
        replace_scope: Annotated[
            Literal["all", "masked"],
            Field(description="where its words are taken: everywhere, or where hidden"),
        ] = "all",
        loss_scope: Annotated[
            Literal["all", "nonpad"], Field(description="positions of the mean: padding too, or tokens alone")
        ] = "all",
    ) -> None:
        super().__init__()
        self.weight, self.masking_ratio = replaced_weight, masking_ratio
        self.decode, self.replace_scope, self.loss_scope = decode, replace_scope, loss_scope
        self.needs = Needs(
            tokens=True,
            networks=(
                Network(name="generator", kind="masked-language-model", source=generator),
                Network(name="discriminator", kind="discriminator", trainable=True),
            ),
        )

    def attach(self, supplies: Supplies) -> None:
        self.generator = supplies.networks["generator"]
        self.discriminator = supplies.networks["discriminator"]
        with seeded(supplies.seed, "replaced-tokens", "head"):
            self.head = nn.Linear(supplies.width, 2)

    def terms(self, views: Views) -> Mapping[str, Tensor]:
        tokens = [views.tokens[name] for name in READ]
        texts = zip(READ, tokens, strict=True)
        ids_RT = torch.cat([each.ids_RT for each in tokens])
        attention_RT = torch.cat([each.attention_RT for each in tokens])
        rewritten_RT = torch.cat([self._rewritten(name, each, views) for name, each in texts])
        vectors_RD = torch.cat(
            [views.by_name[name][each.rows] for name, each in zip(READ, tokens, strict=True)]
        )
        changed_RT = (rewritten_RT != ids_RT) & attention_RT
        with seeded(
            views.seed,
            "replaced-tokens",
            "dropout",
            views.step,
            tokens[0].rows.start or 0,
            device=ids_RT.device,
        ):
            logits_RT2 = self.head(self.discriminator(rewritten_RT, attention_RT, vectors_RD))
        if self.loss_scope == "all":
            counted_RT, num_positions = None, len(READ) * views.num_rows * ids_RT.shape[1]
        else:
            counted_RT, num_positions = attention_RT, sum(each.num_tokens for each in tokens)
        loss = detection_loss(logits_RT2, changed_RT, counted_RT, num_positions)
        self._report(logits_RT2.detach(), changed_RT, attention_RT)
        return {"replaced_tokens": self.weight * loss}

    @torch.no_grad()
    def _rewritten(self, name: str, tokens: Tokens, views: Views) -> Tensor:
        """(R, T) what the generator makes of one view of this process's rows."""
        ids_RT, device = tokens.ids_RT, tokens.ids_RT.device
        random = torch_generator(views.seed, "replaced-tokens", views.step, name)
        # Drawn for the whole batch, so that several processes draw what one would.
        draws_5RT = torch.rand(5, views.num_rows, ids_RT.shape[1], generator=random)[:, tokens.rows].to(
            device
        )
        chosen_RT = (draws_5RT[0] < self.masking_ratio) & ~tokens.special_RT
        mask_id, vocabulary_size = (
            cast("int", getattr(self.generator, wanted)) for wanted in ("mask_token_id", "vocabulary_size")
        )
        hidden_RT = hide(ids_RT, chosen_RT, draws_5RT[1:4], mask_id, vocabulary_size)
        blocks = []
        for start in range(0, len(ids_RT), ROWS_PER_PASS):
            rows = slice(start, start + ROWS_PER_PASS)
            logits_RTV = self.generator(hidden_RT[rows], tokens.attention_RT[rows])
            blocks.append(
                logits_RTV.argmax(-1)
                if self.decode == "argmax"
                else draw_words(logits_RTV, draws_5RT[4, rows])
            )
        taken_RT = tokens.attention_RT if self.replace_scope == "all" else chosen_RT
        written_RT = torch.where(taken_RT, torch.cat(blocks), ids_RT)
        written_RT[:, 0] = ids_RT[:, 0]
        return written_RT

    def _report(self, logits_RT2: Tensor, changed_RT: Tensor, attention_RT: Tensor) -> None:
        """How many words were changed, and of the changed and of the kept ones: which share was told right.

        Of this process's rows. Not a number where no word was changed, as every statistic of an empty selection.
        """
        said_RT = logits_RT2.argmax(-1).bool()
        kept_RT = attention_RT & ~changed_RT
        self.report(
            replaced_share=changed_RT.sum() / attention_RT.sum(),
            replaced_told=(said_RT & changed_RT).sum() / changed_RT.sum(),
            kept_told=(~said_RT & kept_RT).sum() / kept_RT.sum(),
        )


PART = ReplacedTokens

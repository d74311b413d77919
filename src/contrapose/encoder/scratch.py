"""A new encoder of a given size, drawn at random: BERT's architecture with the tokenizer of a model that is there."""

from __future__ import annotations

from contrapose.encoder.backbone import load_tokenizer
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.opening import open_model
from contrapose.errors import UsageError
from contrapose.seeds import seeded

#: Positions of a new encoder, as BERT's.
POSITIONS = 512
#: The inner layer of a block is so many times as wide as its outer ones, as BERT's.
WIDENING = 4


def new_encoder(
    *,
    layers: int,
    width: int,
    heads: int,
    vocabulary: str,
    pooling: str | None = None,
    dropout: float | None = None,
    revision: str | None = None,
    seed: int = 0,
) -> Encoder:
    """In evaluation mode; pooling: ``cls`` unless given; dropout: 0.1 unless given; vocabulary: whose tokenizer it has.

    Raises what :meth:`Encoder.load` raises, and UsageError for a tokenizer without padding.
    """
    from transformers import BertConfig, BertModel

    source, layout = open_model(vocabulary, revision)
    tokenizer = load_tokenizer(layout.backbone, source.name)
    if tokenizer.pad_token_id is None:
        raise UsageError(f"the tokenizer of '{source.name}' has no padding token, which a new encoder needs")
    share = 0.1 if dropout is None else dropout
    config = BertConfig(
        vocab_size=max(tokenizer.get_vocab().values()) + 1,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=WIDENING * width,
        max_position_embeddings=POSITIONS,
        pad_token_id=tokenizer.pad_token_id,
        hidden_dropout_prob=share,
        attention_probs_dropout_prob=share,
    )
    with seeded(seed, "new-encoder"):
        backbone = BertModel(config, add_pooling_layer=False)
    config.return_dict = True
    return Encoder(
        backbone,
        tokenizer,
        pooling=pooling or "cls",
        max_length=POSITIONS,
        name=f"new-{layers}x{width}",
        kind="masked-lm",
        lower_case=layout.lower_case,
    ).eval()

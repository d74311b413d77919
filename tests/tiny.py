"""Tiny encoders with real tokenizers, built in code: what every test runs on that needs a model.

Each builder writes a plain transformers folder (config, safetensors, tokenizer) in well under 0.3 s: two layers, width
32, two heads, a few hundred tokens at most, dropout 0.1. Weights are drawn wider than BERT's, so that different texts
get different vectors; they mean nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contrapose.seeds import seeded

WIDTH = 32
LAYERS = 2
POSITIONS = 64
#: BERT draws with 0.02, with which all texts would get nearly the same vector.
INITIAL_STD = 0.3
#: Letters of a word that are one piece; the rest of a longer word is another.
LONGEST_PIECE = 5

#: Text that the tokenizers are made from, and that tests can encode.
SENTENCES = (
    "a cat sits on the mat",
    "the dog runs after the ball in the park",
    "a man plays the guitar on a stage",
    "two women walk along the beach at sunset",
    "the stock market fell sharply on monday",
    "the bank raised its interest rate again",
    "sort a list of numbers in place",
    "return the largest item of the sequence",
    "open the file and read every line",
    "the train to the city leaves in ten minutes",
    "she cooks rice with beans and pepper",
    "rain is expected in the north tomorrow",
    "the team won the final after extra time",
    "children learn to read and to write at school",
    "the museum shows paintings of the last century",
    "a new law protects the rivers and the forests",
)


def tiny_bert(
    folder: Path,
    *,
    seed: int = 0,
    dropout: float = 0.1,
    masked_lm: bool = False,
    positions: int = POSITIONS,
) -> Path:
    """BERT with a WordPiece tokenizer; ``masked_lm`` saves the whole language model (``bert.`` keys)."""
    from transformers import BertConfig, BertForMaskedLM, BertModel, BertTokenizer

    tokenizer = _word_pieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], "[UNK]")
    vocabulary = tokenizer.get_vocab()
    wrapped = BertTokenizer(vocab=vocabulary, model_max_length=positions)
    config = BertConfig(vocab_size=len(vocabulary), **_bert_like(dropout, positions))
    return _save(folder, BertForMaskedLM if masked_lm else BertModel, config, wrapped, seed)


def tiny_mpnet(folder: Path, *, seed: int = 0, dropout: float = 0.1) -> Path:
    """MPNet: WordPiece with RoBERTa's special tokens; two positions are lost to padding."""
    from transformers import MPNetConfig, MPNetModel, MPNetTokenizer

    vocabulary = _word_pieces(["<s>", "<pad>", "</s>", "[UNK]", "<mask>"], "[UNK]").get_vocab()
    wrapped = MPNetTokenizer(vocab=vocabulary, model_max_length=POSITIONS)
    config = MPNetConfig(vocab_size=len(vocabulary), **_bert_like(dropout, POSITIONS + 2))
    return _save(folder, MPNetModel, config, wrapped, seed)


def tiny_roberta(folder: Path, *, seed: int = 0, dropout: float = 0.1) -> Path:
    """RoBERTa with a byte-level BPE tokenizer; two positions are lost to padding."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.model.save(str(folder))
    wrapped = RobertaTokenizer.from_pretrained(folder, model_max_length=POSITIONS)
    config = RobertaConfig(vocab_size=len(wrapped), **_bert_like(dropout, POSITIONS + 2))
    return _save(folder, RobertaModel, config, wrapped, seed)


def pooled_by(pooling: str) -> dict[str, Any]:
    """What ``Encoder.load`` takes for a pooling: the one at a mask token needs a template that has such a token."""
    return {"templates": ("a {text} is [MASK]",)} if pooling == "mask" else {"pooling": pooling}


TINY = {"bert": tiny_bert, "roberta": tiny_roberta, "mpnet": tiny_mpnet}


def _bert_like(dropout: float, positions: int = POSITIONS) -> dict[str, Any]:
    return {
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": 2 * WIDTH,
        "max_position_embeddings": positions,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "initializer_range": INITIAL_STD,
    }


def _word_pieces(special: list[str], unknown: str) -> Any:
    """WordPiece with every letter, the short words of ``SENTENCES``, and the long ones in two pieces.

    Listed, not trained: ``WordPieceTrainer`` orders ties by a hash that each process draws anew, and by it the vectors
    of these encoders would differ from run to run.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    words = sorted({word for sentence in SENTENCES for word in sentence.split()})
    letters = sorted(set("".join(words)))
    heads = [word[:LONGEST_PIECE] for word in words]
    tails = [f"##{word[LONGEST_PIECE:]}" for word in words if len(word) > LONGEST_PIECE]
    pieces = dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters), *heads, *tails])
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=unknown))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _save(folder: Path, architecture: Any, config: Any, tokenizer: Any, seed: int) -> Path:
    with seeded(seed, "tiny"):
        model = architecture(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder

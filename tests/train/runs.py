"""Tiny runs for tests: a corpus made in code, options that make a run of a second, and what a run left behind."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.listening import Listener
from contrapose.seeds import seeded
from contrapose.storage.durable import sha256_file
from contrapose.train.api import Run, train
from contrapose.train.checkpoint import folder_of, steps_saved
from contrapose.train.run_folder import read_rows
from tests.tiny import SENTENCES

WORDS = sorted({word for sentence in SENTENCES for word in sentence.split()})

#: Rows of every corpus.
NUM_ROWS = 120

#: Twelve steps of eight rows, one checkpoint in between.
OPTIONS: Mapping[str, Any] = {
    "method": "simcse",
    "steps": 12,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "max_length": 16,
    "precision": "fp32",
    "device": "cpu",
    "criterion": "none",
    "blend": 1.0,
    "save_every": 5,
}


@dataclass(frozen=True)
class Place:
    """A tiny model and corpora of every kind, to train on."""

    model: Path
    sentences: Path
    documents: Path
    pairs: Path
    triplets: Path
    masked_lm: Path
    vectors: Path


def texts(count: int, seed: int = 0, fewest: int = 8, most: int = 14) -> list[str]:
    """Distinct random sentences of the words that the tiny tokenizers know."""
    rng = random.Random(seed)
    made: dict[str, None] = {}
    while len(made) < count:
        made[" ".join(rng.choices(WORDS, k=rng.randint(fewest, most)))] = None
    return list(made)


def write_place(folder: Path, model: Path) -> Place:
    """Corpora of 120 rows, a vector for each row, and a masked language model, beside ``model``."""
    place = Place(
        model, folder / "a.txt", folder / "documents.txt", folder / "pairs.jsonl", folder / "triplets.jsonl",
        plain_bert(folder / "masked-lm", seed=5, masked_lm=True), folder / "vectors.npy",
    )  # fmt: skip
    np.save(place.vectors, np.random.default_rng(0).normal(size=(NUM_ROWS, 6)).astype(np.float32))
    place.sentences.write_text("\n".join(texts(NUM_ROWS)) + "\n")
    place.documents.write_text("\n".join(texts(NUM_ROWS, seed=1, fewest=20, most=40)) + "\n")
    names = ("anchor", "positive", "negative_1")
    columns = [texts(NUM_ROWS, seed=seed) for seed in (2, 3, 4)]
    for path, width in ((place.pairs, 2), (place.triplets, 3)):
        rows = zip(*columns[:width], strict=True)
        path.write_text("".join(json.dumps(dict(zip(names, row, strict=False))) + "\n" for row in rows))
    return place


class Killed(BaseException):
    """Ends a run as a kill would: nothing of the package catches it."""


class Witness(Listener):
    """Remembers what it was told; ``kill_at`` ends the run right after that step was logged."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.kill_at = kill_at
        self.notices: list[str] = []
        self.steps: list[int] = []
        self.evaluations: dict[int, Mapping[str, float]] = {}

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def stepped(self, step: int, row: Mapping[str, Any]) -> None:
        self.steps.append(step)
        if step == self.kill_at:
            raise Killed

    def evaluated(self, step: int, scores: Mapping[str, float], is_best: bool) -> None:
        self.evaluations[step] = scores


def run_tiny(place: Place, out: Path, *, resume: bool = False, listener: Any = None, **options: Any) -> Run:
    """Train with :data:`OPTIONS`, changed by ``options``; ``corpus`` may be among them."""
    chosen = {**OPTIONS, "model": place.model, "out": out, **options}
    corpus = chosen.pop("corpus", place.sentences)
    return train(corpus, resume=resume, listener=listener or Witness(), **chosen)


def checkpoint_hashes(folder: Path, step: int | None = None) -> dict[str, str]:
    """The hash of every file of a checkpoint, the newest by default."""
    checkpoints = folder / "checkpoints"
    newest = folder_of(checkpoints, steps_saved(checkpoints)[-1] if step is None else step)
    return {path.name: sha256_file(path) for path in sorted(newest.iterdir())}


def outcome(folder: Path) -> dict[str, Any]:
    """All that must be the same for two runs to be the same: weights, optimizer, queues, loop state, metrics."""
    return {
        **checkpoint_hashes(folder),
        "model": sha256_file(folder / "model" / "model.safetensors"),
        "metrics": (folder / "metrics.jsonl").read_bytes(),
    }


def step_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl that are of steps, not of evaluations."""
    return [row for row in read_rows(folder / "metrics.jsonl") if "loss" in row]


def plain_bert(
    folder: Path, *, seed: int = 0, masked_lm: bool = False, words: int | None = None, width: int = 32
) -> Path:
    """Like ``tests.tiny.tiny_bert``, with a vocabulary written down instead of learnt: the same in every process.

    masked_lm: the whole language model; words: how many words it knows, all unless given
    """
    from transformers import BertConfig, BertForMaskedLM, BertModel, BertTokenizer

    letters = sorted({letter for word in WORDS for letter in word})
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    tokens += [word for word in WORDS if len(word) > 1][:words]
    tokenizer = BertTokenizer(
        vocab={token: number for number, token in enumerate(tokens)}, model_max_length=64
    )
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    with seeded(seed, "plain-bert"):
        model = (BertForMaskedLM if masked_lm else BertModel)(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder

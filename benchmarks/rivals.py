"""The rivals of benchmarks/speed.py: how one writes it first, and sentence-transformers' trainer."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from typing import Any

import torch

BATCH_SIZE, MAX_LENGTH = 64, 32
Step = Callable[[int], None]


def plain_step(session: Any) -> Step:
    """What one writes first: two passes, fp32, padding to the longest of a random batch."""
    from transformers import AutoModel

    from contrapose.encoder.source import resolve

    folder = resolve(session.settings.encoder.model, None).folder
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, foreach=False, fused=False)
    tokenizer = session.encoder.tokenizer

    def embed(texts: Sequence[str]) -> torch.Tensor:
        tokens = tokenizer(
            list(texts), truncation=True, max_length=MAX_LENGTH, padding=True, return_tensors="pt"
        )
        mask = tokens["attention_mask"][..., None].float()
        hidden = model(**tokens).last_hidden_state
        return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)

    def step(number: int) -> None:
        texts = session.batches.at(number).texts["anchor"]
        logits = embed(texts) @ embed(texts).T / 0.05
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits, torch.arange(len(texts))).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def sentence_transformers(batches: list[list[str]], warm_up: int) -> list[float] | None:
    """Seconds per step of its trainer, less the first steps; None where it is not installed."""
    try:
        from datasets import Dataset
        from sentence_transformers import (
            SentenceTransformer,
            SentenceTransformerTrainer,
            SentenceTransformerTrainingArguments,
        )
        from sentence_transformers.losses import MultipleNegativesRankingLoss
        from transformers import TrainerCallback
    except ImportError:
        return None
    from contrapose.encoder.source import resolve

    model = SentenceTransformer(str(resolve("minilm", None).folder), device="cpu")
    model.max_seq_length = MAX_LENGTH
    times: list[float] = []

    class Clock(TrainerCallback):
        """From the end of a step to the end of the next: its tokenizing is inside, as it is in ours."""

        last: float | None = None

        def on_step_end(self, *_: Any, **__: Any) -> None:
            now = time.perf_counter()
            if self.last is not None:
                times.append(now - self.last)
            self.last = now

    texts = [text for batch in batches for text in batch]
    # Its log goes to standard output, where ours is.
    with tempfile.TemporaryDirectory() as out, redirect_stdout(sys.stderr):
        arguments = SentenceTransformerTrainingArguments(
            output_dir=out,
            per_device_train_batch_size=BATCH_SIZE,
            learning_rate=1e-5,
            max_steps=len(batches),
            bf16=True,
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_dict({"anchor": texts, "positive": texts}),
            loss=MultipleNegativesRankingLoss(model),
            callbacks=[Clock()],
        ).train()
    return times[warm_up - 1 :]


@torch.inference_mode()
def encode_in_file_order(encoder: Any, texts: list[str]) -> None:
    for start in range(0, len(texts), 64):
        encoder.pooled(encoder.token_ids(texts[start : start + 64]))

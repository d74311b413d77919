"""The rivals of benchmarks/speed.py and transfer.py: how one writes it first, and sentence-transformers' trainer."""

from __future__ import annotations

import copy
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from contrapose.evaluate.logistic import ClassifierTraining

BATCH_SIZE, MAX_LENGTH = 64, 32
Step = Callable[[int], None]


def plain_step(batches: Sequence[Sequence[str]]) -> Step:
    """What one writes first: two passes, fp32, padding to the longest of a random batch."""
    from transformers import AutoModel, AutoTokenizer

    from contrapose.encoder.source import resolve

    folder = resolve("minilm", None).folder
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, foreach=False, fused=False)
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def embed(texts: Sequence[str]) -> torch.Tensor:
        tokens = tokenizer(
            list(texts), truncation=True, max_length=MAX_LENGTH, padding=True, return_tensors="pt"
        )
        mask = tokens["attention_mask"][..., None].float()
        hidden = model(**tokens).last_hidden_state
        return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)

    def step(number: int) -> None:
        texts = batches[number]
        logits = embed(texts) @ embed(texts).T / 0.05
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits, torch.arange(len(texts))).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def sentence_transformers(
    batches: list[list[str]],
    warm_up: int,
    *,
    model: str | None = None,
    device: str = "cpu",
    bf16: bool = True,
    attention: str | None = None,
    workers: int = 0,
) -> list[float] | None:
    """Seconds per step of its trainer, less the first steps; None where it is not installed.

    model: a folder, else the embedded one. attention: transformers' name of one, else what it chooses. workers:
    processes that make batches beside the training, which its documentation offers against slow loading.
    """
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

    chosen = {} if attention is None else {"attn_implementation": attention}
    trained = SentenceTransformer(
        model or str(resolve("minilm", None).folder), device=device, model_kwargs=chosen
    )
    trained.max_seq_length = MAX_LENGTH
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
            per_device_train_batch_size=len(batches[0]),
            learning_rate=1e-5,
            max_steps=len(batches),
            bf16=bf16,
            use_cpu=device == "cpu",
            dataloader_num_workers=workers,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        SentenceTransformerTrainer(
            model=trained,
            args=arguments,
            train_dataset=Dataset.from_dict({"anchor": texts, "positive": texts}),
            loss=MultipleNegativesRankingLoss(trained),
            callbacks=[Clock()],
        ).train()
    return times[warm_up - 1 :]


@torch.inference_mode()
def encode_in_file_order(encoder: Any, texts: list[str]) -> None:
    for start in range(0, len(texts), 64):
        encoder.pooled(encoder.token_ids(texts[start : start + 64]))


def one_classifier(
    x: np.ndarray,
    y: np.ndarray,
    aside_x: np.ndarray,
    aside_y: np.ndarray,
    decay: float,
    training: ClassifierTraining,
) -> Callable[[np.ndarray], np.ndarray]:
    """One logistic regression as one writes it: a Linear, autograd, Adam, stopped by the rows set aside.

    Classes are 0 .. max(y). Returns what tells the classes of new rows.
    """
    inputs, labels, aside, answers = (torch.from_numpy(array) for array in (x, y, aside_x, aside_y))
    model = torch.nn.Linear(x.shape[1], int(y.max()) + 1)
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=decay)
    loss_of = torch.nn.CrossEntropyLoss()
    best, best_accuracy, waited = model, -1.0, 0
    for _ in range(0, training.max_epochs + 1, training.epoch_size):
        for _ in range(training.epoch_size):
            order = torch.randperm(len(inputs))
            for start in range(0, len(order), training.batch_size):
                rows = order[start : start + training.batch_size]
                optimizer.zero_grad()
                loss_of(model(inputs[rows]), labels[rows]).backward()
                optimizer.step()
        with torch.inference_mode():
            accuracy = float((model(aside).argmax(dim=1) == answers).float().mean())
        if accuracy > best_accuracy:
            best, best_accuracy = copy.deepcopy(model), accuracy
        elif waited >= training.tenacity:
            break
        else:
            waited += 1
    return lambda rows: best(torch.from_numpy(rows)).argmax(dim=1).numpy()

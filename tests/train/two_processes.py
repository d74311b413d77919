"""Run by torchrun in the tests: three steps of every case, what each process has afterwards, and whole runs.

python -m torch.distributed.run --nproc-per-node 2 -m tests.train.two_processes JOB.json
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from contrapose.contract import RunOutline, Supplies, TiledOutcome
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.heads import build_head
from contrapose.encoder.own_language_model import OwnLanguageModel
from contrapose.errors import UsageError
from contrapose.listening import Listener
from contrapose.objectives.catalogue import all_methods, all_parts, recipe
from contrapose.objectives.objective import Objective
from contrapose.pretrain.step import forward_backward as hide_words
from contrapose.protocols.masked import Masked
from contrapose.storage.durable import write_bytes
from contrapose.train import gradient_sums, saving
from contrapose.train.api import train
from contrapose.train.distributed import ProcessGroup
from contrapose.train.inspecting import gradient_of_measure
from contrapose.train.modules import module_tree, trainable
from contrapose.train.optimizer import make_optimizer
from contrapose.train.row_vectors import row_vectors
from contrapose.train.settings import TrainingSettings
from contrapose.train.step import StepPlan, forward_backward, tokenize
from tests.train.methods import options_of, parts_of, supplied, with_needs
from tests.train.runs import NUM_ROWS, texts
from tests.train.steps import batch_of, gradients

TEXTS = texts(NUM_ROWS)

#: Rows of each step: what two processes share evenly, what they do not, and a smaller batch.
ROWS = (16, 15, 9)


def every_method_and_part() -> dict[str, dict[str, Any]]:
    """Every method of the catalogue, and with SimCSE every part that no method has; a new one is among them."""
    part_of_a_method = {part for name in all_methods() for part in all_methods()[name].parts}
    alone = [name for name in all_parts() if name not in part_of_a_method and not needs_labels(name)]
    return {name: {} for name in all_methods()} | {f"simcse {name}": {"parts": [name]} for name in alone}


def needs_labels(part: str) -> bool:
    return recipe("simcse", [part]).needs.labels


CASES: dict[str, dict[str, Any]] = {
    **every_method_and_part(),
    "hncse with queue": {"parts": ["queue"], "pool": "batch+queue", "pool_queue_size": 20},
    "simcse, triplets, chunked, batch norm": {"views": 3, "chunk_size": 5, "head": "mlp-bn"},
    **{name: {} for name in with_needs() if name not in all_methods()},
    "dcl, in tiles": {"tiled": True},
    "simcse, in tiles, queue, triplets, chunked, batch norm": {
        "tiled": True,
        "parts": ["queue"],
        "views": 3,
        "chunk_size": 5,
        "head": "mlp-bn",
    },
    "simcse-mlm, in tiles": {"tiled": True},
    **{f"{name}, chunked, batch norm": {"chunk_size": 5, "head": "mlp-bn"} for name in with_needs()},
}


def three_steps(
    model: Path, name: str, case: dict[str, Any], processes: ProcessGroup
) -> dict[str, torch.Tensor]:
    """Losses, first gradients, final weights and queues."""
    numbers = {key: value for key, value in case.items() if key.startswith("pool")}
    method = name.replace(",", " ").split()[0]
    numbers |= options_of(name.partition(",")[0], model)
    parts = (*case.get("parts", ()), *parts_of(name.partition(",")[0]))
    objective = recipe(method, parts, numbers).build(width=32)
    template = objective.needs.template
    around = (template.anchor, template.others) if template else ()
    encoder = Encoder.load(model, dropout=0.0, templates=around).train()
    encoder.head = build_head(case.get("head", "linear-tanh"), 32)
    encoder.train()
    tiled = case.get("tiled", False)
    plan = StepPlan(
        seed=0, max_length=16, chunk_size=case.get("chunk_size"), tiled=tiled, processes=processes
    )
    made = supplied(objective, encoder, model, plan)
    optimizer = make_optimizer(trainable(made.modules), TrainingSettings(learning_rate=1e-4))
    found: dict[str, torch.Tensor] = {}
    for step, rows in enumerate(ROWS):
        if step == 1:
            encode_corpus(encoder, objective, processes, Path(f"{model}-vectors-{processes.rank}.npy"))
            if made.plan.companions is not None:
                made.plan.companions.renew(encoder)
        optimizer.zero_grad()
        needs = objective.needs
        batch = batch_of(
            rows, views=case.get("views", 2), step=step, further=needs.texts, targets=needs.targets
        )
        result = forward_backward(encoder, objective, tokenize(encoder, batch, made.plan), made.plan)
        found[f"loss {step}"] = result.loss.total.detach()
        if tiled:
            assert isinstance(result.loss.outcome, TiledOutcome)
            own = processes.rows(rows)
            assert len(result.loss.outcome.loss_B) == own.stop - own.start
            watched = ("accuracy", "entropy", "hardest_share", "columns_batch", "uniformity")
            found |= {f"watched {name} {step}": result.loss.stats[name].clone() for name in watched}
        if step == 0:
            found |= {f"gradient {key}": value for key, value in gradients(made.modules).items()}
        optimizer.step()
        objective.observe(result.views)
        if made.plan.companions is not None:
            made.plan.companions.follow(encoder)
    weights = {f"weight {key}": value.detach().clone() for key, value in made.modules.named_parameters()}
    return found | weights | {f"queue {key}": value.clone() for key, value in made.modules.named_buffers()}


def encode_corpus(encoder: Encoder, objective: Objective, processes: ProcessGroup, path: Path) -> None:
    """Show the corpus, as the weights of now see it, to the parts that look at it."""
    if not objective.refreshes_at(0):
        return
    rows = np.arange(NUM_ROWS)
    corpus: Any = SimpleNamespace(columns=("text",), take=lambda ids: {"text": [TEXTS[row] for row in ids]})
    with (
        encoder.in_mode(training=False),
        row_vectors(
            encoder, corpus, rows, path, precision="fp32", listener=Listener(), processes=processes
        ) as vectors_ND,
    ):
        objective.refresh(0, torch.from_numpy(rows), torch.from_numpy(vectors_ND.copy()))


def pretraining_steps(model: Path, processes: ProcessGroup) -> dict[str, torch.Tensor]:
    """Losses, accuracies, first gradients and final weights of three steps of masked language modelling."""
    folder = model.parent / "masked-lm"
    encoder = Encoder.load(folder, dropout=0.0, head="none").train()
    objective = recipe("simcse", ["mlm"], {"mlm_weight": 1.0, "mlm_rate": 0.3}).build(width=32)
    head = OwnLanguageModel.of(encoder, folder, head="start")
    frequent = encoder.token_ids([" ".join(batch_of(16).texts["anchor"])])[0][1:-1]
    with torch.no_grad():  # so that something is filled in right
        head.network.get_output_embeddings().bias[max(frequent, key=frequent.count)] += 10.0
    objective.attach(Supplies(width=32, networks={"language_model": head}))
    modules = module_tree(encoder, objective)
    plan = StepPlan(seed=0, max_length=16, processes=processes)
    optimizer = make_optimizer(trainable(modules), TrainingSettings(learning_rate=1e-4))
    measured: dict[str, torch.Tensor] = {}
    for step, rows in enumerate(ROWS):
        optimizer.zero_grad()
        result = hide_words(encoder, objective, tokenize(encoder, batch_of(rows, step=step), plan), plan)
        measured[f"loss {step}"] = result.loss.total.detach()
        measured[f"accuracy {step}"] = result.loss.stats["mlm_accuracy"]
        if step == 0:
            measured |= {f"gradient {key}": value for key, value in gradients(modules).items()}
        optimizer.step()
    return measured | {f"weight {key}": value.detach().clone() for key, value in modules.named_parameters()}


def mask_of_two_batches(model: Path, processes: ProcessGroup) -> dict[str, torch.Tensor]:
    """The masks that the protocol ``masked`` makes of the gradients of two batches."""
    encoder = Encoder.load(model, dropout=0.0).train()
    objective = recipe("simcse").build(width=encoder.width)
    masked, modules = (
        Masked(sparsity=0.3, score_after=0.0, score_sentences=32),
        module_tree(encoder, objective),
    )
    masked.run = RunOutline(num_steps=4, batch_size=16)
    weights = trainable(modules)
    masked.attach(weights, torch.arange(32), seed=0)
    plan = StepPlan(seed=0, max_length=16, processes=processes)

    def gradient_of(number: int, measure: Any) -> dict[str, torch.Tensor]:
        batch = batch_of(16, step=number)
        batch.texts["positive"].append(batch.texts["positive"].pop(0))  # the encoder is without dropout
        return gradient_of_measure(modules, encoder, tokenize(encoder, batch, plan), plan, measure)

    with torch.no_grad():
        masked.inspect(0, weights, gradient_of)
    return {f"mask {name}": mask for name, mask in masked.masks().items()}


def early_messages(processes: ProcessGroup) -> list[float]:
    """(buckets, messages that went out before the backward pass ended, the largest error of what came of it)."""
    layers = torch.nn.Sequential(*(torch.nn.Linear(100, 100) for _ in range(5)))
    unused = torch.nn.Parameter(torch.ones(3))
    weights = [unused, *layers.parameters()]  # from the last on: the unused ones come last
    ones = torch.ones(1, 100) * (1 + processes.rank)
    torch.autograd.backward(layers(ones).sum())
    alone = [weight.grad.clone() for weight in weights if weight.grad is not None]
    layers.zero_grad()
    with gradient_sums.GradientSums(processes, weights) as sums:
        torch.autograd.backward(layers(ones).sum())
    assert unused.grad is None
    summed = [processes.sum(gradient) for gradient in alone]
    errors = [
        float((weight.grad - expected).abs().max())
        for weight, expected in zip(layers.parameters(), summed, strict=True)
        if weight.grad is not None
    ]
    return [len(gradient_sums.buckets_of(weights, 20_000)), sums.early, max(errors)]


def saved_though_late(out: Path, processes: ProcessGroup) -> bool:
    """Whether this process takes part in saving where the second one comes when the first would long have written."""
    folder, saved = out / f"late-{processes.size}", []

    def save(session: Any) -> None:
        saved.append(session.progress.step)
        if processes.is_first:
            (folder / "step-00000004").mkdir(parents=True)

    session: Any = SimpleNamespace(
        progress=SimpleNamespace(step=4),
        processes=processes,
        checkpoints=folder,
        encoder=SimpleNamespace(device=torch.device("cpu")),
    )
    if not processes.is_first:
        time.sleep(1.0)
    with patch.object(saving, "save", save):
        saving.save_once(session)
        saving.save_once(session)
    return saved == [4]


def main() -> None:
    from safetensors.torch import save

    torch.set_num_threads(1)
    job = json.loads(Path(sys.argv[1]).read_text())
    processes = ProcessGroup.join()
    gradient_sums.BUCKET_BYTES = 20_000  # several buckets, of a model this small
    (Path(job["out"]) / f"early-{processes.rank}").write_text(json.dumps(early_messages(processes)))
    try:
        processes.rows(1)
    except UsageError as error:
        (Path(job["out"]) / f"refused-{processes.rank}").write_text(str(error))
    for number, (name, case) in enumerate(CASES.items()):
        found = three_steps(Path(job["model"]), name, case, processes)
        write_bytes(Path(job["out"]) / f"case-{number}-rank-{processes.rank}.safetensors", save(found))
    pretrained = pretraining_steps(Path(job["model"]), processes)
    write_bytes(Path(job["out"]) / f"pretraining-rank-{processes.rank}.safetensors", save(pretrained))
    masks = mask_of_two_batches(Path(job["model"]), processes)
    write_bytes(Path(job["out"]) / f"masks-{processes.rank}.safetensors", save(masks))
    flags = [
        processes.any(processes.rank == 1, torch.device("cpu")),
        processes.any(False, torch.device("cpu")),
        processes.of_first(0.1 + processes.rank, torch.device("cpu")),
    ]
    (Path(job["out"]) / f"flags-{processes.rank}").write_text(json.dumps(flags))
    late = saved_though_late(Path(job["out"]), processes)
    (Path(job["out"]) / f"late-{processes.rank}").write_text(json.dumps(late))
    processes.wait()
    for name, options in job["runs"].items():
        with patch.object(ProcessGroup, "leave"):  # a group that was left is not joined again
            train(job["corpus"], out=str(Path(job["out"]) / name), **options)
    processes.leave()


if __name__ == "__main__":
    main()

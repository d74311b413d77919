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

import torch

from contrapose.contract import RunOutline, Supplies, TiledOutcome
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.heads import build_head
from contrapose.encoder.own_language_model import OwnLanguageModel
from contrapose.errors import UsageError
from contrapose.objectives.catalogue import recipe
from contrapose.pretrain.step import forward_backward as hide_words
from contrapose.protocols.masked import Masked
from contrapose.storage.durable import write_bytes
from contrapose.train import saving
from contrapose.train.api import train
from contrapose.train.distributed import ProcessGroup
from contrapose.train.inspecting import gradient_of_measure
from contrapose.train.modules import module_tree, trainable
from contrapose.train.optimizer import make_optimizer
from contrapose.train.settings import TrainingSettings
from contrapose.train.step import StepPlan, forward_backward, tokenize
from tests.train.methods import options_of, parts_of, supplied, with_needs
from tests.train.steps import batch_of, gradients

CASES: dict[str, dict[str, Any]] = {
    "simcse": {},
    "hncse": {},
    "hncse with queue": {"parts": ["queue"], "pool": "batch+queue", "pool_queue_size": 20},
    "simcse, triplets, chunked, batch norm": {"views": 3, "chunk_size": 5, "head": "mlp-bn"},
    "dcl, in tiles": {"tiled": True},
    "simcse, in tiles, queue, triplets, chunked, batch norm": {
        "tiled": True,
        "parts": ["queue"],
        "views": 3,
        "chunk_size": 5,
        "head": "mlp-bn",
    },
    "simcse-mlm, in tiles": {"tiled": True},
    **{name: {} for name in with_needs()},
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
    for step in range(3):
        optimizer.zero_grad()
        needs = objective.needs
        batch = batch_of(
            16, views=case.get("views", 2), step=step, further=needs.texts, targets=needs.targets
        )
        result = forward_backward(encoder, objective, tokenize(encoder, batch, made.plan), made.plan)
        found[f"loss {step}"] = result.loss.total.detach()
        if tiled:
            assert isinstance(result.loss.outcome, TiledOutcome)
            assert len(result.loss.outcome.loss_B) == 16 // processes.size
            watched = ("accuracy", "entropy", "hardest_share", "columns_batch", "uniformity")
            found |= {f"watched {name} {step}": result.loss.stats[name].clone() for name in watched}
        if step == 0:
            found |= {f"gradient {key}": value for key, value in gradients(made.modules).items()}
        optimizer.step()
        objective.observe(result.views)
    weights = {f"weight {key}": value.detach().clone() for key, value in made.modules.named_parameters()}
    return found | weights | {f"queue {key}": value.clone() for key, value in made.modules.named_buffers()}


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
    for step in range(3):
        optimizer.zero_grad()
        result = hide_words(encoder, objective, tokenize(encoder, batch_of(16, step=step), plan), plan)
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
    try:
        processes.rows(15)
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

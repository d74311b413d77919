"""A method whose protocol uses every hook: it inspects gradients once, restarts the optimizer, and ends with none."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from contrapose.contract import GradientOf, Method, TrainingProtocol
from contrapose.maths.geometry import uniformity
from contrapose.objectives.simcse import simcse

INSPECTED_AT = 5
BIAS = "encoder.backbone.encoder.layer.0.output.dense.bias"


class Inspecting(TrainingProtocol):
    name = "inspecting"
    idea = "Moves one bias along what it saw."
    forbids_blend = "it is for a test"

    def attach(self, weights: Mapping[str, Tensor], rows: Tensor, *, seed: int) -> None:
        assert self.run.num_steps == 12
        assert self.run.batch_size == 8
        assert "encoder.backbone.embeddings.word_embeddings.weight" in self.run.lookup_tables
        self.register_buffer("slope", torch.zeros_like(weights[BIAS]))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def inspects_at(self, step: int) -> bool:
        return step == INSPECTED_AT

    def inspect(self, step: int, weights: Mapping[str, Tensor], gradient_of: GradientOf) -> str:
        for number in range(3):
            self.slope += gradient_of(number, lambda views: uniformity(views.of("anchor", "pooled")))[BIAS]
        self.calls += 1
        return "one bias was looked at"

    def restarts_optimizer_at(self, step: int) -> bool:
        return step == INSPECTED_AT

    def before(self, step: int, weights: Mapping[str, Tensor]) -> None:
        weights[BIAS].sub_(self.slope)

    def after_backward(self, step: int, weights: Mapping[str, Tensor]) -> None:
        if step == 11:
            for weight in weights.values():
                if weight.grad is not None:
                    weight.grad.zero_()

    def may_export(self) -> bool:
        return bool(self.calls > 0)


METHOD = Method(
    name="inspecting",
    idea="A method for tests.",
    paper="None 2000, None",
    reference="https://example.org",
    objective=simcse,
    protocol=Inspecting,
)

"""Everything that learns or remembers is one tree of modules; the rest of training asks the tree and nobody else.

    encoder       what is trained, its train-only head included
    objective     the method with its parts: queues, clusters, heads, networks
    companions    encoders beside the trained one, those that change
    protocol      how steps follow one another
    texts         what text parts learn of the corpus between steps, where they do

Its parameters are the optimizer's, of its gradients the norm is taken and checked, its state is the checkpoint. The
exported model takes the encoder alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase


def module_tree(encoder: nn.Module, objective: nn.Module, **others: nn.Module) -> nn.ModuleDict:
    """The tree of a run. ``others``: its companions and its protocol, where it has them."""
    return nn.ModuleDict({"encoder": encoder, "objective": objective, **others})


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """Name -> parameter, in the module's order, for parameters that learn."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


def running_statistics(module: nn.Module) -> list[Tensor]:
    """The buffers that a forward pass changes: the running means and variances of batch norms.

    They are all that :func:`put_back` undoes. What parts remember of a step changes in ``observe``, which a skipped
    step does not reach. What a protocol does before and after every step (the weights of the next client, an average),
    and copies of the model that are renewed then, stay: they follow the count of steps, not the gradient.
    """
    norms: Iterator[nn.Module] = (part for part in module.modules() if isinstance(part, _NormBase))
    return [buffer for norm in norms for buffer in norm.buffers(recurse=False)]


def put_back(module: nn.Module, before: list[Tensor]) -> None:
    """Undo what a skipped step did to the running statistics; ``before``: copies of them."""
    with torch.no_grad():
        for buffer, earlier in zip(running_statistics(module), before, strict=True):
            buffer.copy_(earlier)


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}

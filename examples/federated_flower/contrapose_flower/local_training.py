"""What contrapose does for a client: take the server's weights, train on the client's own lines, give weights back.

Nothing here knows Flower. Each call is a whole run in a folder that is gone afterwards, so the optimizer begins anew,
as federated averaging has it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

import contrapose


class Trained(NamedTuple):
    """weights: by name; rows: that were there to train on; loss: of the last step."""

    weights: dict[str, Tensor]
    rows: int
    loss: float


def weights_of(model: str) -> dict[str, Tensor]:
    """What travels: the encoder without its train-only head."""
    return dict(contrapose.Encoder.load(model).backbone.state_dict())


def lines_of(text: str, client: int, clients: int) -> list[str]:
    """The client's part of a file, for a simulation; on a machine of its own a client has a file of its own."""
    lines = [line for line in Path(text).read_text(encoding="utf-8").splitlines() if line.strip()]
    size = len(lines) // clients
    return lines[client * size : (client + 1) * size]


def save_model(model: str, weights: Mapping[str, Tensor], folder: Path) -> None:
    """``model`` with these weights, as a model folder."""
    encoder = contrapose.Encoder.load(model)
    encoder.backbone.load_state_dict(dict(weights))
    encoder.save(folder)


def train_locally(
    weights: Mapping[str, Tensor],
    lines: list[str],
    *,
    model: str,
    method: str,
    steps: int,
    batch_size: int,
    seed: int,
) -> Trained:
    """``steps`` steps of ``method`` on these lines, from these weights."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        save_model(model, weights, folder / "server")
        (folder / "lines.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        run = contrapose.train(
            folder / "lines.txt",
            model=folder / "server",
            method=method,
            out=folder / "run",
            steps=steps,
            batch_size=batch_size,
            seed=seed,
            # The server judges the average; a client hands out what it trained, whole.
            criterion="none",
            blend=1.0,
            held_out_rows=0,
        )
        trained = dict(run.encoder.backbone.state_dict())
        return Trained(trained, run.summary["rows"], run.metrics[-1]["loss"])

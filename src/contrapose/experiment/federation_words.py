"""What ``contrapose federate`` says: the gain of each run without labels, who the clients were, what was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from contrapose.experiment.clients_table import FederationSummary
from contrapose.experiment.results import ResultTable

FEDERATED, CENTRAL = "federated", "central"


def folder_of(folder: Path, name: str, seed: int) -> Path:
    """The run folder of one of the two; that of seed 0 has the plain name."""
    return folder / (name if seed == 0 else f"{name}-seed-{seed}")


def sent_in_words(sent: int) -> list[str]:
    """Nothing where a run that diverged left no model whose size is known."""
    if not sent:
        return []
    return [f"over a network, a round would send {sent / 1e6:,.0f} MB: the weights to each client, and back"]


def _mean(gains: Sequence[float | None]) -> float | None:
    known = [gain for gain in gains if gain is not None]
    return sum(known) / len(known) if known and len(known) == len(gains) else None


def gains_table(gains: Mapping[str, Sequence[float | None]], folder: Path) -> ResultTable:
    rows = [["the pretrained model", "0.0000", ""]]
    for name in (CENTRAL, FEDERATED):
        mean = _mean(gains[name])
        shown = "not measured" if mean is None else f"{mean:+.4f}"
        rows.append([name, shown, str(folder_of(folder, name, 0) / "model")])
    return ResultTable(
        header=("model", "expected gain without labels", "its folder"),
        rows=rows,
        note="The gain is over the pretrained model, on the same held-out text of all clients; the best checkpoint of "
        "each run, after a whole round.",
    )


def gains_in_words(gains: Mapping[str, Sequence[float | None]]) -> str:
    central, federated = _mean(gains[CENTRAL]), _mean(gains[FEDERATED])
    if central is None or federated is None:
        return "without labels nothing was measured: a run diverged, the text is too short, or criterion=none was given"
    return (
        f"without labels: the federated run gained {federated:+.4f} over the pretrained model, the central one "
        f"{central:+.4f}"
    )


def clients_table(who: FederationSummary) -> ResultTable:
    rows = [
        [f"client {client.client}", f"{client.rows:,}", f"{client.share:.1%}", str(client.rounds), client.main_topics,
         ", ".join(client.words)]
        for client in who.clients
    ]  # fmt: skip
    return ResultTable(
        title="Clients",
        header=("client", "rows", "share", "rounds", "topics", "words"),
        rows=rows,
        note="Topics with a fifth of the client's rows or more; words that lie in more of its texts than in the "
        "others'. Rounds and rows are those of seed 0.",
    )

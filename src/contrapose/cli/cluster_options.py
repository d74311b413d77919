"""Options of the verbs that can work on a cluster, in the same words everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from contrapose.cli.options import one_of
from contrapose.errors import UsageError

if TYPE_CHECKING:
    from contrapose.cluster.crew import Crew

CLUSTER = "Cluster"

Engine = Annotated[
    str,
    typer.Option(
        help="local: in this process; ray: on a Ray cluster (extra ray).",
        rich_help_panel=CLUSTER,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="The Ray cluster: local (one on this machine), auto (the one that this machine is of), or HOST:PORT of "
        "its head.",
        metavar="WHERE",
        rich_help_panel=CLUSTER,
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Processes on the cluster (default: one per GPU, else one per machine).",
        min=1,
        metavar="N",
        rich_help_panel=CLUSTER,
        show_default=False,
    ),
]
MemoryPerWorker = Annotated[
    str | None,
    typer.Option(
        help="Memory that Ray reserves for each, such as 4GB.",
        metavar="SIZE",
        rich_help_panel=CLUSTER,
        show_default=False,
    ),
]


def crew_of(engine: str, address: str | None, workers: int | None, memory: str | None = None) -> Crew | None:
    """What is asked of a cluster; None for work in this process. Raises UsageError for what would be ignored."""
    if one_of("--engine", engine, ("local", "ray")) == "ray":
        return crew_at(address or "local", workers, memory)
    if address or workers or memory:
        raise UsageError("--address, --workers and --memory-per-worker are for a cluster: add --engine ray")
    return None


def crew_at(address: str | None, workers: int | None, memory: str | None = None) -> Crew | None:
    """The same where an address alone asks for a cluster."""
    if address is None:
        if workers or memory:
            raise UsageError("--workers and --memory-per-worker are for a cluster: give its --address")
        return None
    from contrapose.cluster.crew import Crew, bytes_of, check_ray

    check_ray()
    return Crew(address, workers, None if memory is None else bytes_of(memory))

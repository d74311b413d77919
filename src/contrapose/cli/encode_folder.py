"""``contrapose encode -o FOLDER/``: the folder that can be restarted, on this machine or on a cluster."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.cli.encode_kind import tell
from contrapose.hints import command
from contrapose.paths import expanded

if TYPE_CHECKING:
    from contrapose.cli.encode_kind import Kind
    from contrapose.cluster.crew import Crew


def is_folder(output: str) -> bool:
    """Whether ``--output`` means a folder: it ends in a slash, or there is one."""
    return output.endswith(os.sep) or expanded(output).is_dir()


def encode_into_folder(
    kind: Kind,
    output: str,
    options: Mapping[str, Any],
    *,
    crew: Crew | None,
    force: bool,
    quiet: bool,
    json: bool,
) -> None:
    """Encode what is missing, and show what was done."""
    from contrapose.cli.models import model_of
    from contrapose.cli.progress import ProgressView
    from contrapose.data.sources import find_sources
    from contrapose.use.block_folder import check_folder
    from contrapose.use.blocks import EncodeOptions
    from contrapose.use.encode_blocks import encode_folder

    folder = Path(output)
    check_folder(expanded(folder))
    find_sources(kind.input, out=expanded(folder))
    with ProgressView(quiet=quiet or json) as view:
        engine = None
        if crew is not None:
            from contrapose.cluster.encoding import Opening, ray_engine

            sample = kind.sample() if kind.is_other else []
            engine = ray_engine(
                crew,
                Opening(
                    model=model_of(kind.model),
                    device=kind.device,
                    backend=kind.backend,
                    precision=kind.precision,
                    sample=tuple(sample),
                    max_loss=kind.max_loss,
                ),
            )
        summary = encode_folder(
            kind.encoder(view),
            kind.input,
            folder,
            model=kind.model,
            options=EncodeOptions(**options),
            overwrite=force,
            engine=engine,
            progress=view,
        )
    searchable = not quiet and options.get("text", True)
    next_step = command("search", kind.model, output, "what you look for") if searchable else None
    tell(kind, summary, json=json, next_step=next_step)

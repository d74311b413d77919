"""From an encoder to the same encoder on another backend, checked on a sample of text before it is handed out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from contrapose.backends.check import MAX_LOSS, Checked, check_max_loss, compare, sample_of
from contrapose.backends.encoder import BackendEncoder
from contrapose.backends.kinds import check_installed, check_kind
from contrapose.backends.made import cache_folder, graph_of, hash_of_texts
from contrapose.backends.runtimes import open_network
from contrapose.encoder.encoder import Encoder
from contrapose.errors import EmptyCorpus, UsageError
from contrapose.foreign import read_json_object
from contrapose.listening import Listener, listener_of
from contrapose.storage import durable, syscalls

#: Changes when what is measured changes, so that older records are not taken for newer ones.
_CHECKS = 1


class Opened(NamedTuple):
    """encoder: encodes as the original does; checked: what that costs, None for the original itself."""

    encoder: Encoder | BackendEncoder
    checked: Checked | None


def check_request(backend: str, precision: str, device: str, max_loss: float) -> None:
    """What is wrong with a request, before anything is loaded.

    Raises :class:`UsageError` for what does not exist or does not go together, :class:`MissingExtra` without the
    program.
    """
    check_kind(backend, precision)
    check_max_loss(max_loss)
    if backend != "torch" and device not in ("auto", "cpu"):
        raise UsageError(
            f"--device {device}: the backend {backend} computes on the processor here. Leave --device out"
        )
    check_installed(backend)


def open_encoder(
    encoder: Encoder,
    *,
    backend: str = "torch",
    precision: str = "fp32",
    sample: Sequence[str] | Callable[[], Sequence[str]] = (),
    max_loss: float = MAX_LOSS,
    data: str | Path | None = None,
    model: Path | None = None,
    listener: Listener | None = None,
) -> Opened:
    """An encoder on ``backend`` in ``precision``, made of ``encoder`` where there is none yet, and checked.

    sample     text of yours, or what gives it: int8 takes its ranges from it, and every kind is compared on it with the
               original in fp32. What was measured is kept beside the graph and not measured again for the same text.
    max_loss   points of STS and of your own text's retrieval that may be lost
    data       a folder with STS-B, to compare STS as well
    model      the folder of the encoder, whose own graphs are taken where it has them

    Raises :class:`UsageError` and :class:`MissingExtra` as :func:`check_request`, :class:`EmptyCorpus` without a
    sample, :class:`ModelError` for a graph that cannot be made and for one that lost more than it may.
    """
    check_request(backend, precision, "auto", max_loss)
    if (backend, precision) == ("torch", "fp32"):
        return Opened(encoder, None)
    texts = sample_of(sample() if callable(sample) else sample)
    if not texts:
        raise EmptyCorpus(f"there is no text to compare {precision} by {backend} with the original on")
    listener = listener or listener_of(None)
    other: Any = encoder
    if backend != "torch":
        int8 = precision == "int8"
        with listener.task(f"making {precision} for {backend}"):
            encoder.to("cpu")
            graph = graph_of(encoder, backend, int8=int8, sample=texts, model=model)
            network = open_network(backend, graph, precision)
        name = durable.sha256_file(graph.with_suffix(".bin") if backend == "openvino" else graph)
        other = BackendEncoder(encoder, network, backend=backend, precision=precision, graph=name)
    checked = _checked(encoder, other, texts, backend, precision, data, listener)
    checked.refuse(max_loss)
    return Opened(other, checked)


def _checked(
    encoder: Encoder,
    other: Any,
    texts: list[str],
    backend: str,
    precision: str,
    data: str | Path | None,
    listener: Listener,
) -> Checked:
    """What was measured before on the same text with the same graph, or is measured now and kept."""
    graph = getattr(other, "graph", "")
    on = hash_of_texts([*texts, str(_CHECKS), graph, "" if data is None else str(Path(data).resolve())])
    record = cache_folder() / "checks" / encoder.fingerprint() / f"{backend}-{precision}-{on}.json"
    known = read_check(record)
    if known is not None:
        return known
    with listener.task(f"comparing {precision} by {backend} with the original"):
        checked = compare(encoder, other, texts, backend=backend, precision=precision, data=data)
    with syscalls.reporting(record.parent):
        record.parent.mkdir(parents=True, exist_ok=True)
    durable.write_text(record, json.dumps(checked.to_json(), indent=2) + "\n")
    return checked


def read_check(path: Path) -> Checked | None:
    """A record that was kept, or None where there is none that can be read: it is measured again then."""
    try:
        record = read_json_object(path)
    except (OSError, ValueError):
        return None
    if set(record) != {field.name for field in fields(Checked)}:
        return None
    words = all(isinstance(record[name], str) for name in ("backend", "precision", "asked"))
    numbers = [record[name] for name in sorted(set(record) - {"backend", "precision", "asked"})]
    plain = all(value is None or (type(value) in (int, float) and math.isfinite(value)) for value in numbers)
    needed = all(record[name] is not None for name in ("texts", "cosine_mean", "cosine_least", "found_se"))
    return Checked(**record) if words and plain and needed else None

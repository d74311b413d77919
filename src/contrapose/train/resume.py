"""May this run go on? Only with the settings, the data and the model it was begun with; to more steps, if asked.

What can be compared without torch is compared by :func:`check_settings`, before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import ResumeRefused
from contrapose.storage.durable import write_json
from contrapose.train.run_folder import read_environment, read_record
from contrapose.train.settings import RunSettings, steps_of

if TYPE_CHECKING:
    from contrapose.data.corpus import Corpus
    from contrapose.encoder.encoder import Encoder

#: Sections and keys that may differ between a run and its continuation, because no result depends on them.
FREE = ("out", "saving", "data.corpus")
#: How long the run is: may become more.
LENGTH = ("training.steps", "training.epochs")
#: What earlier versions did not ask, with the answer that changes nothing of what they did.
NOT_ASKED_BEFORE = {"data.in_place": False, "training.tiled": "auto"}
#: What of the environment decides the last bits of a sum.
BITS_DEPEND_ON = ("versions", "device", "cpu_capability", "threads")


def write_record(
    folder: Path,
    settings: RunSettings,
    corpus: Corpus,
    encoder: Encoder,
    *,
    rows: int,
    steps: int,
    precision: str,
    precision_why: str = "",
    chunks: Mapping[str, Any] | None = None,
    looked_at: int = 0,
    processes: int = 1,
    method_file: str | None = None,
    beside: Mapping[str, str] | None = None,
) -> None:
    """What a continuation is compared with.

    rows: that are trained on; steps: that the run has; precision: that it computes in, "fp32" or "bf16"; chunks: the
    texts of a forward pass; looked_at: held-out rows that its scores are of; method_file: the sha256 of the file the
    method was read from; beside: name -> fingerprint of the models and files beside the trained one that no checkpoint
    holds; processes: that share its batches.
    """
    record: dict[str, Any] = {
        "settings": settings.model_dump(mode="json"),
        "corpus": corpus.fingerprint,
        "sources": corpus.sources_fingerprint,
        "model": encoder.fingerprint(),
        "model_name": encoder.name,
        "length": {"rows": rows, "steps": steps},
        "precision": precision,
        "precision_why": precision_why,
        "chunks": dict(chunks or {"size": None, "why": ""}),
        "looked_at": looked_at,
        "processes": [{"after": 0, "count": processes}],
    }
    if method_file is not None:
        record["method_file"] = method_file
    if beside:
        record["beside"] = dict(beside)
    write_json(folder / "run.json", record)


def write_processes(folder: Path, *, after: int, count: int, notice: Callable[[str], None]) -> None:
    """From its step ``after`` on, ``count`` processes share the batches; say so where it was another number."""
    record = read_record(folder)
    earlier = record.get("processes") or [
        {"after": 0, "count": read_environment(folder).get("processes", count)}
    ]
    before = earlier[-1]["count"]
    if before == count:
        return
    notice(
        f"the run goes on after step {after} with {count} process{'es' * (count > 1)}; until there it had {before}. "
        "The batches, their order, the weights, the optimizer, queues and copies are the same; the dropout masks and "
        "the last digits of sums are not, so it is not bit for bit the run that it would have been"
    )
    write_json(folder / "run.json", record | {"processes": [*earlier, {"after": after, "count": count}]})


def write_longer(folder: Path, settings: RunSettings, *, after: int, steps: int) -> None:
    """The run has ``steps`` steps from its step ``after`` on; how long it was meant to be is kept."""
    record = read_record(folder)
    earlier = [
        *record.get("lengthened", []),
        {"after": after, "from": record["length"]["steps"], "to": steps},
    ]
    record |= {
        "settings": settings.model_dump(mode="json"),
        "length": {**record["length"], "steps": steps},
        "lengthened": earlier,
    }
    write_json(folder / "run.json", record)


def check_method_file(folder: Path, sha256: str | None) -> None:
    """Raise ResumeRefused where the method was read from a file that changed since. Nothing is loaded for it."""
    if not (folder / "run.json").exists():
        return
    begun = read_record(folder).get("method_file")
    if begun is not None and sha256 is not None and begun != sha256:
        raise ResumeRefused(
            f"the file of the method changed since {folder} was begun, so it cannot be continued: restore the file, "
            "or start a new run with another --out"
        )


def check_settings(folder: Path, settings: RunSettings, *, complete: bool) -> None:
    """Raise ResumeRefused, naming every setting that the run was begun with and that is another now.

    complete: whether ``settings`` hold every hyperparameter of the method, and the blend that its protocol demands; if
    not, those that were not given are left for later. The number of steps may be more than it was.
    """
    record = read_record(folder)
    before, now = record["settings"], settings.model_dump(mode="json")
    differences = _differences(before, now)
    if not complete:
        given = now.get("method", {}).get("hyperparameters", {})
        start = "method.hyperparameters."
        differences = {
            name: change
            for name, change in differences.items()
            if not name.startswith(start) or name.removeprefix(start) in given
        }
        if settings.selection.blend is None:
            differences.pop("selection.blend", None)
    if now["training"]["precision"] == record.get("precision"):
        differences.pop("training.precision", None)  # "auto" then, and now what it meant
    chunk_size = now["training"].get("chunk_size")
    if chunk_size == chunk_size_before(record) or (chunk_size, _setting(record, "chunk_size")) == (
        "auto",
        None,
    ):
        differences.pop("training.chunk_size", None)  # the same; None: all, of a version without "auto"
    changed_length = [name for name in LENGTH if name in differences]
    if changed_length and (length := _length(record)):
        steps = steps_of(settings, length["rows"])
        changes = [differences.pop(name) for name in changed_length]
        if steps < length["steps"]:
            differences["length"] = f"{'; '.join(changes)}: {steps} steps instead of {length['steps']}"
    if differences:
        shorter = " (a run can be made longer, not shorter)" if "length" in differences else ""
        raise ResumeRefused(
            f"{folder} was begun with other settings, so it cannot be continued: "
            f"{'; '.join(differences.values())}{shorter}. "
            "Give the settings it was begun with (they are in its config.toml), or another --out"
        )


def precision_before(folder: Path) -> str | None:
    """What the run computes in, "fp32" or "bf16"; None where its record does not say."""
    begun = read_record(folder).get("precision")
    return begun if begun in ("fp32", "bf16") else None


def chunk_size_before(record: Mapping[str, Any]) -> int | None:
    """The texts of a forward pass that the run was begun with; None for the whole batch at once."""
    begun = record.get("chunks")
    # A version that decided nothing has it in its settings.
    held = begun.get("size") if isinstance(begun, dict) else _setting(record, "chunk_size")
    return held if type(held) is int and held > 0 else None


def _setting(record: Mapping[str, Any], name: str) -> Any:
    training = record["settings"].get("training")
    return training.get(name) if isinstance(training, dict) else None


def _length(record: Mapping[str, Any]) -> dict[str, int] | None:
    """Rows and steps of the run; None in the record of a version that did not keep them."""
    length = record.get("length")
    known = isinstance(length, dict) and all(type(length.get(key)) is int for key in ("rows", "steps"))
    return length if known else None


def looked_at_before(folder: Path) -> int | None:
    """The held-out rows that the run's scores are of until now; None where its record does not say."""
    looked_at = read_record(folder).get("looked_at")
    return looked_at if type(looked_at) is int else None


def steps_before(folder: Path) -> int | None:
    """How many steps the run was to have until now; None where its record does not say."""
    length = _length(read_record(folder))
    return None if length is None else length["steps"]


def check_begun_with(
    folder: Path,
    settings: RunSettings,
    corpus: Corpus,
    encoder: Encoder,
    beside: Mapping[str, str],
    environment: Mapping[str, Any],
    notice: Callable[[str], None],
) -> None:
    """Raise ResumeRefused for another corpus or model; tell of differences that only change the last bits."""
    record = read_record(folder)
    if corpus.fingerprint != record["corpus"]:
        raise ResumeRefused(f"the corpus in {folder / 'cache'} is not the one the run was begun with")
    if encoder.fingerprint() != record["model"]:
        raise ResumeRefused(
            f"the model '{settings.encoder.model}' is not the one the run was begun with (its weights, tokenizer or "
            "pooling changed): restore it, or start a new run with another --out"
        )
    for name, fingerprint in record.get("beside", {}).items():
        if beside.get(name) != fingerprint:
            raise ResumeRefused(
                f"'{name}', which the method reads beside the model, is not what the run was begun with (its weights, "
                "tokenizer or vectors changed): restore it, or start a new run with another --out"
            )
    then = read_environment(folder)
    changed = [key for key in BITS_DEPEND_ON if then.get(key) != environment.get(key)]
    if changed:
        notice(
            f"the environment changed since the run was begun ({', '.join(changed)}): "
            "it goes on, but not bit for bit as it would have"
        )


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Name -> what it was and is, of every setting that may not differ, and of the run's length."""
    differences: dict[str, str] = {}
    for key in sorted(set(before) | set(now)):
        name = f"{path}{key}"
        old, new = before.get(key), now.get(key)
        if name in FREE or old == new:
            continue
        if key not in before and name in NOT_ASKED_BEFORE and new == NOT_ASKED_BEFORE[name]:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            differences |= _differences(old, new, f"{name}.")
        else:
            differences[name] = f"{name} was {old!r} and is {new!r}"
    return differences

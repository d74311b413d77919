"""A foreign tokenizer is tried in a child process first: its library can panic, end the process, or never return.

That happens inside compiled code, where no error can be caught. The child costs a few hundredths of a second for a
small vocabulary and about a second for the largest; a tokenizer.json that has passed is not tried again by the same
process. The tokenizer of the embedded encoder is not tried.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from contrapose.errors import ModelError

#: Seconds of processor time: loading the largest known vocabularies takes 3.
SECONDS = 30
#: Seconds of waiting for a child that sleeps instead of working.
PATIENCE = 600
#: Address space; the largest known vocabularies take under 1 GB.
BYTES = 4 << 30

#: Short and long, of many scripts, without a space; what crashes a tokenizer on every text crashes it on one of these.
TEXTS = (
    "",
    " ",
    "A cat sits on the mat.",
    "x" * 4_096,
    "ab " * 2_000,
    "\u0141\u00f3d\u017a \u6771\u4eac \u05d0\u05d1 \u0939\u093f \u01c2 \ufdfa",
    "\U0001f600\u200d\U0001f4bb \x00 \t\n e\u0301\u0301",
)

_passed: set[str] = set()


def try_tokenizer(folder: Path) -> None:
    """:class:`ModelError` if the tokenizer in ``folder`` would take this process down with it."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        if not any(folder.glob("*.model")):
            return  # a plain list of words, from which transformers builds the rules itself
        path = folder
    key = _digest(path)
    if key in _passed:
        return
    _run(path)
    _passed.add(key)


def _digest(path: Path) -> str:
    files = [path] if path.is_file() else sorted(path.glob("*.model"))
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _run(path: Path) -> None:
    order = {
        "path": str(path.absolute()),
        "texts": TEXTS,
        "seconds": SECONDS,
        "bytes": BYTES
        if path.is_file()
        else 4 * BYTES,  # transformers, with all it imports, for want of a file
        "search_path": [folder for folder in sys.path if folder],
    }
    child = Path(__file__).with_name("tokenizer_child.py")
    surroundings = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    try:
        ended = subprocess.run(
            [sys.executable, "-I", str(child)],
            input=json.dumps(order).encode(),
            capture_output=True,
            env=surroundings,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ModelError(
            f"{path}: this tokenizer does not come to an end; the model was not loaded"
        ) from None
    except OSError as error:
        raise ModelError(
            f"{path}: no child process could be started to try this tokenizer in ({error.strerror or error}), and "
            "without a trial it is not opened. Perhaps too many processes run; try again."
        ) from None
    if ended.returncode != 0:
        raise ModelError(
            f"{path}: this tokenizer {_what_happened(ended.returncode, ended.stderr)}, so the model was not loaded. "
            "The file is damaged or made to harm; take it from where the model comes from."
        )


def _what_happened(code: int, said: bytes) -> str:
    lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"needs more than {SECONDS} seconds or too much memory for a few short texts"
    if code == -signal.SIGABRT and "memory allocation" in "".join(lines):
        return "needs too much memory"
    if lines and "PanicException" in lines[-1]:
        return f"makes its library panic ({lines[-1].split(':', 1)[-1].strip()[:200]})"
    reason = f" ({lines[-1][:200]})" if lines else ""
    return f"ends the process that loads it{reason}"

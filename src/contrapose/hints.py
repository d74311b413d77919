"""Commands that are shown to a person. A hint is a command that works when it is copied: this is how each is written.

What only the person knows stands in capitals (:data:`YOUR_TEXT` and its like); everything else is what was given.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

YOUR_TEXT = "YOUR_TEXT.txt"
YOUR_PAIRS = "YOUR_PAIRS.csv"
YOUR_DATA = "YOUR_DATA"
SENTEVAL = "SENTEVAL"


def command(verb: str, *words: object, about: str = "", **options: Any) -> str:
    """A command line of contrapose, quoted for a shell.

    words: in order; those that begin with a hyphen are put behind ``--``. options: ``steps=5`` is ``--steps 5``; True
    is the option alone, a list repeats it, and None, False and an empty list leave it out. about: a comment.

    >>> print(command("train", "my notes.txt", out="runs/a", tensorboard=True, set_=["k=5", "margin=0.2"], steps=None))
    contrapose train 'my notes.txt' --out runs/a --tensorboard --set k=5 --set margin=0.2
    >>> print(command("search", "minilm", "a.txt", "-5 degrees", top=3, about="the next step"))
    contrapose search --top 3 -- minilm a.txt '-5 degrees'    # the next step
    """
    plain = [os.fspath(word) if isinstance(word, Path) else str(word) for word in words]
    given = [part for name, value in options.items() for part in _option(name, value)]
    behind = any(word.startswith("-") and word != "-" for word in plain)
    line = shlex.join(
        ["contrapose", *verb.split(), *([*given, "--", *plain] if behind else [*plain, *given])]
    )
    return f"{line}    # {about}" if about else line


def assignments(options: Mapping[str, Any]) -> list[str]:
    """Options as ``--set`` takes them.

    >>> assignments({"k": 5, "cased": True, "pool": "batch", "parts": ("queue",)})
    ['k=5', 'cased=true', 'pool=batch', 'parts=["queue"]']
    """
    return [
        f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in options.items()
    ]


def free_folder(name: str) -> str:
    """``name``, or NAME-2, NAME-3 ... where something lies there: a run or an experiment wants a folder of its own.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     os.mkdir(os.path.join(folder, "mine"))
    ...     os.path.basename(free_folder(os.path.join(folder, "mine")))
    'mine-2'
    """
    tried = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(each for each in tried if not os.path.lexists(each))


def fitting_batch_size(rows: int, usual: int = 64) -> int | None:
    """None where so many rows fill a batch of the usual size; else a smaller one, of which there are several.

    >>> fitting_batch_size(1000), fitting_batch_size(40)
    (None, 10)
    """
    return None if rows >= usual else max(2, rows // 4)


def _option(name: str, value: Any) -> Iterable[str]:
    flag = f"-{name}" if len(name) == 1 else "--" + name.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return []
    if value is True:
        return [flag]
    if isinstance(value, list | tuple):
        return [part for each in value for part in (flag, str(each))]
    return [flag, str(value)]

"""Run alone, as a child process: loads a tokenizer and encodes a few texts with it, under limits of time and memory.

Imports nothing but the standard library and tokenizers (transformers only for a folder without tokenizer.json), so
that it starts in a few hundredths of a second. What is raised is no news here: the parent meets it again and says it
well. What counts is whether this process lives to its end.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from typing import Any


def main() -> None:
    order = json.load(sys.stdin)
    sys.path[:] = order["search_path"]
    for limit, value in (
        (resource.RLIMIT_CPU, order["seconds"]),
        (resource.RLIMIT_AS, order["bytes"]),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # above what this user may have: then that holds
            resource.setrlimit(limit, (value, value))
    with contextlib.suppress(Exception):
        _use(_load(order["path"]), order["texts"])


def _load(path: str) -> Any:
    if path.endswith(".json"):
        from tokenizers import Tokenizer

        return Tokenizer.from_file(path)
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(
        path, local_files_only=True, trust_remote_code=False
    ).backend_tokenizer


def _use(tokenizer: Any, texts: list[str]) -> None:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    for text in texts:
        with contextlib.suppress(Exception):
            tokenizer.post_process(tokenizer.encode_batch_fast([text], add_special_tokens=False)[0])


if __name__ == "__main__":
    main()

"""The notebook of the tutorial, made from its page: text as it is, commands and Python as cells that run."""

from __future__ import annotations

import json
import re
from typing import Any

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def from_page(page: str) -> str:
    """A page as a notebook (nbformat 4.5) without outputs.

    Python blocks and blocks of commands become cells of code; every other block, which shows what is printed, stays
    text. Commands are given to a shell that ends at the first failure, and the notebook with it.

    >>> made = json.loads(from_page("# One\\n\\n```\\ncontrapose methods\\n```\\n\\nTwo.\\n"))
    >>> [(cell["cell_type"], "".join(cell["source"])) for cell in made["cells"]]
    [('markdown', '# One'), ('code', '%%sh -e\\ncontrapose methods'), ('markdown', 'Two.')]
    """
    pieces: list[tuple[str, str]] = []
    end = 0
    for block in _BLOCK.finditer(page):
        code = _code(block.group(1), block.group(2))
        if code is not None:
            pieces += [("markdown", page[end : block.start()]), ("code", code)]
            end = block.end()
    pieces.append(("markdown", page[end:]))
    cells = [(kind, text.strip()) for kind, text in pieces if text.strip()]
    notebook = {
        "cells": [_cell(number, kind, text) for number, (kind, text) in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _code(language: str, text: str) -> str | None:
    """What a cell runs, or None for a block that is only shown."""
    if language == "python":
        return text
    return None if language or not text.startswith("contrapose ") else f"%%sh -e\n{text}"


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell | {"source": text.splitlines(keepends=True)}

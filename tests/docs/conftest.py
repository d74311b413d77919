"""The pages, and the commands in them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: What pages tell people to run.
PROGRAMS = {"contrapose", "make", "pip", "python", "torchrun"}


class Block(NamedTuple):
    page: Path
    language: str
    text: str

    @property
    def where(self) -> str:
        return self.page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [Block(page, language, text) for language, text in fenced]


def commands(page: Path) -> list[list[str]]:
    """Every command of the page, as words."""
    return [command for block in commands_of_blocks(blocks(page)) for command in block]


def commands_of_blocks(given: list[Block]) -> list[list[list[str]]]:
    """The commands, as words, of each block that begins with one. Comments left out, lines joined."""
    return [
        [
            shlex.split(line, comments=True)
            for line in map(str.strip, block.text.replace("\\\n", " ").splitlines())
            if line and not line.startswith("#")
        ]
        for block in given
        if not block.language and block.text.split()[0] in PROGRAMS
    ]


def inline_commands(page: Path) -> list[list[str]]:
    """Commands of this package that are named in a sentence."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [shlex.split(" ".join(words.split())) for words in re.findall(r"`(contrapose [a-z][^`]*)`", text)]

"""Markdown: headings, paragraphs and items of lists; code, tables and raw HTML are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from contrapose.documents.blocks import Block, document_of
from contrapose.documents.document import Document

#: Metadata between two lines of dashes at the very start, as site generators have it.
_FRONT_MATTER = re.compile(r"\A---\n(.*?\n)---\n", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE)


def read_markdown(path: Path) -> Iterator[Document]:
    """One document: the first heading is its title, unless its front matter names one."""
    text = path.read_text(encoding="utf-8-sig")
    title = ""
    if front := _FRONT_MATTER.match(text):
        named = _TITLE.search(front.group(1))
        title = named.group(1) if named else ""
        text = text[front.end() :]
    yield document_of(markdown_blocks(text), str(path), title)


def markdown_blocks(text: str) -> list[Block]:
    """Headings and paragraphs in order.

    >>> markdown_blocks("# A *title*\\n\\nSee [the page](x.md) and `code`.\\n\\n```\\nx = 1\\n```\\n- one item\\n")
    [(1, 'A title'), (0, 'See the page and code.'), (0, 'one item')]
    """
    from markdown_it import MarkdownIt

    blocks: list[Block] = []
    level = 0
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "heading_open":
            level = int(token.tag[1])
        elif token.type == "heading_close":
            level = 0
        elif token.type == "inline" and not token.content.lstrip().startswith("|"):  # a table is no prose
            words = "".join(
                " " if child.type in ("softbreak", "hardbreak") else child.content
                for child in token.children or ()
                if child.type in ("text", "code_inline", "softbreak", "hardbreak")
            )
            blocks.append((level, words))
    return blocks

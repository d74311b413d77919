"""HTML pages: the title, headings, paragraphs and items of lists; no menus, scripts, code or tables."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from contrapose.documents.blocks import Block, document_of
from contrapose.documents.document import Document

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
#: What ends a block of words.
_BLOCKS = frozenset(
    ["p", "li", "dd", "dt", "blockquote", "div", "section", "article", "main", "ul", "ol", "br", "hr"]
)
#: Whose content is not prose.
_LEFT_OUT = frozenset(
    ["script", "style", "nav", "footer", "aside", "form", "table", "pre", "svg", "template"]
)


def read_html(path: Path) -> Iterator[Document]:
    """One document. Its title is the first main heading where there is one, since <title> often names the site too."""
    blocks, title = html_blocks(path.read_text(encoding="utf-8-sig", errors="replace"))
    main = next((number for number, (level, _) in enumerate(blocks) if level == 1), None)
    if main is not None:
        title = blocks.pop(main)[1]
    yield document_of(blocks, str(path), title)


def html_blocks(text: str) -> tuple[list[Block], str]:
    """Headings and paragraphs in order, and the text of <title>.

    >>> html_blocks("<title>T</title><nav>menu</nav><h2>A</h2><p>b <b>c</b> &amp; d<p>e<script>x</script>")
    ([(2, 'A'), (0, 'b c & d'), (0, 'e')], 'T')
    """
    page = _Page()
    page.feed(text)
    page.close()
    page.end_block()
    return page.blocks, page.title


class _Page(HTMLParser):
    """Collects blocks. An element that is never closed ends where an enclosing one does."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self.title = ""
        self._level = 0
        self._words: list[str] = []
        self._in_title = False
        self._left_out: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _LEFT_OUT:
            self._left_out.append(tag)
        elif tag == "title":
            self._in_title = True
        elif tag in _HEADINGS:
            self.end_block()
            self._level = _HEADINGS[tag]
        elif tag in _BLOCKS:
            self.end_block()

    def handle_endtag(self, tag: str) -> None:
        if tag in self._left_out:
            del self._left_out[self._left_out.index(tag) :]
        elif tag == "title":
            self._in_title = False
        elif tag in _HEADINGS or tag in _BLOCKS:
            self.end_block()

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif not self._left_out:
            self._words.append(data)

    def end_block(self) -> None:
        words = " ".join("".join(self._words).split())
        if words:
            self.blocks.append((self._level, words))
        self._words, self._level = [], 0

"""From a stream of headings and paragraphs to sections; every reader of marked-up text ends here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from contrapose.data.text import normalise
from contrapose.documents.document import Document, Section

#: A heading's level from 1, or 0 for a paragraph; and the text.
Block = tuple[int, str]


def document_of(blocks: Iterable[Block], source: str, title: str = "") -> Document:
    """A document of blocks in order. Without a ``title`` the first heading is it, where nothing stands before it.

    >>> document_of([(1, "Trains"), (0, "They run."), (2, "Night trains"), (0, "They sleep.")], "a.md")
    Document(title='Trains', sections=(Section(heading='', paragraphs=('They run.',)), Section(heading='Night trains', \
paragraphs=('They sleep.',))), source='a.md', asks='')
    """
    sections: list[tuple[str, list[str]]] = [("", [])]
    for level, text in blocks:
        text = normalise(text)
        if not text:
            continue
        if not level:
            sections[-1][1].append(text)
        elif not title and sections == [("", [])]:
            title = text
        else:
            sections.append((text, []))
    kept = tuple(Section(heading, tuple(paragraphs)) for heading, paragraphs in sections if paragraphs)
    return Document(normalise(title), kept, source)


def paragraphs_of(text: str) -> list[str]:
    """Plain text cut at blank lines; a word that a line end parts is joined again.

    >>> paragraphs_of("A para-\\ngraph\\nof lines.\\n\\n\\nAnother.")
    ['A paragraph of lines.', 'Another.']
    """
    joined: list[str] = []
    for lines in _runs(text.splitlines()):
        whole = ""
        for line in lines:
            if whole.endswith("-") and whole[-2:-1].isalpha() and line[:1].islower():
                whole = whole[:-1] + line
            else:
                whole = f"{whole} {line}" if whole else line
        joined.append(normalise(whole))
    return [paragraph for paragraph in joined if paragraph]


def _runs(lines: Sequence[str]) -> list[list[str]]:
    """Runs of lines that are not blank."""
    runs: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            runs[-1].append(line.strip())
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]

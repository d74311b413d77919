"""A docstring as prose: its first line, the rest of its description, and both cut into sentences.

Docstrings mix prose with things that are no prose: examples at the prompt, code blocks, signatures, underlined
headings, lists of parameters. Those are removed line by line; what is left are paragraphs.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import NamedTuple

from contrapose.data.text import normalise


class Described(NamedTuple):
    """What a docstring says: the first sentence of its first paragraph, and the sentences after it."""

    first_line: str
    rest: tuple[str, ...]


#: Headings whose indented (or, underlined, whole) section lists names instead of describing.
_LISTING = (
    "arguments args parameters params keyword arguments keyword args other parameters returns return yields raises "
    "attributes attrs members methods functions classes exceptions variables constants exports options example "
    "examples synopsis see also references author authors copyright version history"
)
_LISTING_HEADINGS = frozenset(
    {"keyword arguments", "keyword args", "other parameters", "see also"} | set(_LISTING.split())
)
_PROMPT = re.compile(r"\s*(>>>|\.\.\. |\.\.\.$|In \[\d+\]:|\$ )")
_UNDERLINE = re.compile(r"\s*([-=~^\"'`#*+_.:])\1{2,}\s*")
_FIELD = re.compile(r"\s*(:[a-z][\w ,*.]*:|@[a-z]+\b)")
_DIRECTIVE = re.compile(r"\s*\.\. ?[\w-]*")
_BULLET = re.compile(r"\s*([-*+o•]|\(?\d{1,2}[.)])\s+(?=\S)")
_SIGNATURE = re.compile(r"\s*[\w.]+\([^()]*(\([^()]*\)[^()]*)*\)\s*(->\s*[^.]*|:|=\s*\S+)?\s*")
_LEADING_SIGNATURE = re.compile(
    r"[\w.]+\([^()]*(\([^()]*\)[^()]*)*\)\s*(->\s*[\w\[\], |.]+?)?\s*(--?|:|—)\s+(?=\w)"
)
_DEFINITION = re.compile(r"\s*[*\w.,`\[\]'\" /-]{1,40}\s*(:|--|=>|->)\s")
_ROLE = re.compile(r":(?:[a-z]+:)*[a-z]+:`~?([^`<]*?)(?:\s*<[^>]*>)?`")
_MARKS = re.compile(r"``?([^`]*)``?|`([^`']*)'")

#: A full stop after one of these ends no sentence.
_ABBREVIATIONS = frozenset(
    [
        "e.g",
        "i.e",
        "eg",
        "ie",
        "cf",
        "vs",
        "viz",
        "resp",
        "approx",
        "no",
        "nos",
        "fig",
        "sec",
        "ch",
        "vol",
        "pp",
        "p",
        "ed",
        "al",
        "dr",
        "mr",
        "mrs",
        "ms",
        "st",
        "jr",
        "incl",
        "esp",
        "ca",
    ]
)
_BOUNDARY = re.compile(r"(?<=[.!?])([\"')\]]*)\s+(?=[\"'(\[`]*[A-Z0-9])")


def describe(docstring: str) -> Described:
    """The first line and the remaining sentences of a docstring; both may be empty.

    >>> describe('''Sort the list in place, stably.
    ...
    ... Equal items keep their order. See also sorted().
    ...
    ... >>> sort([2, 1])
    ... ''')
    Described(first_line='Sort the list in place, stably.',
              rest=('Equal items keep their order.', 'See also sorted().'))
    """
    cut = [sentence for paragraph in paragraphs(docstring) for sentence in sentences(paragraph)]
    return Described(cut[0], tuple(cut[1:])) if cut else Described("", ())


def paragraphs(docstring: str) -> list[str]:
    """The prose of a docstring, one normalised string per paragraph; a list item is a paragraph of its own.

    >>> paragraphs("Parse a date.\\n\\nArgs:\\n    text: what to parse\\n\\nUnknown\\nformats raise ValueError.")
    ['Parse a date.', 'Unknown formats raise ValueError.']
    """
    lines = inspect.cleandoc(docstring).splitlines()
    paragraphs: list[str] = []
    open_paragraph: list[str] = []
    for line in [*_prose_lines(lines), ""]:
        item = _BULLET.match(line)
        if (not line.strip() or item) and open_paragraph:
            paragraphs.append(_plain(" ".join(open_paragraph)))
            open_paragraph = []
        if line.strip():
            open_paragraph.append(line[item.end() :] if item else line)
    return [paragraph for paragraph in paragraphs if any(letter.isalpha() for letter in paragraph)]


def sentences(paragraph: str) -> list[str]:
    """Cut a paragraph after ``.``, ``!`` or ``?`` where a capital, digit, quote or bracket follows.

    No cut after an abbreviation, an initial, or inside brackets that are still open.

    >>> sentences("Return it, e.g. None. See RFC 3339. Raises ValueError (if empty. Really).")
    ['Return it, e.g. None.', 'See RFC 3339.', 'Raises ValueError (if empty. Really).']
    """
    cut: list[str] = []
    start = 0
    for boundary in _BOUNDARY.finditer(paragraph):
        end = boundary.end(1)
        candidate = paragraph[start:end]
        if _ends_in_abbreviation(candidate) or candidate.count("(") > candidate.count(")"):
            continue
        cut.append(candidate.strip())
        start = boundary.end()
    cut.append(paragraph[start:].strip())
    return [sentence for sentence in cut if sentence]


def _ends_in_abbreviation(text: str) -> bool:
    if not text.endswith(".") or text.endswith("..."):
        return text.endswith("...")
    word = text[:-1].rsplit(None, 1)[-1:] or [""]
    last = word[0].lstrip("([\"'").lower()
    return last in _ABBREVIATIONS or (len(last) == 1 and last.isalpha() and last not in "aix")


def _prose_lines(lines: list[str]) -> Iterator[str]:
    """The lines that are prose; a removed block leaves an empty line, so that what it parted stays apart."""
    position = 0
    while position < len(lines):
        line = lines[position]
        following = lines[position + 1] if position + 1 < len(lines) else ""
        underlined = bool(line.strip()) and _UNDERLINE.fullmatch(following) is not None
        heading = line.strip().rstrip(":").lower()
        if _PROMPT.match(line):
            position = _past_paragraph(lines, position)
        elif underlined and heading in _LISTING_HEADINGS:
            position = _past_section(lines, position + 2)
        elif underlined:
            position += 2
        elif (
            (heading in _LISTING_HEADINGS and (line.rstrip().endswith(":") or following[:1].isspace()))
            or _FIELD.match(line)
            or _DIRECTIVE.fullmatch(line.split("::")[0])
        ):
            position = _past_deeper(lines, position + 1, _indent(line))
        elif line.rstrip().endswith("::"):
            yield line.rstrip()[:-2].rstrip() + "."
            position = _past_deeper(lines, position + 1, _indent(line))
        elif _UNDERLINE.fullmatch(line) or _SIGNATURE.fullmatch(line) or _is_code(lines, position):
            position += 1
        else:
            yield line
            position += 1
            continue
        yield ""


def _is_code(lines: list[str], position: int) -> bool:
    """Whether an indented line is code or a table rather than the continuation of a sentence."""
    line = lines[position]
    if not _indent(line):
        return False
    text = line.strip()
    symbols = sum(letter in "=()[]{}<>|\\/_+*%$#@;\"'" for letter in text)
    return (
        symbols * 6 > len(text)
        or bool(_DEFINITION.match(line))
        or "   " in text
        or text.endswith((":", "\\", "{"))
    )


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _past_paragraph(lines: list[str], position: int) -> int:
    while position < len(lines) and lines[position].strip():
        position += 1
    return position


def _past_deeper(lines: list[str], position: int, indent: int) -> int:
    """The first line after ``position`` that is neither empty nor indented deeper than ``indent``."""
    while position < len(lines) and (not lines[position].strip() or _indent(lines[position]) > indent):
        position += 1
    return position


def _past_section(lines: list[str], position: int) -> int:
    """The next underlined heading, or the end."""
    while position < len(lines):
        following = lines[position + 1] if position + 1 < len(lines) else ""
        if lines[position].strip() and _UNDERLINE.fullmatch(following):
            return position
        position += 1
    return position


def _plain(paragraph: str) -> str:
    """A paragraph without mark-up, normalised; a signature in front of a dash or colon is left out."""
    text = _ROLE.sub(r"\1", paragraph)
    text = _MARKS.sub(lambda mark: mark[1] if mark[1] is not None else mark[2], text)
    text = normalise(text)
    return _LEADING_SIGNATURE.sub("", text, count=1) if _LEADING_SIGNATURE.match(text) else text

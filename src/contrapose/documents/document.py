"""What every reader of this package makes of a file: documents of titled sections, and exchanges."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """Paragraphs under a heading; what stands before the first heading has the heading ''."""

    heading: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """One text with its title ('' where it has none), and where it came from.

    asks: what this text answers: the mail it replies to, the question of an answer; '' where it answers nothing.
    """

    title: str
    sections: tuple[Section, ...]
    source: str
    asks: str = ""

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """Of all sections, in order."""
        return tuple(paragraph for section in self.sections for paragraph in section.paragraphs)

"""name -> TextPart: what ``--views`` takes. A file in this package that declares ``TEXT_PART`` has added one.

An installed package offers one through the entry point group ``contrapose.text_parts``, and a method's record may name
a class of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType

from contrapose import text
from contrapose.contract import TextPart
from contrapose.contract.discovery import by_name, declared
from contrapose.errors import UsageError, nearest

logger = logging.getLogger(__name__)

#: The entry points that packages offer text parts by.
GROUP = "contrapose.text_parts"
#: Views chosen by the method, and where it has no wish, by the columns of the data.
AUTO = "auto"


@cache
def all_text_parts() -> Mapping[str, type[TextPart]]:
    """Every text part by name, in alphabetical order.

    >>> {"crop", "dropout", "pairs"} <= set(all_text_parts())
    True
    """
    parts = by_name(declared(text, "TEXT_PART"), "text parts")
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        try:
            part = entry.load()
            if not (isinstance(part, type) and issubclass(part, TextPart)):
                raise UsageError(f"{entry.value} is no TextPart but a {type(part).__name__}")
            if part.name in parts:
                raise UsageError(f"there is a text part '{part.name}' already; its author must rename one")
        except KeyboardInterrupt:
            raise
        except (
            BaseException
        ) as error:  # a package may do anything as it is imported, and breaks nothing but itself
            logger.warning("the text part '%s' is left out: %s: %s", entry.name, type(error).__name__, error)
        else:
            parts[part.name] = part
    return MappingProxyType(dict(sorted(parts.items())))


def text_parts_named(views: str, own: Sequence[str | type[TextPart]] = ()) -> tuple[type[TextPart], ...]:
    """The text parts of ``--views``: one, or several with commas between them, whose views are put together.

    own: those of the method's record. They are what ``auto`` means, and classes among them are known by name.
    Empty for ``auto`` where the method names none. Raises UsageError for an unknown name.

    >>> [part.name for part in text_parts_named("crop")]
    ['crop']
    >>> text_parts_named("crops")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    contrapose.errors.UsageError: --views: there is no 'crops'. Did you mean 'crop'? Known: auto, ...
    """
    known = {**all_text_parts(), **{part.name: part for part in own if not isinstance(part, str)}}
    names = [part if isinstance(part, str) else part.name for part in own]
    if views != AUTO:
        names = [name.strip() for name in views.split(",")]
    for name in names:
        if name not in known:
            raise UsageError(
                f"--views: there is no '{name}'{nearest(name, list(known))} Known: {', '.join([AUTO, *known])}"
            )
    return tuple(known[name] for name in names)


def text_parts_for(
    views: str, columns: Sequence[str], own: Sequence[str | type[TextPart]] = ()
) -> tuple[type[TextPart], ...]:
    """The text parts for data of these columns; where none gives anchors, pairs of columns, or one text twice.

    Raises UsageError for views that the columns cannot give.

    >>> [part.name for part in text_parts_for("auto", ("anchor", "positive"))]
    ['pairs']
    >>> [part.name for part in text_parts_for("retrieved", ("text",))]
    ['dropout', 'retrieved']
    """
    chosen = text_parts_named(views, own)
    if not any("anchor" in part.gives for part in chosen):
        chosen = (all_text_parts()["pairs" if len(columns) > 1 else "dropout"], *chosen)
    for part in chosen:
        if len(columns) < part.fewest_columns:
            raise UsageError(
                f"--views {part.name} needs at least {part.fewest_columns} text columns (anchor, positive), and there "
                f"is {', '.join(columns)}: name them with --columns"
            )
        if part.most_columns is not None and len(columns) > part.most_columns:
            raise UsageError(
                f"--views {part.name} takes {_counted(part.most_columns)}, and there are {', '.join(columns)}: choose "
                "with --columns, or use --views pairs"
            )
    return chosen


def advice_for(views: str) -> str:
    """What to try next where training on these views was of no use; of a plugin's that is gone, the general advice."""
    first = views.partition(",")[0]
    return all_text_parts().get(first, TextPart).advice


def _counted(columns: int) -> str:
    return "one text column" if columns == 1 else f"{columns} text columns"

"""Python's search for unreachable cycles of objects, made rare for a program that ends soon.

Every 700 new objects it looks through the young ones. Importing a model's code makes half a million objects that stay:
on such a start-up the searches take longer than the imports.
"""

from __future__ import annotations

import gc

#: New objects between two searches. So many small objects take a megabyte or two, should all of them be garbage.
BETWEEN_SEARCHES = 10_000


def search_rarely() -> None:
    """For a whole process, from its first line on: fewer searches for cycles."""
    _, second, third = gc.get_threshold()
    gc.set_threshold(BETWEEN_SEARCHES, second, third)

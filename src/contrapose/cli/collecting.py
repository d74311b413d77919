"""Python's search for unreachable cycles of objects, made rare for a program that ends soon.

Every 700 new objects it looks through the young ones, and at the end it looks through all, several times. Importing a
model's code makes half a million objects that stay: on such a start-up the searches take longer than the imports.
"""

from __future__ import annotations

import atexit
import gc

#: New objects between two searches. So many small objects take a megabyte or two, should all of them be garbage.
BETWEEN_SEARCHES = 10_000


def search_rarely() -> None:
    """For a whole process, from its first line on: fewer searches for cycles, and none when it ends.

    What the program must do at its end is done by ``atexit`` and ``finally``, never by an object's end in a cycle.
    """
    _, second, third = gc.get_threshold()
    gc.set_threshold(BETWEEN_SEARCHES, second, third)
    atexit.register(
        gc.freeze
    )  # what is frozen is searched no more; the operating system takes it back as a whole

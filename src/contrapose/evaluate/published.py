"""How many rows stand behind published numbers, so that a copy of the data that lost some is named.

Counted in the files that SentEval's download script leaves; tasks without a split of their own have the part "all".
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

logger = logging.getLogger(__name__)

_USES = {"train": "learn from", "dev": "choose by", "test": "test on"}
#: Task -> part -> scored pairs, or labelled texts.
PUBLISHED_ROWS: dict[str, dict[str, int]] = {
    "STS12": {"test": 3108},
    "STS13": {"test": 1500},
    "STS14": {"test": 3750},
    "STS15": {"test": 3000},
    "STS16": {"test": 1186},
    "STS-B": {"test": 1379},
    "SICK-R": {"test": 4927},
    "MR": {"all": 10662},
    "CR": {"all": 3775},
    "SUBJ": {"all": 10000},
    "MPQA": {"all": 10606},
    "SST2": {"train": 67349, "dev": 872, "test": 1821},
    "TREC": {"train": 5452, "test": 500},
    "MRPC": {"train": 4076, "test": 1725},
}
#: Genuine copies differ by an empty line or a row that somebody repaired: up to one in a thousand is noted where the
#: number is explained, and warned of only above.
ROWS_PER_REPAIR = 1_000


def other_rows_than_published(
    task: str, rows_here: Mapping[str, int], what: str, *, exact: bool
) -> dict[str, object]:
    """``{"published_rows": ...}`` where ``found`` (part -> rows) differs from what is published, else {}.

    exact: warn of any difference, and not only of one that no genuine copy has.

    >>> other_rows_than_published("TREC", {"train": 5452, "test": 500}, "rows", exact=False)
    {}
    >>> other_rows_than_published("MR", {"all": 10661}, "rows", exact=False)
    {'published_rows': 10662}
    """
    published = PUBLISHED_ROWS.get(task, {})
    other = {
        part: published[part]
        for part in rows_here
        if part in published and published[part] != rows_here[part]
    }
    for part, rows in other.items():
        if exact or abs(rows_here[part] - rows) > max(1, rows // ROWS_PER_REPAIR):
            of_part = "" if len(published) == 1 else f" to {_USES[part]}"
            logger.warning(
                "%s has %s %s%s here, %s behind published numbers: do not compare the two",
                task, f"{rows_here[part]:,}", what, of_part, f"{rows:,}",
            )  # fmt: skip
    if not other:
        return {}
    return {"published_rows": other if len(published) > 1 else next(iter(other.values()))}

"""What can be added to a method, as plain data: parts and protocols by ``--with``, text parts by ``--views``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contrapose.errors import UsageError, nearest
from contrapose.objectives.catalogue import all_parts, all_records
from contrapose.objectives.exclusions import excluded_by
from contrapose.objectives.hyperparameters import hyperparameters_of
from contrapose.objectives.protocol_of_run import all_protocols
from contrapose.text.catalogue import all_text_parts


def describe_parts(*names: str) -> list[dict[str, Any]]:
    """Every part, text part and protocol, or those that are named: what each does, takes and does not go with.

    ``gives``: the views that a text part makes; of the others none.

    Raises UsageError for an unknown name.

    >>> [(each["role"], each["option"], each["gives"]) for each in describe_parts("crop")]
    [('text part', '--views', ['anchor', 'positive'])]
    >>> [(each["role"], each["option"]) for each in describe_parts("queue")]
    [('negative source', '--with')]
    """
    catalogues: dict[tuple[str, str], Mapping[str, Any]] = {
        ("", "--with"): all_parts(),
        ("text part", "--views"): all_text_parts(),
        ("protocol", "--with"): all_protocols(),
    }
    known = [name for catalogue in catalogues.values() for name in catalogue]
    for name in names:
        if name not in known:
            raise UsageError(f"unknown part '{name}'{nearest(name, known)} Known: {', '.join(known)}")
    return [
        {
            "name": each.name,
            "role": role or each.role(),
            "option": option,
            "gives": list(getattr(each, "gives", ())),
            "idea": each.idea,
            "hyperparameters": hyperparameters_of(each)().model_dump(),
            "descriptions": {
                field: about.description
                for field, about in hyperparameters_of(each).model_fields.items()
                if about.description
            },
            "excludes": dict(excluded_by((each,), all_records())),
        }
        for (role, option), catalogue in catalogues.items()
        for each in catalogue.values()
        if not names or each.name in names
    ]

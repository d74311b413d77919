"""What does not go together: a method, a part, a text part or a protocol names what it excludes, and why.

Either side may say it: ``excludes`` of a record maps the name of the other to one sentence. It is looked at when the
configuration is read, before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from contrapose.contract import Method, Part, TextPart, TrainingProtocol
from contrapose.errors import UsageError

#: What may exclude, and be excluded: anything with a name. A part that is made may exclude more than its class.
Record = Method | Part | type[Part] | type[TextPart] | type[TrainingProtocol]


@dataclass(frozen=True)
class Exclusion:
    """Two records that do not go together; ``reason`` is one sentence."""

    one: Record
    other: Record
    reason: str

    def __str__(self) -> str:
        return f"{_in_words(self.one)} does not go with {_in_words(self.other)}. {self.reason}"


def exclusion_among(records: Sequence[Record]) -> Exclusion | None:
    """The first two that do not go together, since one says so, or both give one view; None where all do.

    >>> class Loud(Part):
    ...     name, idea = "loud", "Loud."
    ...     excludes = {"quiet": "One voice cannot be both."}
    >>> class Quiet(Part):
    ...     name, idea = "quiet", "Quiet."
    >>> print(exclusion_among([Quiet, Loud]))
    the part 'loud' does not go with the part 'quiet'. One voice cannot be both.
    """
    for pair in combinations(records, 2):
        for one, other in (pair, pair[::-1]):
            if other.name in one.excludes:
                return Exclusion(one, other, one.excludes[other.name])
        if both := _views_of(pair[0]) & _views_of(pair[1]):
            reason = (
                f"Each of the two gives the view '{min(both)}', so that one would undo what the other gave."
            )
            return Exclusion(*pair, reason)
    return None


def refuse_exclusions(records: Sequence[Record], where: str) -> None:
    """Raise UsageError for the first two that do not go together, with both names and the reason."""
    if (refused := exclusion_among(records)) is not None:
        raise UsageError(f"{where}: {refused}")


def excluded_by(records: Sequence[Record], others: Sequence[Record]) -> Mapping[str, str]:
    """Name -> reason: everything that one of ``records`` does not go with, whichever side says so."""
    reasons = {name: reason for record in records for name, reason in record.excludes.items()}
    own = {record.name for record in records}
    for other in others:
        for name in sorted(own & set(other.excludes)):
            reasons.setdefault(other.name, other.excludes[name])
    return {name: reason for name, reason in sorted(reasons.items()) if name not in own}


def _views_of(record: Record) -> frozenset[str]:
    return frozenset(record.gives if isinstance(record, type) and issubclass(record, TextPart) else ())


def _in_words(record: Record) -> str:
    if isinstance(record, Method):
        return f"the method '{record.name}'"
    if isinstance(record, Part) or issubclass(record, Part):
        return f"the part '{record.name}'"
    kind = "views" if issubclass(record, TextPart) else "training protocol"
    return f"the {kind} '{record.name}'"

"""What became of every row that was read into a corpus, in numbers and in lines for people."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class CorpusStatistics:
    """What became of every row: ``read`` is the sum of all the others.

    Blank rows count as too short. ``unlabelled``: rows with texts and a blank label, where a column of labels is named.
    ``seconds`` is the time of the build; statistics are equal whatever it was.
    """

    read: int
    kept: int
    duplicates: int
    too_short: int
    too_long: int
    quarantined: int
    unlabelled: int = 0
    by_reason: dict[str, int] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    def lines(self) -> list[str]:
        """The statistics as lines for people; empty entries are left out.

        >>> CorpusStatistics(read=3, kept=1, duplicates=0, too_short=0, too_long=0, quarantined=2,
        ...         by_reason={"invalid UTF-8": 2}, examples=("a.txt line 2: invalid UTF-8",)).lines()
        ['rows read    3', 'kept         1', 'quarantined  2', '  invalid UTF-8: 2', '  a.txt line 2: invalid UTF-8']
        """
        counts = {
            "duplicates": self.duplicates,
            "unlabelled": self.unlabelled,
            "too short": self.too_short,
            "too long": self.too_long,
            "quarantined": self.quarantined,
        }
        shown = {"rows read": self.read, "kept": self.kept} | {
            name: count for name, count in counts.items() if count
        }
        width = len(f"{self.read:,}")
        lines = [f"{name:<12} {count:>{width},}" for name, count in shown.items()]
        lines += [f"  {reason}: {count:,}" for reason, count in self.by_reason.items()]
        return [*lines, *(f"  {example}" for example in self.examples), *self.notices]

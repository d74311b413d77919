"""Folders of ``contrapose adapt``: what was tried, what held-out text said of it, and what was handed out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrapose.data.text import printable
from contrapose.errors import CorruptFile, UsageError
from contrapose.foreign import finite_number, read_json_object

#: The mark of such a folder.
ADAPTATION = "adaptation.json"


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A change from the start, with the interval that holds for all models of the folder at once."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One model that was looked at. changes: question -> what it changed; kept: general neighbours that stayed."""

    name: str
    taken: bool
    kept: float
    changes: Mapping[str, Moved]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question to held-out text. measure: what before and after are; tested: what the change is of. after and change
    are None where the start was handed out untrained."""

    name: str
    measure: str
    tested: str
    rows: int
    before: float
    after: float | None
    hybrid_before: float | None
    hybrid_after: float | None
    change: Moved | None


@dataclass(frozen=True, kw_only=True)
class AdaptationFolder:
    """A finished adaptation."""

    name: str
    folder: str
    word: str
    sentence: str
    start_model: str
    kinds: tuple[tuple[str, int], ...]
    seconds: float
    minutes: float
    questions: tuple[Asked, ...]
    tried: tuple[Tried, ...]
    left_out: tuple[str, ...]
    notices: tuple[str, ...]

    @property
    def tested(self) -> tuple[str, ...]:
        """What changes are of, where that is not what is shown."""
        return tuple(dict.fromkeys(each.tested for each in self.questions if each.tested != each.measure))

    @property
    def better(self) -> bool:
        return self.word == "better"


def is_adaptation(folder: Path) -> bool:
    """Whether ``contrapose adapt`` wrote the folder."""
    return (folder / ADAPTATION).is_file()


def open_adaptation(folder: Path) -> AdaptationFolder:
    """Read ``adaptation.json``. Raises :class:`UsageError` where it is not finished, :class:`CorruptFile` where it is
    damaged."""
    path = folder / ADAPTATION
    try:
        outcome = read_json_object(path).get("outcome")
    except (OSError, ValueError) as error:
        raise CorruptFile(f"{printable(path, 300)} cannot be read: {error}") from None
    if outcome is None:
        shown = printable(folder, 300)
        raise UsageError(f"{shown} is not finished: continue it with contrapose adapt --out {shown} --resume")
    try:
        return _folder(folder, outcome)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptFile(
            f"{printable(path, 300)} is damaged ({type(error).__name__}: {error}): adapt again into another folder"
        ) from None


def _folder(folder: Path, outcome: Mapping[str, Any]) -> AdaptationFolder:
    taken = outcome["taken"]
    return AdaptationFolder(
        name=folder.resolve().name,
        folder=str(folder),
        word=str(outcome["word"]),
        sentence=str(outcome["sentence"]),
        start_model=str(outcome["model"]),
        kinds=tuple((str(kind), int(facts["rows"])) for kind, facts in outcome["kinds"].items()),
        seconds=_number(outcome["seconds"]),
        minutes=_number(outcome["minutes"]),
        questions=tuple(_asked(name, facts) for name, facts in outcome["questions"].items()),
        tried=tuple(
            Tried(
                name=_name_of(option),
                taken=taken is not None and _name_of(option) == _name_of(taken),
                kept=_number(option["kept"]),
                changes={str(key): _moved(change) for key, change in option["changes"].items()},
            )
            for option in outcome["options"]
        ),
        left_out=tuple(f"{name}: {why}" for name, why in outcome["left_out"].items()),
        notices=tuple(map(str, outcome["notices"])),
    )


def _asked(name: str, facts: Mapping[str, Any]) -> Asked:
    sides = {
        side: None if facts[side] is None else _number(facts[side])
        for side in ("after", "hybrid_before", "hybrid_after")
    }
    return Asked(
        name=str(name),
        measure=str(facts["measure"]),
        tested=str(
            facts.get("tested", facts["measure"])
        ),  # folders of an earlier version tested what they showed
        rows=int(facts["rows"]),
        before=_number(facts["before"]),
        change=None if facts["difference"] is None else _moved(facts),
        **sides,
    )


def _moved(facts: Mapping[str, Any]) -> Moved:
    return Moved(**{name: _number(facts[name]) for name in ("difference", "low", "high")})


def _number(value: Any) -> float:
    if (number := finite_number(value)) is None:
        raise ValueError(f"{value!r:.40} is no number")
    return number


#: Share of what was trained -> what it is called.
SHARES = {0.5: "half", 0.75: "three quarters", 1.0: "whole"}


def _name_of(option: Mapping[str, Any]) -> str:
    """What a model is called; the kind of text is said only where a signal was learned from two kinds.

    >>> _name_of({"signals": ["words", "ranking-pairs", "pairs-pairs"], "share": 0.5, "power": 1.0})
    'words 1 + ranking + pairs, half'
    """
    names = [str(name) for name in option["signals"]]
    short = [name.split("-")[0] for name in names]
    shown = [
        f"words {option['power']:g}" if name == "words" else first if short.count(first) == 1 else name
        for name, first in zip(names, short, strict=True)
    ]
    share = "" if names == ["words"] else f", {SHARES.get(option['share'], option['share'])}"
    return " + ".join(shown) + share

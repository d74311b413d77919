"""What a sweep goes over: ``temperature=0.01..0.1,k=2..20,near_mode=similarity|fixed``, checked against the method.

A range of whole numbers stays whole. Learning rate and temperature go over a logarithmic scale where the range spans
more than a factor of ten: between 1e-6 and 1e-4 the middle is 1e-5.
"""

from __future__ import annotations

import itertools
import math
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

import numpy as np

from contrapose.config import parse_value
from contrapose.errors import UsageError, nearest
from contrapose.experiment.checking import OWN
from contrapose.seeds import derive
from contrapose.train.configuration import nested, resolve, section_of
from contrapose.train.settings import SECTIONS

#: Hyperparameters whose ratio says more than their difference, and the span from which on it does.
LOGARITHMIC, SPAN_OF_LOGARITHM = ("learning_rate", "temperature"), 10
#: Digits kept of a drawn number: enough for any setting, and readable.
DIGITS = 5
LARGEST = sys.float_info.max
#: Where hyperparameters of training may be swept.
SWEPT_SECTIONS = ("encoder", "training", "data", "selection")


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One name and its values: a range low..high, or a list of choices. default: what the method takes unless told."""

    name: str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[Any, ...] = ()
    integer: bool = False
    log: bool = False
    default: Any = None

    @property
    def numeric(self) -> bool:
        return not self.choices or all(is_number(choice) for choice in self.choices)

    @property
    def words(self) -> str:
        """
        >>> Factor(name="k", low=2, high=20, integer=True).words
        'k from 2 to 20, whole numbers'
        """
        if self.choices:
            return f"{self.name}: {', '.join(map(str, self.choices))}"
        kind = ", whole numbers" if self.integer else ", on a logarithmic scale" if self.log else ""
        return f"{self.name} from {self.low:g} to {self.high:g}{kind}"

    def grid(self, points: int) -> list[Any]:
        """So many values, evenly spread over the range; of whole numbers at most those there are.

        >>> Factor(name="t", low=1e-6, high=1e-4, log=True).grid(3)
        [1e-06, 1e-05, 0.0001]
        >>> Factor(name="k", low=2, high=4, integer=True).grid(9)
        [2, 3, 4]
        """
        if self.choices:
            return list(self.choices)
        shares = [number / max(1, points - 1) for number in range(points)]
        if self.log:
            values = [self.low * (self.high / self.low) ** share for share in shares]
        else:
            values = [self.low + (self.high - self.low) * share for share in shares]
        return list(dict.fromkeys(self.rounded(value) for value in values))

    def drawn(self, stream: np.random.RandomState) -> Any:
        """A value at random, each choice or each part of the range (of its logarithms) as likely as the next."""
        if self.choices:
            return self.choices[int(stream.uniform(size=len(self.choices)).argmax())]
        if self.integer:
            return self.rounded(
                min(self.high, math.floor(stream.uniform(self.low - 0.5, self.high + 0.5) + 0.5))
            )
        if self.log:
            return self.rounded(math.exp(stream.uniform(math.log(self.low), math.log(self.high))))
        return self.rounded(stream.uniform(self.low, self.high))

    def rounded(self, value: Any) -> Any:
        """As it is used and told: whole, or with DIGITS digits and inside the range."""
        if self.choices:
            return value
        if self.integer:
            return round(value)
        return min(self.high, max(self.low, float(f"{value:.{DIGITS}g}")))


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def parse_over(text: str, method: str, options: Mapping[str, Any] | None = None) -> tuple[Factor, ...]:
    """The factors of ``--over`` for ``method``; ``options`` hold what is fixed.

    Raises :class:`UsageError` for a name that neither the method nor the training has, a range of something that is no
    number, an empty one, or a value that the method refuses.

    >>> [factor.words for factor in parse_over("temperature=0.01..1,margin=0|0.3", "focal-infonce")]
    ['temperature from 0.01 to 1, on a logarithmic scale', 'margin: 0, 0.3']
    """
    factors = [_factor(part.strip(), method, options or {}) for part in text.split(",") if part.strip()]
    if not factors:
        raise UsageError("--over: name at least one range, for example temperature=0.01..0.1")
    names = [factor.name for factor in factors]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise UsageError(f"--over: {name} is named twice")
        if name in (options or {}):
            raise UsageError(f"--over: {name} is fixed by another option; leave one of the two out")
    return tuple(factors)


def grid(factors: Sequence[Factor], points: int) -> list[dict[str, Any]]:
    """All combinations of so many values of each range."""
    names = [factor.name for factor in factors]
    values = itertools.product(*(factor.grid(points) for factor in factors))
    return [dict(zip(names, each, strict=True)) for each in values]


def draws(factors: Sequence[Factor], count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Combinations at random; a longer list begins with a shorter one.

    The stream is numpy's first one, whose numbers never change: a sweep that was begun years ago goes on.
    """
    stream = np.random.RandomState(derive(seed, "sweep") % 2**32)
    return [{factor.name: factor.drawn(stream) for factor in factors} for _ in range(count)]


def defaults_of(factors: Sequence[Factor]) -> dict[str, Any] | None:
    """The point that the method takes unless told; None where a factor has no default number of its own."""
    defaults = {factor.name: factor.default for factor in factors}
    return None if None in defaults.values() else defaults


def _factor(part: str, method: str, options: Mapping[str, Any]) -> Factor:
    name, equals, values = (piece.strip() for piece in part.partition("="))
    if not equals or not values:
        raise UsageError(f"--over takes name=low..high or name=a|b|c, and got '{part}'")
    kind, default = _field(name, method, options)
    if ".." not in values:
        choices = tuple(parse_value(word.strip()) for word in values.split("|"))
        if len(set(map(str, choices))) < max(2, len(choices)):
            raise UsageError(f"--over {name}: a list needs two or more different values, and got '{values}'")
        factor = Factor(name=name, choices=choices, default=default)
        ends: Sequence[Any] = choices
    else:
        low, high = _ends(name, values, kind)
        log = name in LOGARITHMIC and low > 0 and high / low > SPAN_OF_LOGARITHM
        integer = kind is int
        factor = Factor(name=name, low=low, high=high, integer=integer, log=log, default=default)
        ends = (factor.rounded(low), factor.rounded(high))
    for value in ends:
        _check_value(name, value, method, options)
    return factor


def _ends(name: str, values: str, kind: type | None) -> tuple[float, float]:
    if kind not in (int, float):
        raise UsageError(f"--over {name}: it is no number and has no range; give a list: {name}=a|b")
    low, high = (parse_value(word.strip()) for word in values.split("..", 1))
    # Not NaN, not infinite, and no whole number of so many digits that it has no float.
    if not all(is_number(end) and -LARGEST <= end <= LARGEST for end in (low, high)):
        raise UsageError(f"--over {name}: '{values}' is no range of numbers; write low..high")
    if low >= high:
        raise UsageError(f"--over {name}: the range {values} is empty; the lower end comes first")
    if kind is int and (low != int(low) or high != int(high)):
        raise UsageError(f"--over {name}: it takes whole numbers, and got {values}")
    return low, high


def _field(name: str, method: str, options: Mapping[str, Any]) -> tuple[type | None, Any]:
    """The kind of number that ``name`` is, and its default. Hyperparameters go before training options."""
    from contrapose.experiment.checking import parts_of
    from contrapose.objectives.catalogue import recipe

    model = type(recipe(method, parts_of(options)).hyperparameters)
    if name in model.model_fields:
        field = model.model_fields[name]
        return _kind(field.annotation), field.default
    section, key = section_of(name) or ("", "")
    if section not in SWEPT_SECTIONS or name in OWN:
        known = [*model.model_fields, *_training_hyperparameters()]
        raise UsageError(
            f"--over: '{method}' has no '{name}'{nearest(name, known)} Known: {', '.join(model.model_fields)}; and of "
            f"the training {', '.join(_training_hyperparameters())}"
        )
    field = SECTIONS[section].model_fields[key]
    return _kind(field.annotation), field.default


def _training_hyperparameters() -> list[str]:
    return [
        name
        for section in SWEPT_SECTIONS
        for name, field in SECTIONS[section].model_fields.items()
        if _kind(field.annotation) in (int, float) and name not in OWN
    ]


def _kind(annotation: Any) -> type | None:
    """int or float, in a union with None too; None for all else.

    >>> _kind(int | None), _kind(float), _kind(bool), _kind(str)
    (<class 'int'>, <class 'float'>, None, None)
    """
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return _kind(kinds[0]) if len(kinds) == 1 else None
    return annotation if annotation in (int, float) else None


def _check_value(name: str, value: Any, method: str, options: Mapping[str, Any]) -> None:
    from contrapose.objectives.catalogue import recipe

    given = {**options, name: value}
    try:
        settings = resolve(nested({"corpus": ("-",), "out": "-", "method": method, **given}))
        recipe(method, settings.method.parts, settings.method.hyperparameters)
    except UsageError as error:
        raise UsageError(f"--over {name}: {value} is refused: {error}") from None

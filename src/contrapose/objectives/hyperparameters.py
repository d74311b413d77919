"""A paper's hyperparameters, read from the signature of its equation: written once, validated early.

An equation declares ``temperature: Temperature = 0.05`` as a keyword-only argument, and that line is its default, its
type, its range and its documentation; ``contrapose methods`` prints it and ``--set temperature=0.1`` is checked by it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterable, Mapping
from copy import copy
from functools import cache
from typing import Annotated, Any, cast, get_origin, get_type_hints

from pydantic import create_model
from pydantic.fields import FieldInfo

from contrapose.config import Frozen, validate
from contrapose.errors import UsageError


def check_equation(equation: Callable[..., Any]) -> None:
    """Raise UsageError where an equation does not take ``(table, views)``, as those of earlier versions do not."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    taken = [name for name, given in inspect.signature(equation).parameters.items() if given.kind in kinds]
    if len(taken) != 2 or taken[0] == "views":
        raise UsageError(
            f"the equation {equation.__name__} takes ({', '.join(taken)}), and is called with (table, views): write "
            "def equation(table, views, /, *, ...) and use the table it is given in place of in_batch_table(...)"
        )


#: Keyword-only arguments that a part is given and nobody sets: the width of the views, the words an encoder reads, and
#: what turns texts into token ids.
SUPPLIED = frozenset({"width", "max_words", "token_ids"})


def hyperparameters_of(equation: Callable[..., Any]) -> type[Frozen]:
    """A frozen model with one field per keyword-only argument of ``equation``, except what is :data:`SUPPLIED`.

    >>> from contrapose.contract import Temperature
    >>> def equation(table, views, *, temperature: Temperature = 0.05): ...
    >>> hyperparameters_of(equation)().model_dump()
    {'temperature': 0.05}
    """
    return _model_of(cast("Hashable", equation))


@cache
def _model_of(equation: Any) -> type[Frozen]:
    """Made once: a model of pydantic takes longer to make than a loss, and parts are built from it again and again."""
    hints = _annotations(equation)
    keywords = {
        name: parameter
        for name, parameter in inspect.signature(equation).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name not in SUPPLIED
    }
    for name, parameter in keywords.items():
        if name not in hints or parameter.default is inspect.Parameter.empty:
            raise UsageError(
                f"'{name}' of {equation.__name__} needs a type and a default: {name}: float = 0.1"
            )
    fields: dict[str, Any] = {name: (hints[name], parameter.default) for name, parameter in keywords.items()}
    return create_model(f"{equation.__name__}_hyperparameters", __base__=Frozen, **fields)


def combine(equations: Iterable[Callable[..., Any]], defaults: Mapping[str, Any]) -> type[Frozen]:
    """One model with the hyperparameters of all equations and parts; a method's ``defaults`` override theirs.

    A name that two of them take means one value for both where both declare it by one annotation object
    (``Temperature``) with one default. Raises UsageError where they mean two things by it.
    """
    fields: dict[str, Any] = {}
    declared: dict[str, tuple[str, Any]] = {}
    for equation in equations:
        hints = _annotations(equation)
        for name, field in hyperparameters_of(equation).model_fields.items():
            field = copy(field)
            field.default = defaults.get(name, field.default)
            if name in fields:
                _refuse_two_meanings(name, declared[name], (equation.__name__, hints[name]))
                _refuse_two_defaults(name, declared[name][0], fields[name][1], equation.__name__, field)
                continue
            fields[name], declared[name] = (field.annotation, field), (equation.__name__, hints[name])
    if unknown := set(defaults) - set(fields):
        raise UsageError(f"no equation or part takes the default {sorted(unknown)}")
    return create_model("Hyperparameters", __base__=Frozen, **fields)


def _refuse_two_meanings(name: str, one: tuple[str, Any], other: tuple[str, Any]) -> None:
    """A plain ``float`` says nothing of what it means: only an annotation with a description is shared on purpose."""
    if one[1] is not other[1] or get_origin(one[1]) is not Annotated:
        raise UsageError(
            f"'{name}' is a hyperparameter of {one[0]} and of {other[0]}, and --set could not tell them apart: "
            "give one of them another name, or declare both by one annotation, as Temperature of contrapose.contract"
        )


def _refuse_two_defaults(name: str, one: str, first: FieldInfo, other: str, second: FieldInfo) -> None:
    if first.default != second.default:
        raise UsageError(
            f"'{name}' is one hyperparameter of {one} and {other}, and they have two defaults, {first.default!r} and "
            f"{second.default!r}: say which in the method's defaults"
        )


def _annotations(equation: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(equation.__init__ if inspect.isclass(equation) else equation, include_extras=True)


def values_for(model: type[Frozen], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``values`` that ``model`` takes, validated."""
    mine = {name: value for name, value in values.items() if name in model.model_fields}
    return validate(model, mine, where="hyperparameters").model_dump()

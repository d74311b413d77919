"""A paper's numbers, read from the signature of its equation: written once, validated before anything is loaded.

An equation declares ``temperature: Temperature = 0.05`` as a keyword-only argument, and that line is its default, its
type, its range and its documentation; ``contrapose methods`` prints it and ``--set temperature=0.1`` is checked by it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from typing import Annotated, Any, get_type_hints

from pydantic import Field, create_model

from contrapose.config import Frozen, validate
from contrapose.errors import UsageError

Temperature = Annotated[float, Field(gt=0, le=10, description="cosines are divided by it; 1/scale")]


def hyperparameters_of(equation: Callable[..., Any]) -> type[Frozen]:
    """A frozen model with one field per keyword-only argument of ``equation``, except ``width``.

    >>> def equation(views, *, temperature: Temperature = 0.05): ...
    >>> hyperparameters_of(equation)().model_dump()
    {'temperature': 0.05}
    """
    target = equation.__init__ if inspect.isclass(equation) else equation
    hints = get_type_hints(target, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], parameter.default)
        for name, parameter in inspect.signature(target).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name != "width"
    }
    return create_model(f"{equation.__name__}_hyperparameters", __base__=Frozen, **fields)


def combine(models: Iterable[type[Frozen]], defaults: Mapping[str, Any]) -> type[Frozen]:
    """One model with the fields of all; a name that two of them share means one number for both.

    ``defaults`` override those of the equations: a method's record may choose other numbers than its parts do.
    """
    fields: dict[str, Any] = {}
    for model in models:
        for name, field in model.model_fields.items():
            field = copy(field)
            field.default = defaults.get(name, field.default)
            fields.setdefault(name, (field.annotation, field))
    if unknown := set(defaults) - set(fields):
        raise UsageError(f"no equation or part takes the default {sorted(unknown)}")
    return create_model("Hyperparameters", __base__=Frozen, **fields)


def values_for(model: type[Frozen], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``values`` that ``model`` takes, validated."""
    mine = {name: value for name, value in values.items() if name in model.model_fields}
    return validate(model, mine, where="hyperparameters").model_dump()

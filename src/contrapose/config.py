"""Frozen pydantic models <-> TOML; an unknown key is an error with the nearest known key.

Configuration is data: validated once at the edge, never changed afterwards, written into the run as it was resolved.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from contrapose.errors import UsageError, nearest
from contrapose.foreign import cannot_be_read, check_whole_numbers, parse_toml, read_text

#: Characters of a wrong value that are shown.
_SHOWN = 200


class Frozen(BaseModel):
    """Base of every configuration section: immutable, strict about names, finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], values: Mapping[str, Any], *, where: str) -> Model:
    """Build ``model`` from ``values``, or raise one :class:`UsageError` line per wrong value.

    ``where`` tells the user which source holds the mistake: "option --set", "run.toml".
    """
    try:
        settings = model.model_validate(dict(values))
    except ValidationError as error:
        raise UsageError(_in_words(model, error, where)) from None
    try:
        check_whole_numbers(settings.model_dump())
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
    return settings


def _in_words(model: type[BaseModel], error: ValidationError, where: str) -> str:
    lines = []
    for problem in error.errors():
        path = [str(part) for part in problem["loc"]]
        name = ".".join(path)
        if problem["type"] == "extra_forbidden":
            known = list(_section(model, path[:-1]).model_fields)
            lines.append(f"{where}: unknown key '{name}'{nearest(path[-1], known)} Known: {', '.join(known)}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            shown = "" if problem["type"] == "missing" else f" (got {_short(problem['input'])})"
            lines.append(f"{where}: {name}: {message}{shown}" if name else f"{where}: {message}")
    return "\n".join(lines)


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."


def _section(model: type[BaseModel], path: list[str]) -> type[BaseModel]:
    for part in path:
        field = model.model_fields.get(part)
        annotation = field.annotation if field else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return model
        model = annotation
    return model


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; a missing or malformed file is a :class:`UsageError` naming it."""
    try:
        return parse_toml(read_text(path))
    except FileNotFoundError:
        raise UsageError(f"configuration file not found: {path}") from None
    except IsADirectoryError:
        raise UsageError(f"configuration file is a folder: {path}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {cannot_be_read(error)}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: {error}") from None
    except ValueError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None


def to_toml(model: BaseModel) -> str:
    """The resolved configuration as TOML text. None has no TOML form: such keys are left out, meaning their default."""
    import tomli_w

    return tomli_w.dumps(cast("dict[str, Any]", _without_none(model.model_dump(mode="json"))))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value


def parse_value(text: str) -> Any:
    """The value of ``--set key=TEXT``: TOML where it parses (0.1, true, [1, 2]), else the plain word.

    >>> parse_value("0.1"), parse_value("true"), parse_value("queue")
    (0.1, True, 'queue')
    """
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` laid on ``base``, table by table; neither is changed.

    >>> merge({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}})
    {'a': {'x': 1, 'y': 3}}
    """
    merged = dict(base)
    for key, value in over.items():
        both_tables = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both_tables else value
    return merged

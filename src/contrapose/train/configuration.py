"""From options as a user gives them to settings: which section an option belongs to, and what later ones replace.

No torch here: a wrong option is refused before anything heavy is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from contrapose.config import merge, parse_value, read_toml, validate
from contrapose.errors import UsageError, nearest
from contrapose.paths import expanded
from contrapose.train.settings import SECTIONS, RunSettings

_RENAMED = {"method": ("method", "name"), "with": ("method", "parts"), "parts": ("method", "parts")}


def section_of(name: str) -> tuple[str, str] | None:
    """(section, key) of a bare option name; None for a name that no section has.

    >>> section_of("learning_rate"), section_of("method"), section_of("margin")
    (('training', 'learning_rate'), ('method', 'name'), None)
    """
    if name in _RENAMED:
        return _RENAMED[name]
    for section, model in SECTIONS.items():
        if name in model.model_fields and (section, name) != ("method", "name"):
            return section, name
    return None


def nested(options: Mapping[str, Any]) -> dict[str, Any]:
    """Flat options as tables: known names go to their section, every other one is a hyperparameter of the method.

    ``None`` means "not given". Raises UsageError for ``section.key`` with an unknown section.

    >>> nested({"steps": 10, "margin": 0.3, "seed": None, "data.min_words": 3})
    {'training': {'steps': 10}, 'method': {'hyperparameters': {'margin': 0.3}}, 'data': {'min_words': 3}}
    """
    return tables_of(options, _keys_of)


def tables_of(options: Mapping[str, Any], keys_of: Callable[[str], tuple[str, ...]]) -> dict[str, Any]:
    """Flat options as tables, without those that are None. keys_of: option -> the keys under which it stands."""
    tables: dict[str, Any] = {}
    for name, value in options.items():
        if value is None:
            continue
        if name == "out":
            tables["out"] = str(value)
            continue
        *above, key = keys_of(name)
        table = tables
        for each in above:
            table = table.setdefault(each, {})
        table[key] = value
    return tables


def _keys_of(name: str) -> tuple[str, ...]:
    if "." not in name:
        return section_of(name) or ("method", "hyperparameters", name)
    section, key = name.split(".", 1)
    if section not in SECTIONS:
        raise UsageError(f"unknown section '{section}' in '{name}'{nearest(section, list(SECTIONS))}")
    return (section, *key.split("."))


def read_tables(config: str | Path, sections: Iterable[str]) -> dict[str, Any]:
    """The tables of a configuration file. Raises UsageError where one of ``sections`` is no table."""
    tables = read_toml(expanded(config))
    for section in sections:
        if not isinstance(tables.get(section, {}), dict):
            raise UsageError(f"{config}: '{section}' must be a table: write [{section}] above its keys")
    return tables


def without_rivals(base: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Steps and epochs say the same thing twice: one that is given as an option replaces the other in the file.

    >>> without_rivals({"training": {"epochs": 2, "seed": 1}}, {"training": {"steps": 5}})
    {'training': {'seed': 1}}
    """
    given = options.get("training", {})
    if "steps" not in given and "epochs" not in given:
        return dict(base)
    kept = {key: value for key, value in base.get("training", {}).items() if key not in ("steps", "epochs")}
    return {**base, "training": kept}


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """``--set k=v`` texts as options.

    >>> parse_assignments(["k=5", "pool=batch"])
    {'k': 5, 'pool': 'batch'}
    """
    options: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set takes key=value, and got '{assignment}'")
        options[name.strip()] = parse_value(value.strip())
    return options


def resolve(*layers: Mapping[str, Any], where: str = "options") -> RunSettings:
    """Settings from layers of tables, later ones on top: file, flags, ``--set``."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = merge(merged, layer)
    require_folder_and_corpus(merged)
    return validate(RunSettings, merged, where=where)


def require_folder_and_corpus(tables: Mapping[str, Any]) -> None:
    """Raise UsageError where one of the two that have no default is missing."""
    if "out" not in tables:
        raise UsageError("no run folder: give --out FOLDER")
    if not tables.get("data", {}).get("corpus"):
        raise UsageError("no corpus: give at least one file, folder or glob of text")

"""From options as a user gives them to the settings of a pretraining run.

No torch here: a wrong option is refused before anything heavy is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contrapose.config import validate
from contrapose.errors import UsageError, nearest
from contrapose.pretrain.settings import KEYS, PretrainSettings
from contrapose.train.configuration import require_folder_and_corpus


def nested(options: Mapping[str, Any]) -> dict[str, Any]:
    """Flat options as tables; ``None`` means "not given". Raises UsageError for a name that no section has.

    >>> nested({"steps": 10, "layers": 2, "mask_rate": None, "out": "runs/a"})
    {'training': {'steps': 10}, 'scratch': {'layers': 2}, 'out': 'runs/a'}
    """
    tables: dict[str, Any] = {}
    for name, value in options.items():
        if value is None:
            continue
        if name == "out":
            tables["out"] = str(value)
            continue
        section = next((section for section, keys in KEYS.items() if name in keys), None)
        if section is None:
            known = [key for keys in KEYS.values() for key in keys]
            raise UsageError(f"unknown option '{name}'{nearest(name, known)} Known: {', '.join(known)}")
        tables.setdefault(section, {})[name] = value
    return tables


def resolve(tables: Mapping[str, Any], where: str = "options") -> PretrainSettings:
    """Settings from tables. Raises UsageError, in one line for each mistake."""
    require_folder_and_corpus(tables)
    return validate(PretrainSettings, tables, where=where)

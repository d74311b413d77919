"""From options as a user gives them to the settings of a pretraining run.

No torch here: a wrong option is refused before anything heavy is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contrapose.config import validate
from contrapose.errors import UsageError, nearest
from contrapose.paths import expanded
from contrapose.pretrain.settings import KEYS, PretrainSettings
from contrapose.train.configuration import require_folder_and_corpus, tables_of


def nested(options: Mapping[str, Any]) -> dict[str, Any]:
    """Flat options as tables; ``None`` means "not given". Raises UsageError for a name that no section has.

    >>> nested({"steps": 10, "layers": 2, "mask_rate": None, "out": "runs/a"})
    {'training': {'steps': 10}, 'scratch': {'layers': 2}, 'out': 'runs/a'}
    """
    return tables_of(options, _keys_of)


def _keys_of(name: str) -> tuple[str, ...]:
    section = next((section for section, keys in KEYS.items() if name in keys), None)
    if section is None:
        known = [key for keys in KEYS.values() for key in keys]
        raise UsageError(f"unknown option '{name}'{nearest(name, known)} Known: {', '.join(known)}")
    return (section, name)


def resolve(tables: Mapping[str, Any], where: str = "options", *, resume: bool = False) -> PretrainSettings:
    """Settings from tables. Raises UsageError, in one line for each mistake."""
    require_folder_and_corpus(tables)
    return validate(PretrainSettings, _with_its_warmup(tables) if resume else tables, where=where)


def _with_its_warmup(tables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where a run goes on and nobody gives a warm-up, it is the one that the run was begun with.

    The default depends on the steps, so a longer run would else have another one, and be refused for it.
    """
    from contrapose.train.preflight import has_record  # imported here: help and wrong options load no numpy
    from contrapose.train.run_folder import read_record

    folder, training = expanded(str(tables["out"])), tables.get("training", {})
    if "warmup_steps" in training or not has_record(folder):
        return tables
    begun = read_record(folder)["settings"].get("training", {}).get("warmup_steps")
    return tables if begun is None else {**tables, "training": {**training, "warmup_steps": begun}}

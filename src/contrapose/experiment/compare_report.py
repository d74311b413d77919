"""What a comparison leaves in its folder: results.md and results.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrapose.experiment.compare import Compared
from contrapose.experiment.measuring import mean_of
from contrapose.experiment.standings_text import markdown, to_json
from contrapose.storage.durable import write_text


@dataclass(frozen=True, kw_only=True)
class Report:
    """files: what was written."""

    files: tuple[Path, ...]
    json: Mapping[str, Any]


def title(compared: Compared) -> str:
    setting = compared.comparison.setting
    return f"Methods from {setting.model}, {', '.join(setting.tasks)}, {setting.split} split"


def facts(compared: Compared) -> list[str]:
    """How the numbers came about."""
    comparison = compared.comparison
    options = ", ".join(f"{name} {value}" for name, value in comparison.options.items()) or "defaults"
    return [
        f"text: {', '.join(comparison.setting.corpus)}; start: {comparison.setting.model}; options: {options}",
        f"{compared.trials} trials, {comparison.seeds} seeds of each method; every number is read from "
        f"{compared.folder / 'trials.jsonl'}",
    ]


def main_score(row: Mapping[str, Any]) -> str:
    """One trial in a few words; gains that are told without labels are small.

    >>> main_score({"values": {"STS-B": {"metric": "spearman", "protocol": "all", "value": 82.0}}})
    '82.00'
    """
    values = row["values"]
    kinds = {(value["metric"], value["protocol"]) for value in values.values()}
    mean = mean_of(values) if len(kinds) == 1 else None
    if mean is not None:
        told = f"{mean:+.4f}" if {protocol for _, protocol in kinds} == {"label-free"} else f"{mean:.2f}"
        return f"mean {told}" if len(values) > 1 else told
    return ", ".join(f"{task} {_shown(value['value'])}" for task, value in list(values.items())[:3])


def write_report(compared: Compared) -> Report:
    from contrapose.train.track import strict_json

    folder, found = compared.folder, compared.standings
    result = {
        "experiment": "compare",
        "folder": str(folder),
        "setting": {**compared.comparison.setting.identity, "options": dict(compared.comparison.options)},
        "trials": compared.trials,
        **to_json(found),
    }
    write_text(folder / "results.md", markdown(found, title(compared), facts(compared)))
    write_text(folder / "results.json", strict_json(result) + "\n")
    files = (folder / "results.md", folder / "results.json")
    return Report(files=files, json={**result, "files": [str(path) for path in files]})


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"

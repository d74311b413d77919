"""What a sweep leaves in its folder: results.md and results.json."""

from __future__ import annotations

from typing import Any

from contrapose.experiment.compare_report import Report
from contrapose.experiment.sensitivity import Sensitivity, Setting, told
from contrapose.experiment.sweep import Swept
from contrapose.markdown_table import markdown_table
from contrapose.storage.durable import write_text


def title(swept: Swept) -> str:
    return f"{swept.sweep.method} from {swept.sweep.setting.model}: sensitivity"


def facts(swept: Swept) -> list[str]:
    """How the numbers came about."""
    sweep = swept.sweep
    options = ", ".join(f"{name} {value}" for name, value in sweep.options.items()) or "defaults"
    return [
        f"text: {', '.join(sweep.setting.corpus)}; options: {options}",
        f"search: {sweep.search} over {'; '.join(factor.words for factor in sweep.factors)}",
        f"measured: {sweep.objective}; {len(swept.points)} settings, {sweep.seeds} seed"
        f"{'' if sweep.seeds == 1 else 's'} each; every number is read from {swept.folder / 'trials.jsonl'}",
    ]


def header(found: Sensitivity) -> list[str]:
    return [
        *(factor.name for factor in found.factors),
        "mean ± s",
        "to the defaults",
        "95% interval",
        "in words",
    ]


def rows(found: Sensitivity) -> list[list[str]]:
    """Settings by their mean, highest first; those that diverged at the end."""
    ordered = sorted(found.settings, key=lambda s: (not s.whole, -s.mean if s.whole else 0.0))
    return [_row(found, setting) for setting in ordered]


def _row(found: Sensitivity, setting: Setting) -> list[str]:
    values = [
        f"{value:g}" if isinstance(value := setting.values[factor.name], float) else str(value)
        for factor in found.factors
    ]
    if not setting.whole:
        return [*values, f"{setting.diverged} diverged", "", "", ""]
    spread = f" ± {found.number(setting.std)}" if setting.std is not None else ""
    number = f"{found.number(setting.mean)}{spread}"
    if setting.is_default:
        return [*values, number, "", "", "the defaults"]
    if setting.change is None:
        near = {True: "within noise of the highest", False: "below the highest", None: "one seed: unknown"}
        if found.noise is None:
            return [*values, number, "", "", near[None]]
        return [*values, number, "", "", near[setting.near]]
    change = setting.change.change
    words = setting.change.words if found.seeds > 1 else "one seed: unknown"
    return [*values, number, f"{change.difference:+.2f}", f"[{change.low:+.2f}, {change.high:+.2f}]", words]


def write_report(swept: Swept, found: Sensitivity) -> Report:
    from contrapose.train.track import strict_json

    text = [
        f"# {title(swept)}",
        "",
        *(f"- {fact}" for fact in facts(swept)),
        "",
        *(f"- {line}" for line in told(found)),
        "",
    ]
    text += [*markdown_table(header(found), rows(found)), ""]
    write_text(swept.folder / "results.md", "\n".join(text))
    plain = to_json(swept, found)
    write_text(swept.folder / "results.json", strict_json(plain) + "\n")
    files = (swept.folder / "results.md", swept.folder / "results.json")
    return Report(files=files, json={**plain, "files": [str(path) for path in files]})


def to_json(swept: Swept, found: Sensitivity) -> dict[str, Any]:
    return {
        "experiment": "sweep",
        "folder": str(swept.folder),
        "method": swept.sweep.method,
        "objective": swept.sweep.objective,
        "search": swept.sweep.search,
        "factors": [factor.words for factor in found.factors],
        "seeds": found.seeds,
        "noise": found.noise,
        "in_words": told(found),
        # Empty where it is unknown: the highest alone is no region.
        "region": [dict(setting.values) for setting in found.region],
        "clearly_better_than_defaults": [dict(setting.values) for setting in found.better],
        "settings": [_setting_json(setting) for setting in found.settings],
    }


def _setting_json(setting: Setting) -> dict[str, Any]:
    judged = setting.change
    change = None
    if judged is not None:
        interval = [judged.change.low, judged.change.high]
        change = {
            "difference": judged.change.difference,
            "interval": interval,
            "p_corrected": judged.p_corrected,
        }
    return {
        "values": dict(setting.values),
        "scores": list(setting.scores),
        "mean": setting.mean if setting.scores else None,
        "std": setting.std,
        "diverged": setting.diverged,
        "default": setting.is_default,
        "within_noise_of_highest": setting.near,
        "change_to_defaults": change,
    }

"""Rebuilds what the pages say from the code and from what was measured: docs/methods.md, docs/studies.md with its
figures, and the marked parts of README.md and docs/adding-a-method.md.

python docs/build.py            write
python docs/build.py --check    exit 1 where a page is out of date
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import demo, transfer  # noqa: E402
from benchmarks.quality import read, table, transfer_table  # noqa: E402
from studies.report import FIGURES, PAGE, render  # noqa: E402
from studies.running import study_named  # noqa: E402

from contrapose.objectives.catalogue import all_methods, all_parts, describe  # noqa: E402
from contrapose.objectives.hyperparameters import hyperparameters_of  # noqa: E402
from contrapose.testing import all_rules  # noqa: E402

RESULTS = ROOT / "docs/results"
STUDIES = ROOT / "studies/results"
ADDING = "docs/adding-a-method.md"


def pages() -> dict[Path, str]:
    """Path -> what it should hold now."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    readme = between(readme, "methods", methods_table())
    readme = between(readme, "demo", demo.table(read(RESULTS / "demo.jsonl")))
    quality = read(RESULTS / "quality.jsonl")
    readme = between(readme, "quality", table(quality))
    readme = between(readme, "quality-transfer", transfer_table(quality))
    readme = between(readme, "speed", speed_table(RESULTS / "speed.json"))
    found = json.loads((RESULTS / "transfer.json").read_text(encoding="utf-8"))
    readme = between(readme, "transfer", transfer.table(found))
    readme = between(readme, "selection", without_labels(read(STUDIES / "selection.jsonl")))
    studies = render(STUDIES, drawn=False)[PAGE]
    return {
        ROOT / "README.md": readme,
        ROOT / "docs/methods.md": methods_page(),
        ROOT / ADDING: between((ROOT / ADDING).read_text(encoding="utf-8"), "rules", rules()),
        ROOT / "docs" / PAGE: studies,
    }


def rules() -> str:
    """The rules that contrapose.testing tries, each with its promise."""
    return "\n".join(f"- `{rule.name}`: {rule.words}" for rule in all_rules())


def between(text: str, name: str, content: str) -> str:
    """``text`` with what stands between the two marks of ``name`` replaced."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if start not in text or end not in text:
        raise SystemExit(f"a page has no marks {start} ... {end}")
    before, rest = text.split(start, 1)
    after = rest.split(end, 1)[1]
    return f"{before}{start}\n{content}\n{end}{after}"


def without_labels(rows: list[dict[str, object]]) -> str:
    """What the study of the label-free verdict found, a line each."""
    words = study_named("selection").answer(rows, {}).words[1:]
    return "\n".join(f"- {line}" for line in words)


def speed_table(path: Path) -> str:
    """What ``make bench`` measured, as it was recorded."""
    if not path.exists():
        return "Not measured yet."
    report = json.loads(path.read_text(encoding="utf-8"))
    machine = ", ".join(f"{key} {value}" for key, value in report["machine"].items())
    lines = [f"Measured with {machine}:", "", "| | |", "|---|---|"]
    lines += [
        f"| {part}: {name} | {value} |"
        for part in ("training", "evaluation")
        for name, value in report[part].items()
    ]
    return "\n".join(lines)


def methods_table() -> str:
    lines = ["| method | what it does | paper |", "|---|---|---|"]
    for method in all_methods().values():
        lines.append(f"| `{method.name}` | {method.idea} | [{method.paper}]({method.reference}) |")
    lines += ["", "| part, for `--with` | role | what it does |", "|---|---|---|"]
    for part in all_parts().values():
        lines.append(f"| `{part.name}` | {part.role()} | {part.idea} |")
    return "\n".join(lines)


def methods_page() -> str:
    """Every method and part with its hyperparameters, and where it departs from its paper."""
    lines = [
        "# Methods and their numbers",
        "",
        "Made by `make docs` from the catalogue; `contrapose methods` prints the same. The equation of each method",
        "stands at the top of its file in `src/contrapose/objectives/`. Any part can be added to any method that does",
        "not have it yet: `--method focal-infonce --with mixed-negatives --set k=5`.",
    ]
    for method in describe():
        lines += [
            "",
            f"## `{method['name']}`",
            "",
            method["idea"],
            "",
            f"{method['paper']}. {method['reference']}",
        ]
        lines += ["", f"Made of: {', '.join(f'`{part}`' for part in method['parts'])}.", ""]
        lines += _numbers(method["hyperparameters"], method["descriptions"])
        if method["departures"]:
            lines += ["", "Departures from the paper or its code:", ""]
            lines += [f"- {departure}" for departure in method["departures"]]
    for part in all_parts().values():
        model = hyperparameters_of(part)
        defaults = {name: field.default for name, field in model.model_fields.items()}
        descriptions = {name: field.description or "" for name, field in model.model_fields.items()}
        lines += ["", f"## part `{part.name}`", "", part.idea, "", *_numbers(defaults, descriptions)]
    return "\n".join(lines) + "\n"


def _numbers(values: dict[str, object], descriptions: dict[str, str]) -> list[str]:
    lines = ["| hyperparameter | default | meaning |", "|---|---|---|"]
    for name, value in values.items():
        meaning = descriptions.get(name, "").replace("|", "\\|")  # a bar would end the cell
        lines.append(f"| `{name}` | {value} | {meaning} |")
    return lines


def draw_studies() -> None:
    """Write the figures of the studies. What is compared is the page: figures differ between versions of matplotlib."""
    for name, content in render(STUDIES).items():
        if name.startswith(FIGURES):
            path = ROOT / "docs" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")


def main() -> None:
    if "--check" not in sys.argv:
        draw_studies()
    stale = []
    for path, wanted in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != wanted:
            stale.append(path.relative_to(ROOT))
            if "--check" not in sys.argv:
                path.write_text(wanted, encoding="utf-8")
    if "--check" in sys.argv and stale:
        raise SystemExit(f"out of date: {', '.join(map(str, stale))}. Run: make docs")


if __name__ == "__main__":
    main()

"""Rebuilds what the pages say from the code and from what was measured: the pages of the methods, docs/studies.md with
its figures, the table of methods, the notebook of the tutorial, and the marked parts of README.md and other pages.

python docs/build.py            write
python docs/build.py --check    exit 1 where a page is out of date
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import method_pages  # noqa: E402
import method_pictures  # noqa: E402
import notebook  # noqa: E402
from benchmarks.quality import read, table, transfer_table  # noqa: E402

from benchmarks import demo, growth, records, same_scores, scaling_tables, transfer  # noqa: E402
from contrapose.markdown_table import markdown_table  # noqa: E402
from contrapose.testing import all_rules  # noqa: E402
from studies import ingredients, methods_figure, methods_page, methods_summary  # noqa: E402
from studies.adaptation_answers import by_domain, in_words  # noqa: E402
from studies.drawing import svg  # noqa: E402
from studies.pages import FIGURES, PAGE, SECOND, render, rows_for, rows_of_studies, study_named  # noqa: E402
from studies.study import AllRows  # noqa: E402

RESULTS = ROOT / "docs/results"
STUDIES = ROOT / "studies/results"
#: What `make methods-table` measured.
MEASURED = RESULTS / "methods.jsonl"


def pages() -> dict[Path, str]:
    """Path -> what it should hold now."""
    quality = read(RESULTS / "quality.jsonl")
    transfer_results = json.loads((RESULTS / "transfer.json").read_text(encoding="utf-8"))
    marked = {
        "README.md": {"methods": method_pages.methods_by_group("docs/methods")},
        "docs/adding-a-method.md": {"rules": rules()},
        "docs/how-to/adapt.md": worth_of_adapting(rows_of_studies(STUDIES)),
        "docs/how-to/backends.md": {"encoding": records.latest("encoding")},
        "docs/how-to/benchmarks.md": {
            "growth": growth.table(growth.newest(growth.read(growth.POINTS))),
            "same-scores": same_scores.table(RESULTS / "same_scores.jsonl"),
        },
        "docs/how-to/large-batches.md": {
            "large-batches": records.latest("large_batches"),
            "gradient-caching": records.latest("gradient_caching"),
        },
        "docs/how-to/large-corpora.md": {"corpora": records.latest("corpora")},
        "docs/how-to/scaling.md": {
            "scaling-measured": scaling_tables.measured(RESULTS / "scaling.json"),
            "scaling-assumptions": scaling_tables.assumptions(),
            "scaling-steps": scaling_tables.table(),
            "scaling-memory": scaling_tables.memory_table(),
        },
        "docs/verdict.md": {"selection": without_labels(read(STUDIES / "selection.jsonl"))},
        "docs/results.md": {
            "demo": demo.table(read(RESULTS / "demo.jsonl")),
            "quality": table(quality),
            "quality-transfer": transfer_table(quality),
            "speed": speed_table(RESULTS / "speed.json"),
            "transfer": transfer.table(transfer_results),
        },
    }
    written = {ROOT / "docs" / name: text for name, text in method_pages.method_pages().items()}
    costs = RESULTS / "overhead.json"
    written[ROOT / "docs" / methods_page.PAGE] = methods_page.page(
        methods_summary.read(MEASURED),
        json.loads(costs.read_text("utf-8")) if costs.exists() else None,
        {SECOND: rows_of_studies(STUDIES / SECOND).get(ingredients.STUDY.name, [])},
    )
    written[ROOT / "docs" / PAGE] = render(STUDIES, drawn=False)[PAGE]
    written[ROOT / "docs/tutorial.ipynb"] = notebook.from_page((ROOT / "docs/tutorial.md").read_text("utf-8"))
    for name, parts in marked.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        for mark, content in parts.items():
            text = between(text, mark, content)
        written[ROOT / name] = text
    return written


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
    return f"{before}{start}\n\n{content}\n\n{end}{after}"  # blank lines: Markdown wants them around tables


def without_labels(rows: list[dict[str, object]]) -> str:
    """What the study of the label-free verdict says, a line each."""
    words = study_named("selection").answer(rows, {}).words[1:]
    return "\n".join(f"- {line}" for line in words)


def worth_of_adapting(studies: AllRows) -> dict[str, str]:
    """By domain and by signal, with what the study of adaptation says in words."""
    rows = studies.get("adaptation", [])
    if not rows:
        return {"domains": "Not run yet.", "signals": "Not run yet."}
    alone = study_named("signals").answer(rows_for(study_named("signals"), studies), studies)
    words = [f"- {line}" for line in in_words(rows)]
    return {
        "domains": "\n".join([*by_domain(rows), "", *words]),
        "signals": "\n".join(markdown_table(alone.header, alone.table)),
    }


def speed_table(path: Path) -> str:
    """What ``make bench`` measured, as it was recorded."""
    if not path.exists():
        return "Not measured yet."
    report = json.loads(path.read_text(encoding="utf-8"))
    machine = ", ".join(f"{key} {value}" for key, value in report["machine"].items())
    rows = [
        (f"{part}: {name}", str(value))
        for part in ("training", "evaluation")
        for name, value in report[part].items()
    ]
    return "\n".join([f"Measured with {machine}:", "", *markdown_table(["measured", "result"], rows)])


def draw_figures() -> None:
    """Write what is drawn by matplotlib. What is compared are the pages: figures differ between its versions."""
    drawn = {name: content for name, content in render(STUDIES).items() if name.startswith(FIGURES)}
    if (measured := methods_summary.read(MEASURED)) is not None:
        drawn[methods_figure.FIGURE] = svg(methods_figure.figure(measured))
    for name, content in drawn.items():
        path = ROOT / "docs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")


def draw_methods() -> None:
    """Write the pictures of the methods. What is compared is the page: the last digit of a number may differ."""
    for name, content in method_pictures.all_pictures().items():
        path = ROOT / "docs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")


def main() -> None:
    if "--check" not in sys.argv:
        draw_figures()
        draw_methods()
    stale = []
    for path, wanted in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != wanted:
            stale.append(path.relative_to(ROOT))
            if "--check" not in sys.argv:
                path.parent.mkdir(exist_ok=True)
                path.write_text(wanted, encoding="utf-8")
    if "--check" in sys.argv and stale:
        raise SystemExit(f"out of date: {', '.join(map(str, stale))}. Run: make docs")


if __name__ == "__main__":
    main()

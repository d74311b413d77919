"""What a reproduction leaves in its folder: results.md and results.json, each with the paper's numbers beside ours."""

from __future__ import annotations

from typing import Any

from contrapose.experiment.compare_report import Report
from contrapose.experiment.recipes import Recipe
from contrapose.experiment.reproduce import Reproduced, Row
from contrapose.experiment.standings_text import number
from contrapose.markdown_table import markdown_table
from contrapose.storage.durable import write_text

HEADER = ("task", "paper", "measured ± s", "95% interval", "difference", "in words")


def rows(found: Reproduced) -> list[list[str]]:
    """Under HEADER. Where this is not the recipe, no word says that it is above or below."""
    return [_cells(row, bool(found.departures)) for row in found.rows]


def _cells(row: Row, departs: bool) -> list[str]:
    return [
        row.task,
        "-" if row.reported is None else f"{row.reported:.2f}",
        number(row.measured),
        "" if row.interval is None else f"[{row.interval[0]:.2f}, {row.interval[1]:.2f}]",
        "" if row.difference is None else f"{row.difference:+.2f}",
        "not the recipe" if departs and row.reported is not None else row.words,
    ]


def facts(found: Reproduced) -> list[str]:
    """The recipe, its source, and how many seeds the numbers are of."""
    recipe, wanted = found.reproduction.recipe, found.reproduction
    return [
        *recipe_facts(recipe),
        f"{len(found.standing.seeds)} of {wanted.seeds} seeds measured; intervals hold the noise of our seeds and of "
        "the test rows, not that of the paper's own run",
        *(
            [f"not measured, because no --data folder holds them: {', '.join(wanted.not_here)}"]
            if wanted.not_here
            else []
        ),
        f"every measured number is read from {found.folder / 'trials.jsonl'}",
    ]


def recipe_facts(recipe: Recipe) -> list[str]:
    """A recipe in words."""
    options = ", ".join(f"{name} {value}" for name, value in recipe.options.items())
    contradiction = [recipe.contradiction] if recipe.contradiction else []
    return [f"{recipe.source}; backbone {recipe.backbone}", options, *contradiction, *recipe.notes]


def write_report(found: Reproduced) -> Report:
    from contrapose.train.track import strict_json

    name = found.reproduction.recipe.name
    parts = [f"# {name}", ""]
    if found.departures:
        parts += ["**This is not the paper's recipe:** " + "; ".join(found.departures) + ".", ""]
    parts += [*(f"- {fact}" for fact in facts(found)), "", *markdown_table(HEADER, rows(found)), ""]
    write_text(found.folder / "results.md", "\n".join(parts))
    plain = to_json(found)
    write_text(found.folder / "results.json", strict_json(plain) + "\n")
    files = (found.folder / "results.md", found.folder / "results.json")
    return Report(files=files, json={**plain, "files": [str(path) for path in files]})


def to_json(found: Reproduced) -> dict[str, Any]:
    return {
        "experiment": "reproduce",
        "folder": str(found.folder),
        "recipe": recipe_json(found.reproduction.recipe),
        "is_the_recipe": not found.departures,
        "departures": list(found.departures),
        "seeds": list(found.standing.seeds),
        "failed": list(found.standing.failed),
        "rows": [_row_json(found, row) for row in found.rows],
    }


def _row_json(found: Reproduced, row: Row) -> dict[str, Any]:
    return {
        "task": row.task,
        "reported": row.reported,
        "mean": row.measured.mean if row.measured else None,
        "std": row.measured.std if row.measured else None,
        "interval": list(row.interval) if row.interval else None,
        "values": list(found.standing.values[row.task]),
        "difference": row.difference,
        "in_words": "not the recipe" if found.departures else row.words,
    }


def recipe_json(recipe: Recipe) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "method": recipe.method,
        "backbone": recipe.backbone,
        "options": recipe.options,
        "source": recipe.source,
        "reported": dict(recipe.reported),
        "average": recipe.average,
        "average_of_columns": recipe.recomputed,
        "reported_transfer": recipe.reported_transfer,
        "transfer_average": recipe.transfer_average,
        "notes": [*([recipe.contradiction] if recipe.contradiction else []), *recipe.notes],
    }

"""Pages of the methods, made from their records and files; docs/build.py writes them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fields import fields_table
from prose import markdown

from contrapose.markdown_table import markdown_table
from studies import methods_page, methods_summary

ROOT = Path(__file__).resolve().parent.parent
METHODS = "methods"


def method_pages() -> dict[str, str]:
    """Path within docs/ -> page: an overview of methods and parts, and one page per method."""
    from contrapose.objectives.catalogue import describe

    described = describe()
    pages = {f"{METHODS}/{method['name']}.md": method_page(method) for method in described}
    return {"methods.md": overview(described), **pages}


def methods_table(folder: str) -> str:
    """Every method in a line; ``folder`` leads from the page to the method pages."""
    from contrapose.objectives.catalogue import describe

    rows = [
        (
            f"[`{each['name']}`]({folder}/{each['name']}.md)",
            each["idea"],
            f"[{each['paper']}]({each['reference']})",
        )
        for each in describe()
    ]
    return "\n".join(markdown_table(["method", "what it does", "paper"], rows))


#: What a method changes, by the first of its parts that says so: role of a part -> words.
GROUPS = {
    "": "the loss alone",
    "text": "the texts of the two views",
    "positive mixer": "the positive",
    "negative source": "further negatives",
    "negative filter": "negatives left out, or weighed",
    "regularizer": "a further term of the loss",
    "protocol": "what happens between steps",
}


def group_of(name: str) -> str:
    """What a method changes beside SimCSE: a key of :data:`GROUPS`, read from its record."""
    from contrapose.contract import TrainingProtocol
    from contrapose.objectives.catalogue import method_named, recipe

    method = method_named(name)
    if method.protocol is not TrainingProtocol:
        return "protocol"
    if method.text_parts:
        return "text"
    roles = [part.role().partition(",")[0] for part in recipe(name).parts]
    return next((role for role in roles if role in GROUPS), "")


def methods_by_group(folder: str) -> str:
    """A line for each thing that methods change, with the methods that do; short enough for the README."""
    from contrapose.objectives.catalogue import all_methods

    grouped: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name in all_methods():
        grouped[group_of(name)].append(f"[`{name}`]({folder}/{name}.md)")
    rows = [(words, ", ".join(grouped[group])) for group, words in GROUPS.items() if grouped[group]]
    return "\n".join(markdown_table(["what it changes", "methods"], rows))


def overview(described: list[dict[str, Any]]) -> str:
    from contrapose.objectives.catalogue import all_parts
    from contrapose.objectives.hyperparameters import hyperparameters_of
    from contrapose.objectives.protocol_of_run import all_protocols
    from contrapose.text.catalogue import all_text_parts

    lines = [
        "# Methods and their hyperparameters",
        "",
        "A method is an equation and the parts that it is made of. Any part can be added to any method that does not",
        "have it yet, unless it says what it does not go with: `--with mixed-negatives --set k=5`. What stands here is",
        "made from the code by `make docs`, and printed by `contrapose methods` and `contrapose methods --parts`.",
        "",
        methods_table(METHODS),
        "",
        *markdown_table(
            ["part, for `--with`", "role", "what it does"],
            [(f"`{part.name}`", part.role(), part.idea) for part in all_parts().values()],
        ),
    ]
    lines += [
        "",
        "A text part makes the texts of the views: `--views` takes one by its name, or several with commas between.",
        "A method that names text parts has them by itself; any other reads one text twice, or the columns of pairs.",
        "",
        *markdown_table(
            ["text part, for `--views`", "views that it gives", "what it does"],
            [(f"`{part.name}`", _listed(part.gives), part.idea) for part in all_text_parts().values()],
        ),
        "",
        "A protocol acts between the steps: `--with` takes it by its name as well, one for a run.",
        "",
        *markdown_table(
            ["protocol, for `--with`", "what it does"],
            [(f"`{protocol.name}`", protocol.idea) for protocol in all_protocols().values()],
        ),
    ]
    kinds = {"Part": all_parts(), "Text part": all_text_parts(), "Protocol": all_protocols()}
    for kind, catalogue in kinds.items():
        for part in catalogue.values():
            lines += ["", f"## {kind} `{part.name}`", "", part.idea, ""]
            lines += [f"Does not go with `{other}`: {reason}\n" for other, reason in _excluded(part).items()]
            lines += fields_table("hyperparameter", hyperparameters_of(part).model_fields)
    return "\n".join(lines) + "\n"


#: What docs/methods/NAME.notes.md may say, and where it stands on the page.
PLAIN, COMMAND, WHEN, PUBLISHED, COMPARED, NEEDED = (
    "In plain words",
    "Command",
    "When to use it",
    "Published results",
    "Compared with the published code",
    "What it needs",
)
#: What the picture shows; docs/method_pictures.py draws it.
ABOUT_PICTURE = (
    "The same eight sentences for every method, two views of each; beside it what SimCSE does to them. A row is an",
    "anchor, a column what it is compared with, and the colour the gradient of the loss by their cosine. Sentences 0",
    "and 1 mean nearly the same, 2 and 3 are alike, 4 and 5 are one text. Of a further term the cosines are drawn that",
    "a small step against its gradient would change. Vectors and whatever is needed beside are toys; the temperature",
    "is 0.15, since at 0.05 all but the hardest negatives would be too faint to be seen. The deepest colour is the",
    "strongest pair of each picture, and of each further term: depths are not compared between pictures.",
)


def method_page(method: Mapping[str, Any]) -> str:
    """One method: what its record and files say, its picture, what was measured, and docs/methods/NAME.notes.md."""
    from contrapose.objectives.catalogue import recipe

    name = method["name"]
    notes = _notes(name)
    picture = (
        f"![Who pulls and who pushes in a batch of eight sentences](pictures/{name}.svg)",
        "",
        *ABOUT_PICTURE,
    )
    paper = f"Paper: [{method['paper']}]({method['reference']}). Made of: "
    lines = [
        f"# {name}",
        "",
        method["idea"],
        "",
        *([notes.pop(PLAIN), ""] if PLAIN in notes else []),
        paper + _listed(method["parts"]) + ".",
        "",
        notes.pop(COMMAND, f"```\ncontrapose train notes.txt --method {name} --out runs/{name}\n```"),
        *_section("The equation", *_equation(name), *_parts(method["parts"])),
        *_section("What it does to a batch", *picture),
        *_section(WHEN, notes.pop(WHEN, "")),
        *_section(
            "Hyperparameters",
            "Each is set by `--set NAME=VALUE`, or by its name in Python.",
            "",
            *fields_table("hyperparameter", type(recipe(name).hyperparameters).model_fields),
        ),
        *_section(PUBLISHED, notes.pop(PUBLISHED, "")),
        *_section("Measured here", *_measured(name)),
        *_section("Departures from the paper or its code", *(f"- {each}" for each in method["departures"])),
        *_section(COMPARED, notes.pop(COMPARED, "")),
        *_section(NEEDED, notes.pop(NEEDED, "")),
    ]
    for heading, text in notes.items():
        lines += _section(heading, text)
    excluded = [f"- `{other}`: {reason}" for other, reason in method["excludes"].items()]
    lines += _section("Does not go with", *excluded)
    example = ROOT / "examples" / f"{name.replace('-', '_')}.py"
    if example.is_file():
        said = f"`examples/{example.name}`, which runs as it is:"
        lines += _section("Example", said, "", "```python", example.read_text("utf-8").rstrip(), "```")
    return "\n".join(lines) + "\n"


def _section(heading: str, *lines: str) -> list[str]:
    """A heading and what stands below it; nothing where there is nothing to say."""
    return ["", f"## {heading}", "", *lines] if any(lines) else []


def _notes(name: str) -> dict[str, str]:
    """Heading -> text of docs/methods/NAME.notes.md, in its order; nothing where there is none."""
    path = ROOT / "docs" / METHODS / f"{name}.notes.md"
    if not path.is_file():
        return {}
    said: dict[str, str] = {}
    heading, in_code = "", False
    for line in path.read_text("utf-8").splitlines():
        in_code ^= line.startswith("```")
        if line.startswith("## ") and not in_code:
            heading = line.removeprefix("## ").strip()
            said[heading] = ""
        else:
            said[heading] = said.get(heading, "") + line + "\n"
    return {heading: text.strip() for heading, text in said.items() if text.strip()}


def _measured(name: str) -> list[str]:
    """What ``make methods-table`` measured of the method; nothing where it was not run."""
    report = methods_summary.read(ROOT / "docs/results/methods.jsonl")
    said = methods_page.measured_of(report, name)
    if report is None or not said:
        return []
    when = methods_page.when(report)
    about = f"Measured {when} by `make methods-table`; [all methods, and how](../methods-measured.md)."
    return [*said, "", about]


def _excluded(part: type[Any]) -> Mapping[str, str]:
    """What a part does not go with, whichever side says so."""
    from contrapose.objectives.catalogue import all_records
    from contrapose.objectives.exclusions import excluded_by

    return excluded_by((part,), all_records())


def _equation(name: str) -> list[str]:
    """The docstring of the file that declares the method: its equation in the paper's letters."""
    import contrapose.objectives

    for info in pkgutil.iter_modules(contrapose.objectives.__path__):
        module = importlib.import_module(f"contrapose.objectives.{info.name}")
        declared = [getattr(module, "METHOD", None), *getattr(module, "METHODS", ())]
        if any(getattr(method, "name", None) == name for method in declared):
            path = f"src/contrapose/objectives/{info.name}.py"
            return [markdown(inspect.getdoc(module) or ""), "", f"The code: `{path}`."]
    return ["Offered by another package."]


def _parts(names: Sequence[str]) -> list[str]:
    """What the files of the method's parts, of vectors and of texts, say."""
    from contrapose.objectives.catalogue import all_parts
    from contrapose.text.catalogue import all_text_parts

    lines: list[str] = []
    for kind, catalogue in (("Part", all_parts()), ("Text part", all_text_parts())):
        for name in names:
            if name in catalogue:
                module = inspect.getmodule(catalogue[name])
                lines += ["", f"### {kind} `{name}`", "", markdown(inspect.getdoc(module) or "")]
    return lines


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)

"""Pages that are made from the code, so that they cannot be wrong about it: the methods, and the reference.

``method_pages`` are written into docs/ by docs/build.py; ``site_pages`` exist in the built site only (docs/hooks.py).
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from prose import markdown

ROOT = Path(__file__).resolve().parent.parent
METHODS = "methods"

#: What the Python reference shows beyond the names of ``import contrapose``: title -> (what it is for, names).
FURTHER_NAMES: dict[str, tuple[str, tuple[str, ...]]] = {
    "With sentence-transformers": (
        "A method as the loss of an ordinary sentence-transformers script.",
        ("contrapose.interop.sentence_transformers.ContraposeLoss",),
    ),
    "Rules for methods of your own": (
        "Every method and part keeps them: [adding a method](../adding-a-method.md).",
        ("contrapose.testing.checks", "contrapose.testing.Check", "contrapose.testing.Rule"),
    ),
}


def method_pages() -> dict[str, str]:
    """Path within docs/ -> page: an overview of methods and parts, and one page per method."""
    from contrapose.objectives.catalogue import describe

    described = describe()
    pages = {f"{METHODS}/{method['name']}.md": method_page(method) for method in described}
    return {"methods.md": overview(described), **pages}


def methods_table(folder: str) -> str:
    """Every method in a line; ``folder`` leads from the page to the method pages."""
    from contrapose.objectives.catalogue import describe

    lines = ["| method | what it does | paper |", "|---|---|---|"]
    for method in describe():
        name, paper = method["name"], f"[{method['paper']}]({method['reference']})"
        lines.append(f"| [`{name}`]({folder}/{name}.md) | {method['idea']} | {paper} |")
    return "\n".join(lines)


def overview(described: list[dict[str, Any]]) -> str:
    from contrapose.objectives.catalogue import all_parts
    from contrapose.objectives.hyperparameters import hyperparameters_of

    lines = [
        "# Methods and their hyperparameters",
        "",
        "A method is an equation and the parts that it is made of. Any part can be added to any method that does not",
        "have it yet: `--with mixed-negatives --set k=5`. `contrapose methods` prints what stands here, which is made",
        "from the code by `make docs`.",
        "",
        methods_table(METHODS),
        "",
        "| part, for `--with` | role | what it does |",
        "|---|---|---|",
        *(f"| `{part.name}` | {part.role()} | {part.idea} |" for part in all_parts().values()),
    ]
    for part in all_parts().values():
        lines += ["", f"## Part `{part.name}`", "", part.idea, ""]
        lines += _hyperparameters(hyperparameters_of(part).model_fields)
    return "\n".join(lines) + "\n"


def method_page(method: Mapping[str, Any]) -> str:
    """One method: idea, equation, hyperparameters, departures, example, and what docs/methods/NAME.notes.md adds."""
    from contrapose.objectives.catalogue import recipe

    name = method["name"]
    lines = [
        f"# {name}",
        "",
        method["idea"],
        "",
        f"Paper: [{method['paper']}]({method['reference']}). Made of: "
        + ", ".join(f"`{part}`" for part in method["parts"])
        + ".",
        "",
        "```",
        f"contrapose train notes.txt --method {name} --out runs/{name}",
        "```",
        "",
        "## The equation",
        "",
        *_equation(name),
        *_parts(method["parts"]),
        "",
        "## Hyperparameters",
        "",
        "Each is set by `--set NAME=VALUE`, or by its name in Python.",
        "",
        *_hyperparameters(type(recipe(name).hyperparameters).model_fields),
    ]
    if method["departures"]:
        lines += ["", "## Departures from the paper or its code", ""]
        lines += [f"- {departure}" for departure in method["departures"]]
    example = ROOT / "examples" / f"{name.replace('-', '_')}.py"
    if example.is_file():
        lines += ["", "## Example", "", f"`examples/{example.name}`, which runs as it is:", ""]
        lines += ["```python", example.read_text("utf-8").rstrip(), "```"]
    notes = ROOT / "docs" / METHODS / f"{name}.notes.md"
    if notes.is_file():
        lines += ["", notes.read_text("utf-8").strip()]
    return "\n".join(lines) + "\n"


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
    """What the files of the method's parts say."""
    from contrapose.objectives.catalogue import all_parts

    lines: list[str] = []
    for name in names:
        if name in all_parts():
            module = inspect.getmodule(all_parts()[name])
            lines += ["", f"### Part `{name}`", "", markdown(inspect.getdoc(module) or "")]
    return lines


def _hyperparameters(fields: Mapping[str, Any]) -> list[str]:
    lines = ["| hyperparameter | type | default | meaning |", "|---|---|---|---|"]
    for name, field in fields.items():
        lines.append(f"| `{name}` | {_kind(field)} | {_default(field)} | {_cell(field.description or '')} |")
    return lines


def site_pages() -> dict[str, str]:
    """Path within docs/ -> page that only the built site has."""
    return {
        "index.md": _front_page(),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text("utf-8"),
        "reference/cli.md": command_line(),
        "reference/configuration.md": configuration(),
        "reference/api.md": python_api(),
    }


def _front_page() -> str:
    """The README, whose links are seen from docs/."""
    text = re.sub(r"\]\(docs/", "](", (ROOT / "README.md").read_text("utf-8"))
    return text.replace("](CHANGELOG.md)", "](changelog.md)")


def command_line() -> str:
    """Every command with its arguments and options, as its ``--help`` has them."""
    import typer

    from contrapose.cli.main import app

    command = typer.main.get_command(app)
    lines = [
        "# Command line",
        "",
        "Made from the commands themselves; `contrapose COMMAND --help` prints the same.",
        "",
        *_paragraphs(command.help),
    ]
    for path, each in _commands(command, ("contrapose",)):
        lines += ["", f"{'##' if len(path) == 2 else '###'} {' '.join(path)}", "", *_paragraphs(each.help)]
        arguments = [p for p in each.params if p.param_type_name == "argument"]
        options = [p for p in each.params if p.param_type_name == "option" and not p.hidden]
        if arguments:
            lines += ["", "| argument | meaning |", "|---|---|"]
            lines += [f"| `{p.metavar or p.name.upper()}` | {_cell(p.help or '')} |" for p in arguments]
        if options:
            lines += ["", "| option | value | default | meaning |", "|---|---|---|---|"]
            lines += [_option(option) for option in options]
        lines += ["", *_examples(each.epilog)]
    return "\n".join(lines) + "\n"


def _commands(group: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if not command.hidden:
            yield (*path, name), command
            if hasattr(command, "commands"):
                yield from _commands(command, (*path, name))


def _without_default(about: str) -> tuple[str, str]:
    """A help text that says its default: (the text without it, the default).

    >>> _without_default("Rows per step (2 or more; default: 64).")
    ('Rows per step (2 or more).', '64')
    >>> _without_default("Where to compute (default: auto).")
    ('Where to compute.', 'auto')
    """
    said = re.search(r"(?: \(|; |\[)default: ([^)\]]*)([)\]])", about)
    if said is None:
        return about, ""
    closing = ")" if said.group().startswith("; ") else ""
    return f"{about[: said.start()]}{closing}{about[said.end() :]}".strip(), said.group(1)


def _option(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    annotation = option.type_descriptor.annotation
    value = "" if option.is_flag else (option.metavar or _type_words(annotation)).strip("<>")
    default = option.default if option.show_default and option.default not in (None, False, (), []) else ""
    meaning, default_in_words = _without_default(option.help or "")
    default = default_in_words or default
    shown = f"`{default}`" if default != "" else ""
    return f"| {names} | {_cell(value)} | {shown} | {_cell(meaning)} |"


def _paragraphs(text: str | None) -> list[str]:
    """Help as Markdown; the marks of rich are for terminals."""
    return [re.sub(r"(?<!\\)\[/?(bold|dim|italic|cyan|green|red|yellow)\]", "", text or "").strip()]


def _examples(epilog: str | None) -> list[str]:
    commands = [line[2:] for line in (epilog or "").splitlines() if line.startswith("$ ")]
    return ["```", *commands, "```"] if commands else []


def configuration() -> str:
    """Every section of config.toml with its keys."""
    from contrapose.train.settings import SECTIONS

    lines = [
        "# Configuration",
        "",
        "What `contrapose train --config FILE.toml` reads, and what every run writes as `config.toml`. A key can",
        "also be given as `--set section.key=VALUE`, or as `--set key=VALUE` where only one section has it. A file,",
        "then options, then `--set`: what comes later wins. An unknown key is an error that names the nearest one.",
        "",
        "```toml",
        'out = "runs/notes"',
        "",
        "[data]",
        'corpus = ["notes.txt"]',
        "",
        "[training]",
        "steps = 100",
        "```",
    ]
    for name, model in SECTIONS.items():
        lines += ["", f"## [{name}]", "", "| key | type | default | meaning |", "|---|---|---|---|"]
        for key, field in model.model_fields.items():
            lines.append(
                f"| `{key}` | {_kind(field)} | {_default(field)} | {_cell(field.description or '')} |"
            )
    return "\n".join(lines) + "\n"


def python_api() -> str:
    """The names of ``import contrapose``, and a few further ones, by mkdocstrings."""
    import contrapose

    lines = [
        "# Python",
        "",
        "These names are what `import contrapose` offers; everything else may change between versions.",
    ]
    for name in contrapose.__all__:
        home = _home(name)
        if home:
            lines += ["", f"::: {home}", *_options(f"contrapose.{name}", 2)]
    lines += [
        "",
        "## For methods of your own",
        "",
        "What `contrapose.contract` offers to a file with a `METHOD`.",
    ]
    for home in _contract():
        lines += ["", f"::: {home}", *_options(f"contrapose.contract.{home.rpartition('.')[2]}", 3)]
    for title, (about, names) in FURTHER_NAMES.items():
        lines += ["", f"## {title}", "", about]
        for home in names:
            lines += ["", f"::: {home}", *_options(home, 3)]
    return "\n".join(lines) + "\n"


def _contract() -> Iterator[str]:
    """Where the classes and functions of the contract are defined."""
    from contrapose import contract

    for name in contract.__all__:
        value = getattr(contract, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            yield f"{value.__module__}.{value.__qualname__}"


def _options(heading: str, level: int) -> list[str]:
    return ["    options:", f"      heading: {heading}", f"      heading_level: {level}"]


def _home(name: str) -> str | None:
    """Where a public name is defined, as mkdocstrings finds it; None for plain data."""
    import contrapose

    value = getattr(contrapose, name)
    if inspect.ismodule(value):  # a package that is called as its function
        value = getattr(value, name)
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return None
    return f"{value.__module__}.{value.__qualname__}"


def _kind(field: Any) -> str:
    """Type and range of a field of pydantic, in words."""
    bounds = []
    for mark in field.metadata:
        for attribute, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            bound = getattr(mark, attribute, None)
            if bound is not None:
                bounds.append(f"{sign} {bound:,}" if isinstance(bound, int) else f"{sign} {bound:g}")
    return _cell(", ".join([_type_words(field.annotation), *bounds]))


def _type_words(annotation: Any) -> str:
    """A type as a reader knows it.

    >>> _type_words(int | None), _type_words(Literal["a", "b"]), _type_words(tuple[str, ...])
    ('int', '`a`, `b`', 'list of text')
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if hasattr(annotation, "__metadata__"):
        return _type_words(inner[0])
    if origin in (tuple, list):
        return f"list of {_type_words(inner[0])}"
    if origin is dict:
        return "table"
    if origin is Union or type(annotation).__name__ == "UnionType":
        return ", ".join(_type_words(part) for part in inner if part is not type(None))
    plain = {str: "text", float: "number", int: "int", bool: "true or false", Path: "path"}
    return plain.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value == () or value == {}:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    """Text in a table: a bar would end the cell, and an angle would begin a tag."""
    return re.sub(r"<(?=[A-Za-z/!])", "&lt;", " ".join(str(text).split()).replace("|", "\\|"))

"""Pages that only the built site has: the front page, the changes, and the reference, made from the code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fields import cell, fields_table, type_words

from contrapose.markdown_table import markdown_table

ROOT = Path(__file__).resolve().parent.parent

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
            rows = [(f"`{p.metavar or p.name.upper()}`", cell(p.help or "")) for p in arguments]
            lines += ["", *markdown_table(["argument", "meaning"], rows)]
        if options:
            header = ["option", "value", "default", "meaning"]
            lines += ["", *markdown_table(header, [_option(option) for option in options])]
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


def _option(option: Any) -> tuple[str, str, str, str]:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    annotation = option.type_descriptor.annotation
    value = "" if option.is_flag else (option.metavar or type_words(annotation)).strip("<>")
    default = option.default if option.show_default and option.default not in (None, False, (), []) else ""
    meaning, default_in_words = _without_default(option.help or "")
    default = default_in_words or default
    shown = f"`{default}`" if default != "" else ""
    return names, cell(value), shown, cell(meaning)


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
        lines += ["", f"## [{name}]", "", *fields_table("key", model.model_fields)]
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

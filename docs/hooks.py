"""What mkdocs asks while it builds the site: pages that are made from the code, and the navigation of the methods."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))  # mkdocs loads this file alone; what it imports lies beside it

import prose  # noqa: E402, F401  (mkdocs takes the folder from the path again; docs/docstrings.py needs it later)
import reference_pages  # noqa: E402


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Every page of a method or about adding something is in the navigation: a new one needs no line in mkdocs.yml."""
    entries: list[Any] = list(config.nav or [])
    listed = str(entries)
    for title, pattern in (("Methods", "methods/*.md"), ("Extending", "adding-*.md")):
        section = next(entry[title] for entry in entries if isinstance(entry, dict) and title in entry)
        names = [page.relative_to(DOCS).as_posix() for page in sorted(DOCS.glob(pattern))]
        section += [name for name in names if name not in listed and not name.endswith(".notes.md")]
    config.nav = entries
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages that exist in the site only."""
    for name, text in reference_pages.site_pages().items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A link to a file of the repository that is no page is its text alone: the site does not hold that file."""

    def text_alone(link: re.Match[str]) -> str:
        target = (DOCS / page.file.src_uri).parent / link.group(2)
        outside = not target.resolve().is_relative_to(DOCS)
        return link.group(1) if outside and target.exists() else link.group(0)

    return re.sub(r"\[([^\]]+)\]\(([^)#:]+)\)", text_alone, markdown)

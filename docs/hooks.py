"""What mkdocs asks while it builds the site: pages that are made from the code, and the navigation of the methods."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS = Path(__file__).resolve().parent


def _from_code() -> ModuleType:
    """docs/from_code.py, which is no package: mkdocs loads this file by its path alone."""
    if "docs_from_code" not in sys.modules:
        spec = importlib.util.spec_from_file_location("docs_from_code", DOCS / "from_code.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return sys.modules["docs_from_code"]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Every method page stands in the navigation, so that a new method needs no line in mkdocs.yml."""
    entries: list[Any] = list(config.nav or [])
    for entry in entries:
        if isinstance(entry, dict) and "Methods" in entry:
            overview, *others = entry["Methods"]
            pages = [f"methods/{path.name}" for path in sorted((DOCS / "methods").glob("*.md"))]
            pages = [page for page in pages if not page.endswith(".notes.md")]
            entry["Methods"] = [overview, *(page for page in pages), *others]
    config.nav = entries
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages that exist in the site only."""
    for name, text in _from_code().site_pages().items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A link to a file of the repository that is no page is its text alone: the site does not hold that file."""

    def text_alone(link: re.Match[str]) -> str:
        target = (DOCS / page.file.src_uri).parent / link.group(2)
        outside = not target.resolve().is_relative_to(DOCS)
        return link.group(1) if outside and target.exists() else link.group(0)

    return re.sub(r"\[([^\]]+)\]\(([^)#:]+)\)", text_alone, markdown)

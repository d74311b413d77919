"""The site builds without a warning, every link of it leads somewhere, and it fetches nothing from elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from contrapose.objectives.catalogue import all_methods
from tests.docs.conftest import ROOT
from tests.waiting import PATIENCE

pytest.importorskip("mkdocs")


class Page(HTMLParser):
    """The places that a page has, where it leads, and what a browser fetches to show it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in ("script", "img", "iframe", "source") and "src" in given:
            self.fetched.append(given["src"])
        if tag == "link" and given.get("rel") in (
            "stylesheet",
            "preconnect",
            "icon",
            "preload",
            "modulepreload",
        ):
            self.fetched.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}


def test_every_link_of_the_site_leads_to_a_page_and_a_place_on_it(pages: dict[Path, Page]) -> None:
    followed, broken = 0, []
    for path, page in pages.items():
        for link in page.links:
            address = urlsplit(link)
            if address.scheme or address.netloc:
                assert address.scheme in ("https", "mailto"), f"{path.name}: {link}"
                continue
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            target = target / "index.html" if target.is_dir() else target
            there = target.is_file() and (
                not address.fragment
                or target not in pages
                or unquote(address.fragment) in pages[target].anchors
            )
            followed += 1
            if not there:
                broken.append(f"{path.name}: {link}")
    assert followed > 1_000
    assert broken == []


def test_the_pages_fetch_nothing_from_elsewhere(pages: dict[Path, Page]) -> None:
    fetched = [address for page in pages.values() for address in page.fetched]
    assert fetched
    assert [address for address in fetched if urlsplit(address).scheme or urlsplit(address).netloc] == []


def test_every_method_and_every_verb_has_its_place(site: Path, pages: dict[Path, Page]) -> None:
    for name in all_methods():
        assert site / "methods" / f"{name}.html" in pages, f"{name}: run make docs"
    verbs = pages[site / "reference/cli.html"].anchors
    assert {"contrapose-train", "contrapose-evaluate", "contrapose-runs-compare"} <= verbs
    assert "contrapose-study" not in verbs  # hidden: it only says what replaces it
    assert "<td>int</td>" in (site / "reference/cli.html").read_text("utf-8"), (
        "a type in angles is taken for a tag"
    )
    names = pages[site / "reference/api.html"].anchors
    assert {"contrapose.encoder.encoder.Encoder", "contrapose.train.api.train"} <= names

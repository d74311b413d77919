"""The page in a real browser: Debian's Chromium, driven by Playwright over pipes; the page is opened as a file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contrapose.report import page as pages
from tests.report.conftest import World

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
#: No sandbox: containers often allow none. The rest keeps the browser from looking for updates.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install -c constraints.txt '.[dev]'"
    )
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(pages.render(world.report), encoding="utf-8")
    return path


class Opened:
    """A page, what it said, and what it asked for."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.refused: list[str] = []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("requestfailed", lambda request: self.refused.append(request.failure))
        self.page.goto(file.as_uri())


@pytest.fixture
def opened(browser: Any, file: Path) -> Iterator[Opened]:
    made = Opened(
        browser, file, viewport={"width": 1100, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    yield made
    made.page.close()


def test_no_word_on_the_console_and_no_request(opened: Opened, file: Path) -> None:
    for filter_ in opened.page.query_selector_all("input"):
        if filter_.is_visible():
            filter_.fill("the")
    opened.page.mouse.wheel(0, 20_000)
    assert opened.said == []
    assert opened.asked == [file.as_uri()]
    assert opened.page.evaluate("window.stolen") is None


def test_the_policy_stops_a_script_that_broke_in(opened: Opened) -> None:
    opened.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.stolen = 9';"
        " document.body.append(s); const i = new Image(); i.src = 'http://127.0.0.1:9/x.png'; }"
    )
    assert opened.page.evaluate("window.stolen") is None
    assert any("Content Security Policy" in line for line in opened.said)
    opened.page.wait_for_timeout(50)
    assert opened.refused == ["csp"]


def test_every_picture_has_marks_of_data_that_are_not_all_in_one_place(opened: Opened) -> None:
    opened.page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    found = opened.page.evaluate(
        """() => Array.from(document.querySelectorAll('svg.chart'), (chart) => {
            const marks = Array.from(chart.querySelectorAll('.mark, .hist'));
            const boxes = marks.map((mark) => mark.getBoundingClientRect());
            return [chart.getAttribute('aria-label'), marks.length,
                    new Set(boxes.map((box) => Math.round(box.x) + ' ' + Math.round(box.y))).size,
                    boxes.every((box) => Number.isFinite(box.x) && box.width >= 0)];
        })"""
    )
    assert len(found) > 20
    for label, marks, places, finite in found:
        assert marks >= 1, label
        assert finite, label
        assert places > 1 or marks == 1 or "Differences" in label, label


@pytest.mark.parametrize("section", ["neighbours", "suspects"])
def test_typing_hides_the_rows_that_do_not_hold_the_word(opened: Opened, section: str) -> None:
    rows = opened.page.locator(f"#{section} .list").first.locator(".row")
    field = opened.page.locator(f"#{section} input").first
    shown = rows.filter(visible=True).count()
    assert shown > 1
    field.fill("no such word anywhere")
    assert rows.filter(visible=True).count() == 0
    assert opened.page.locator(f"#{section} output").first.inner_text().startswith("0 of ")
    word = rows.nth(0).text_content().split()[0]
    field.fill(word.upper())
    left = rows.filter(visible=True)
    assert left.count() >= 1
    assert all(word.lower() in text.lower() for text in left.all_text_contents())
    field.fill("")
    assert rows.filter(visible=True).count() == shown


def test_show_all_shows_all(opened: Opened) -> None:
    rows = opened.page.locator("#neighbours .list").first.locator(".row")
    assert rows.filter(visible=True).count() < rows.count()
    opened.page.locator("#neighbours .more").first.click()
    assert rows.filter(visible=True).count() == rows.count()


def test_the_map_lights_up_and_tells_its_sentences(opened: Opened) -> None:
    seen = opened.page.locator("#map .seen").first
    texts = seen.locator(".texts li").all_text_contents()
    word = max(texts[0].split(), key=len)
    seen.locator("input").fill(word)
    lit = seen.locator("[data-i]:not(.off)").count()
    assert (
        0 < lit == 4 * sum(word.lower() in text.lower() for text in texts) < seen.locator("[data-i]").count()
    )
    seen.locator("input").fill("")
    assert seen.locator(".off").count() == 0
    point = seen.locator("svg.map").first.locator("[data-i='3']")
    for _ in range(20):  # a page that still scrolls hides what is told again, as it should
        opened.page.mouse.move(0, 0)
        point.hover(force=True)
        opened.page.wait_for_timeout(50)
        if seen.locator(".point.on").count():
            break
    number = int(opened.page.evaluate("document.querySelector('.point.on').dataset.i"))
    assert opened.page.locator("#tip").inner_text().split() == texts[number].split()
    assert seen.locator(f".on[data-i='{number}']").count() == 4


def test_light_and_dark(browser: Any, file: Path, opened: Opened) -> None:
    def page_colour(page: Any) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = page_colour(opened.page)
    opened.page.click("#theme")
    dark = page_colour(opened.page)
    assert dark != light
    opened.page.click("#theme")
    assert page_colour(opened.page) == light
    at_night = Opened(browser, file, color_scheme="dark")
    assert page_colour(at_night.page) == dark
    at_night.page.click("#theme")
    assert page_colour(at_night.page) == light
    at_night.page.close()


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_needs_no_sideways_scrolling(browser: Any, file: Path, width: int) -> None:
    phone = Opened(browser, file, viewport={"width": width, "height": 844}, has_touch=True)
    phone.page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= width
    assert phone.page.evaluate(
        "Array.from(document.querySelectorAll('.scroll')).some((b) => b.scrollWidth > b.clientWidth)"
    )
    phone.page.close()


def test_print_unfolds_everything_and_hides_the_controls(opened: Opened) -> None:
    closed = opened.page.evaluate("document.querySelectorAll('details:not([open])').length")
    assert closed > 0
    opened.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    opened.page.emulate_media(media="print")
    assert opened.page.evaluate("document.querySelectorAll('details:not([open])').length") == 0
    assert not opened.page.locator("#theme").is_visible()
    assert not opened.page.locator(".filter").first.is_visible()
    opened.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert opened.page.evaluate("document.querySelectorAll('details:not([open])').length") == closed


def test_without_a_script_everything_is_there(browser: Any, file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    rows = page.locator("#neighbours .list").first.locator(".row")
    assert rows.filter(visible=True).count() == rows.count() > 0
    assert not page.locator("#theme").is_visible()
    context.close()


def test_chromium_is_looked_for_on_the_path() -> None:
    assert CHROMIUM is not None
    assert os.access(CHROMIUM, os.X_OK)

"""What is written: the same facts in three forms, and no text of the user that becomes anything but text."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from contrapose.outputs import MARKS
from contrapose.report import charts, markdown, page
from contrapose.report.axes import ticks
from contrapose.report.record import PathPoint, Report
from contrapose.report.svg import Frame
from tests.report.conftest import HOSTILE, World

VOID = {"meta", "link", "br", "input", "img"}


class Reader(HTMLParser):
    """Which tags and attributes there are, and whether every tag is closed in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def html(world: World) -> str:
    return page.render(world.report)


@pytest.fixture(scope="module")
def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


def test_hostile_text_stays_text(world: World, html: str, read: Reader) -> None:
    told = "".join(read.text)
    owns = [run.own for run in world.report.runs if run.own is not None]
    hostile = [
        text for own in owns for text in own.texts if any(text[:12] == given[:12] for given in HOSTILE)
    ]
    assert len({text[:12] for text in hostile}) > 6  # nearly every kind of them was held out, and is shown
    assert any("stolen" in text for text in hostile)
    assert any(text.startswith("word word") and len(text) == 300 for text in hostile)
    for text in hostile:
        assert text in told
    assert read.tags.count("script") == 1
    assert not {"img", "iframe", "object", "template", "i"} & set(read.tags)
    assert not [name for name, _ in read.attributes if name.startswith("on") or name == "style"]
    assert "\0" not in html
    assert "<i>first" in told


def test_no_template_of_the_page_turns_escaping_off() -> None:
    templates = [
        each for each in (files("contrapose.report") / "templates").iterdir() if ".html" in each.name
    ]
    assert len(templates) >= 5
    for template in templates:
        assert not re.search(r"\|\s*safe|autoescape", template.read_text(encoding="utf-8")), template.name


def test_nothing_is_fetched(html: str, read: Reader) -> None:
    addresses = [
        value for name, value in read.attributes if name in ("src", "href", "srcset", "action", "data")
    ]
    assert addresses
    assert all(str(value).startswith(("#", "data:,")) for value in addresses)
    assert "url(" not in html
    assert "@import" not in html


def test_the_policy_allows_this_script_and_style_and_nothing_else(html: str) -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_every_picture_says_what_it_shows(html: str) -> None:
    pictures = re.findall(r'<svg class="chart[^>]*>', html)
    assert len(pictures) > 20
    assert all('role="img"' in each and re.search(r'aria-label="[^"]{20,}', each) for each in pictures)


def test_every_section_has_something_in_it(html: str) -> None:
    for name, heading, _ in page.SECTIONS:
        if name == "adaptations":  # a report of their own: test_adaptations.py
            continue
        assert f'<section id="{name}"' in html
        assert f'href="#{name}">{heading}' in html


def test_a_report_of_trials_alone_has_no_empty_sections(world: World) -> None:
    html = page.render(replace(world.report, runs=()))
    assert re.findall(r'<section id="(\w+)"', html) == ["trials"]
    assert "ledger" not in html


def test_scores_are_written_with_interval_and_words(world: World, html: str) -> None:
    for run in world.report.runs:
        (paired,) = [score for score in run.scores if score.difference is not None]
        assert paired.difference is not None
        assert f"{paired.difference.value:+.2f}" in html
        assert f"[{paired.difference.low:+.2f}, {paired.difference.high:+.2f}]" in html
        assert paired.difference.words in html
        assert paired.after is not None
        assert paired.after.entry in html


def test_markdown_holds_the_same_facts_and_no_markup_of_the_user(world: World) -> None:
    text = markdown.render(world.report)
    for run in world.report.runs:
        (paired,) = [score for score in run.scores if score.difference is not None]
        assert paired.difference is not None
        assert f"{paired.difference.value:+.2f}" in text
    outside_code = re.sub(r"(?m)^    contrapose .*$", "", text)
    assert not re.search(r"<(?!br)", outside_code.replace(MARKS["md"], ""))
    assert not re.search(r"(?<!\\)\]\(", outside_code)
    assert "\0" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    widths = {}
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = block.splitlines()
        widths[lines[0]] = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert widths
    assert all(len(found) == 1 for found in widths.values()), widths


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<b>", "&lt;b&gt;"),
        ("a\0b", "a\ufffdb"),
        ("\ud800", "\ufffd"),
        ('"', "&#34;"),
        ("'", "&#39;"),
        ("&lt;", "&amp;lt;"),
        ("{{ 7 * 7 }}{% if %}", "{{ 7 * 7 }}{% if %}"),
    ],
)
def test_names_and_notes_are_escaped_wherever_they_stand(world: World, text: str, written: str) -> None:
    """In the title, in attributes of pictures, in tables and in notes; nothing of it is a template either."""
    runs = tuple(replace(run, name=f"{text} {n}", notes=(text,)) for n, run in enumerate(world.report.runs))
    html = page.render(replace(world.report, runs=runs))
    html.encode("utf-8")
    assert html.count(f"{written} 0") > 8
    assert f"<title>{written} 0, {written} 1" in html
    assert f'data-tip="{written} 0' in html
    assert text == written or f"{text} 0" not in html


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-4.2, -3.1), (1e-9, 2e-9), (0, 1e9), (-1e-3, 1e-3)])
def test_ticks_lie_inside_and_are_few(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 11
    assert all(low - 1e-12 <= value <= high + 1e-3 * high for value in found)


def test_a_single_point_has_a_place_inside_the_frame() -> None:
    frame = Frame.around([3.0], [5.0])
    assert frame.left < frame.x(3.0) < frame.width
    assert frame.top < frame.y(5.0) < frame.height


def test_the_plane_draws_the_path_from_ring_to_mark(world: World) -> None:
    path = (
        PathPoint(step=0, alignment=1.0, uniformity=-2.0),
        PathPoint(step=9, alignment=0.5, uniformity=-3.0),
    )
    drawn = charts.plane([replace(world.report.runs[0], path=path)])
    assert drawn is not None
    svg = drawn.svg
    assert svg.count('class="mark s0') == 2
    assert charts.model_index(replace(world.report.runs[0], path=path, chosen_step=None)) == 1
    assert charts.model_index(replace(world.report.runs[0], path=path, chosen_step=0)) == 0
    assert "hollow" in svg
    assert "step 9" in svg
    assert charts.plane([replace(world.report.runs[0], path=())]) is None


def test_the_title_names_at_most_three(world: World) -> None:
    run = world.report.runs[0]
    many = replace(world.report, runs=tuple(replace(run, name=str(n)) for n in range(5)))
    assert page.title(many) == "0, 1, 2 and 2 more"
    assert isinstance(many, Report)

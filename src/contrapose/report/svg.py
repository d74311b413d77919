"""Pictures as SVG text: escaping, scales, axes, marks. Colours are classes: light and dark need no second picture."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from contrapose.report.axes import labelled, spanned, ticks

#: Characters that HTML cannot hold, or that a browser would act on: controls, lone surrogates, non-characters.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")

#: A mark's shape says its group without colour.
SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring")


def esc(text: object) -> str:
    """``text`` for HTML, as content or inside quotes; what HTML cannot hold becomes U+FFFD.

    >>> esc('<script>"a" & b' + chr(0))
    '&lt;script&gt;&quot;a&quot; &amp; b\ufffd'
    """
    return html.escape(_UNFIT.sub("\ufffd", str(text)), quote=True)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A drawing area with linear scales."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    width: float = 400
    height: float = 240
    left: float = 46
    right: float = 12
    top: float = 10
    bottom: float = 38

    @classmethod
    def around(
        cls,
        xs: Sequence[float],
        ys: Sequence[float],
        *,
        x_air: float = 0.0,
        y_air: float = 0.06,
        y_bounds: tuple[float | None, float | None] = (None, None),
        **sizes: float,
    ) -> Frame:
        """A frame that holds all points; air as a share of their range, and some around a single value.

        y_bounds: what no value can lie below or above (a share: 0 and 1), so the axis does not either.
        """
        x_low, x_high = spanned(xs, x_air)
        y_low, y_high = spanned(ys, y_air, *y_bounds)
        return cls(x_low=x_low, x_high=x_high, y_low=y_low, y_high=y_high, **sizes)

    def x(self, value: float) -> float:
        span = self.width - self.left - self.right
        return round(self.left + span * (value - self.x_low) / (self.x_high - self.x_low), 2)

    def y(self, value: float) -> float:
        span = self.height - self.top - self.bottom
        return round(self.top + span * (self.y_high - value) / (self.y_high - self.y_low), 2)

    def axes(self, x_title: str = "", y_title: str = "", *, whole_x: bool = False) -> str:
        """Grid, numbers and titles; ``whole_x``: the numbers along x are counted, as steps are."""
        parts = []
        right, base = self.width - self.right, self.height - self.bottom
        for value, words in labelled(ticks(self.y_low, self.y_high)):
            y = self.y(value)
            parts.append(f'<line class="grid" x1="{self.left}" x2="{right}" y1="{y}" y2="{y}"/>')
            parts.append(
                f'<text class="tick" x="{self.left - 6}" y="{y + 4}" text-anchor="end">{words}</text>'
            )
        for value, words in labelled(ticks(self.x_low, self.x_high, whole=whole_x)):
            x = self.x(value)
            parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{base}" y2="{base + 4}"/>')
            parts.append(f'<text class="tick" x="{x}" y="{base + 16}" text-anchor="middle">{words}</text>')
        parts.append(f'<line class="axis" x1="{self.left}" x2="{right}" y1="{base}" y2="{base}"/>')
        middle = (self.left + right) / 2
        if x_title:
            parts.append(
                f'<text class="name" x="{middle}" y="{self.height - 5}" text-anchor="middle">{esc(x_title)}</text>'
            )
        if y_title:
            y = (self.top + base) / 2
            parts.append(
                f'<text class="name" transform="translate(11 {y}) rotate(-90)" text-anchor="middle">'
                f"{esc(y_title)}</text>"
            )
        return "".join(parts)


def picture(body: str, label: str, *, width: float = 400, height: float = 240, kind: str = "chart") -> str:
    """The SVG itself; ``label`` tells what it shows to those who cannot see it."""
    return (
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{esc(label)}" '
        f'preserveAspectRatio="xMidYMid meet">{body}</svg>'
    )


def figure(picture_html: str, title: str = "", about: str = "") -> str:
    """A picture with its title above and a line of explanation beneath it."""
    head = f'<p class="title">{esc(title)}</p>' if title else ""
    tail = f"<figcaption>{esc(about)}</figcaption>" if about else ""
    return f"<figure>{head}{picture_html}{tail}</figure>"


def line(points: Sequence[tuple[float, float]], kind: str) -> str:
    """A polyline through screen points."""
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polyline class="{kind}" points="{path}"/>'


def mark(shape: str, x: float, y: float, kind: str, *, size: float = 4, extra: str = "") -> str:
    """A mark of one of :data:`SHAPES` around a point."""
    common = f'class="mark {kind}" {extra}'
    if shape in ("circle", "ring"):
        hollow = " hollow" if shape == "ring" else ""
        return f'<circle class="mark {kind}{hollow}" {extra} cx="{x:g}" cy="{y:g}" r="{size:g}"/>'
    if shape == "square":
        side = 1.8 * size
        return (
            f'<rect {common} x="{x - side / 2:g}" y="{y - side / 2:g}" width="{side:g}" height="{side:g}"/>'
        )
    corners = {
        "triangle": [(0, -1.25), (1.15, 0.85), (-1.15, 0.85)],
        "diamond": [(0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)],
        "cross": [(-0.4, -1.3), (0.4, -1.3), (0.4, -0.4), (1.3, -0.4), (1.3, 0.4), (0.4, 0.4), (0.4, 1.3),
                  (-0.4, 1.3), (-0.4, 0.4), (-1.3, 0.4), (-1.3, -0.4), (-0.4, -0.4)],
    }[shape]  # fmt: skip
    path = " ".join(f"{x + size * dx:g},{y + size * dy:g}" for dx, dy in corners)
    return f'<polygon {common} points="{path}"/>'


def tip(text: object) -> str:
    """The attribute that shows ``text`` when a mark is pointed at."""
    return f'data-tip="{esc(text)}"'


def key(entries: Sequence[tuple[str, str]]) -> str:
    """A legend: (small SVG, words) pairs."""
    items = "".join(f"<li>{drawing}<bdi>{esc(words)}</bdi></li>" for drawing, words in entries)
    return f'<ul class="key">{items}</ul>'


def swatch(body: str) -> str:
    """A small drawing for a legend."""
    return f'<svg class="swatch" viewBox="0 0 24 14" aria-hidden="true">{body}</svg>'

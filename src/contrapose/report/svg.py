"""Pictures as SVG: elements, scales, axes, marks. Colours are classes: light and dark need no second picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from contrapose.report.axes import labelled, spanned, ticks

#: A mark's shape says its group without colour.
SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring")
#: Corners of the shapes that are polygons, around their middle.
_CORNERS = {
    "triangle": [(0, -1.25), (1.15, 0.85), (-1.15, 0.85)],
    "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    "diamond": [(0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)],
    "cross": [(-0.4, -1.3), (0.4, -1.3), (0.4, -0.4), (1.3, -0.4), (1.3, 0.4), (0.4, 0.4), (0.4, 1.3),
              (-0.4, 1.3), (-0.4, 0.4), (-1.3, 0.4), (-1.3, -0.4), (-0.4, -0.4)],
}  # fmt: skip


def element(tag: str, *content: str, **attributes: Any) -> Markup:
    """One element; what is in it is escaped unless it is markup already, and attributes that are None are left out.

    >>> element("text", "a < b", class_="tick", data_tip='"', x=1.50)
    Markup('<text class="tick" data-tip="&#34;" x="1.5">a &lt; b</text>')
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(f"{value:g}" if isinstance(value, float) else value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    inner = Markup("").join(content)
    return Markup(f"<{tag}{written}>{inner}</{tag}>" if content else f"<{tag}{written}/>")


def words(text: object, x: float, y: float, kind: str = "tick", anchor: str | None = "middle") -> Markup:
    """A line of text in a picture."""
    return element("text", str(text), class_=kind, x=float(x), y=float(y), text_anchor=anchor)


def straight(kind: str, x1: float, y1: float, x2: float, y2: float, **attributes: Any) -> Markup:
    """A straight line."""
    ends = {name: float(value) for name, value in {"x1": x1, "x2": x2, "y1": y1, "y2": y2}.items()}
    return element("line", class_=kind, **ends, **attributes)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A picture with a title above it and a line of explanation beneath; what draws nothing gives none."""

    svg: Markup
    title: str = ""
    about: str = ""


#: A legend: small drawings, and what each stands for.
Legend = list[tuple[Markup, str]]


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

    def axes(self, x_title: str = "", y_title: str = "", *, whole_x: bool = False) -> Markup:
        """Grid, numbers and titles; ``whole_x``: the numbers along x are counted, as steps are."""
        right, base = self.width - self.right, self.height - self.bottom
        parts = []
        for value, label in labelled(ticks(self.y_low, self.y_high)):
            y = self.y(value)
            parts += [
                straight("grid", self.left, y, right, y),
                words(label, self.left - 6, y + 4, anchor="end"),
            ]
        for value, label in labelled(ticks(self.x_low, self.x_high, whole=whole_x)):
            x = self.x(value)
            parts += [straight("grid", x, base, x, base + 4), words(label, x, base + 16)]
        parts.append(straight("axis", self.left, base, right, base))
        if x_title:
            parts.append(words(x_title, (self.left + right) / 2, self.height - 5, "name"))
        if y_title:
            parts.append(upright(y_title, (self.top + base) / 2))
        return Markup("").join(parts)


def upright(title: str, y: float) -> Markup:
    """The title of the axis at the left, read from below."""
    turned = f"translate(11 {y:g}) rotate(-90)"
    return element("text", title, class_="name", transform=turned, text_anchor="middle")


def picture(
    parts: Sequence[Markup], label: str, *, width: float = 400, height: float = 240, kind: str = "chart"
) -> Markup:
    """The SVG itself; ``label`` tells what it shows to those who cannot see it."""
    box = {"viewBox": f"0 0 {width:g} {height:g}", "preserveAspectRatio": "xMidYMid meet"}
    return element("svg", *parts, class_=kind, role="img", aria_label=label, **box)


def line(points: Sequence[tuple[float, float]], kind: str) -> Markup:
    """A polyline through screen points."""
    return element("polyline", class_=kind, points=" ".join(f"{x:g},{y:g}" for x, y in points))


def mark(shape: str, x: float, y: float, kind: str, *, size: float = 4, **attributes: Any) -> Markup:
    """A mark of one of :data:`SHAPES` around a point; ``data_tip``: what is shown when it is pointed at."""
    if shape in ("circle", "ring"):
        hollow = " hollow" if shape == "ring" else ""
        around = {"cx": float(x), "cy": float(y), "r": float(size)}
        return element("circle", class_=f"mark {kind}{hollow}", **attributes, **around)
    corners = " ".join(f"{x + size * dx:g},{y + size * dy:g}" for dx, dy in _CORNERS[shape])
    return element("polygon", class_=f"mark {kind}", **attributes, points=corners)


def swatch(*parts: Markup) -> Markup:
    """A small drawing for a legend."""
    return element("svg", *parts, class_="swatch", viewBox="0 0 24 14", aria_hidden="true")

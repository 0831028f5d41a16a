"""A diagram as SVG: one picture that stands alone, in a page or a notebook, in light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eproxyctl.contracts import Diagram, Look, Panel, Vertex
from eproxyctl.drawing.layout import Laid, lay
from eproxyctl.drawing.levels import strip
from eproxyctl.drawing.style import STYLE
from eproxyctl.drawing.text import MONOSPACE_EM, escaped, number, width, wrapped

FONT, SMALL = 12.0, 11.0
BOX_HEIGHT, VALUE = 24.0, 20.0
MARGIN, BETWEEN, COLUMNS = 14.0, 22.0, 100
LOOKS: dict[Look, str] = {
    "convolution": "convolution",
    "separable": "separable or dilated convolution",
    "pooling": "pooling",
    "skip": "skip",
    "linear": "linear map",
    "activation": "activation",
    "arithmetic": "sum, product, blend",
    "none": "none",
}
"""What the legend calls an operation."""
DEAD = "dead: no output depends on it"


@dataclass(frozen=True)
class SvgPart:
    """A piece of the picture and its size."""

    svg: str
    width: float
    height: float


def render(diagram: Diagram, title: str, *, heading: bool = True, resolution: int | None = None) -> str:
    """The picture.

    Args:
        title: what it is of; read out by screen readers.
        heading: whether the title stands above it.
        resolution: side of an input in pixels, from which those of the levels follow.
    """
    parts = [_heading(title)] if heading else []
    parts += [_panel(panel) for panel in diagram.panels]
    if diagram.levels:
        parts.append(SvgPart(*strip(diagram.levels, resolution)))
    parts.append(_legend(diagram.panels))
    total = max(part.width for part in parts) + 2 * MARGIN
    placed, y = [], MARGIN
    for part in parts:
        placed.append(f'<g transform="translate({number(MARGIN)} {number(y)})">{part.svg}</g>')
        y += part.height + BETWEEN
    w, h = number(total), number(y - BETWEEN + MARGIN)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ep-drawing" role="img" aria-label="{escaped(title)}" '
        f'width="{w}" height="{h}" viewBox="0 0 {w} {h}"><title>{escaped(title)}</title><style>{STYLE}</style>'
        f'<rect class="ground" width="{w}" height="{h}"/>{"".join(placed)}</svg>\n'
    )


def _heading(title: str) -> SvgPart:
    lines = wrapped(title, COLUMNS)
    rows = "".join(
        f'<text class="key" x="0" y="{number(11 + 15 * i)}">{escaped(t)}</text>' for i, t in enumerate(lines)
    )
    return SvgPart(rows, SMALL * MONOSPACE_EM * max(map(len, lines)), 15.0 * len(lines))


def _panel(panel: Panel) -> SvgPart:
    laid = lay(panel, {vertex.name: _size(vertex) for vertex in panel.vertices})
    top = 24.0
    below = sorted(laid.ways, key=lambda way: not way[0].dead)
    arrows = "".join(_arrow(points, dead=arrow.dead) for arrow, points in below)
    vertices = "".join(_vertex(vertex, laid) for vertex in panel.vertices)
    drawn = f'<text class="head" x="0" y="12">{escaped(panel.title)}</text><g transform="translate(0 {number(top)})">'
    drawn += f"{arrows}{vertices}</g>"
    height, wide = top + laid.height, max(laid.width, width(panel.title, 13))
    if panel.note:
        drawn += f'<text class="note" x="0" y="{number(height + 18)}">{escaped(panel.note)}</text>'
        height, wide = height + 22, max(wide, width(panel.note, SMALL))
    return SvgPart(drawn, wide, height)


def _size(vertex: Vertex) -> tuple[float, float]:
    if vertex.look == "value" and len(vertex.label) <= 1:
        return VALUE, VALUE
    return max(30.0, width(vertex.label, FONT) + 16), BOX_HEIGHT


def _vertex(vertex: Vertex, laid: Laid) -> str:
    box = laid.boxes[vertex.name]
    look = vertex.look if vertex.look in LOOKS or vertex.look in ("input", "output") else "value"
    radius = box.height / 2 if look in ("input", "output", "value") else 5
    left, top = number(box.x - box.width / 2), number(box.y - box.height / 2)
    return (
        f'<g class="{"dead" if vertex.dead else look}"><title>{escaped(_told(vertex))}</title>'
        f'<rect x="{left}" y="{top}" width="{number(box.width)}" height="{number(box.height)}" rx="{number(radius)}"/>'
        f'<text class="in" x="{number(box.x)}" y="{number(box.y + 4)}">{escaped(vertex.label)}</text></g>'
    )


def _told(vertex: Vertex) -> str:
    return (vertex.detail or vertex.label) + (" (dead)" if vertex.dead else "")


def _arrow(points: Sequence[tuple[float, float]], *, dead: bool) -> str:
    (x, y), tip = points[0], points[-1]
    path = f"M{number(x)} {number(y)}"
    for i, (to_x, to_y) in enumerate(points[1:]):
        end = min(to_x, tip[0] - 5)
        if i % 2 == 0:
            path += f"L{number(end)} {number(to_y)}"
        else:
            half = (x + end) / 2
            path += f"C{number(half)} {number(y)} {number(half)} {number(to_y)} {number(end)} {number(to_y)}"
        x, y = end, to_y
    head = f"M{number(tip[0])} {number(tip[1])}l-7 -3.5v7z"
    return f'<g class="{"arrow dead" if dead else "arrow"}"><path d="{path}"/><path class="tip" d="{head}"/></g>'


def _legend(panels: Sequence[Panel]) -> SvgPart:
    """The operations that occur, each with its colour, in lines."""
    vertices = [vertex for panel in panels for vertex in panel.vertices]
    entries = [(look, name) for look, name in LOOKS.items() if any(v.look == look and not v.dead for v in vertices)]
    entries = [entry for entry in entries if entry[0] != "none"]
    shown = [(str(look), name) for look, name in entries]
    if any(vertex.dead for vertex in vertices):
        shown.append(("dead", DEAD))
    svg, x, y, widest = "", 0.0, 0.0, 0.0
    for look, name in shown:
        taken = 20 + width(name, SMALL) + 16
        if x and x + taken > 560:
            x, y = 0.0, y + 20
        svg += f'<g class="{look}"><rect x="{number(x)}" y="{number(y)}" width="14" height="14" rx="3"/></g>'
        svg += f'<text class="note" x="{number(x + 20)}" y="{number(y + 11)}">{escaped(name)}</text>'
        x += taken
        widest = max(widest, x)
    return SvgPart(svg, widest, y + 16 if shown else 0)

"""A layered layout of a directed graph, from left to right (Sugiyama, Tagawa and Toda, IEEE Trans. SMC 1981).

Vertices are put into layers by their longest way from a source, arrows over several layers get a bend in each, the
order inside a layer is that of the mean of the neighbours' places, and heights are smoothed without changing the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise

from eproxyctl.contracts import Arrow, Panel

SWEEPS = 12
ROUNDS = 60
BEND = 8.0
"""Height that an arrow takes where it passes a layer."""


@dataclass(frozen=True)
class Box:
    """A vertex as it stands: its centre, width and height."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Laid:
    """A panel laid out: boxes by the vertices' names, the points each arrow goes through, and the size of the whole."""

    boxes: Mapping[str, Box]
    ways: Sequence[tuple[Arrow, tuple[tuple[float, float], ...]]]
    width: float
    height: float


def lay(panel: Panel, sizes: Mapping[str, tuple[float, float]], gap: tuple[float, float] = (34.0, 12.0)) -> Laid:
    """Where everything goes.

    Args:
        panel: without circles.
        sizes: width and height of each vertex.
        gap: between layers, and between vertices of a layer.
    """
    layers = _layers(panel)
    rows, chains = _rows(panel, layers)
    height = {item: sizes[item][1] if isinstance(item, str) else BEND for row in rows for item in row}
    links = [pair for chain in chains for pair in pairwise(chain)]
    rows = _ordered(rows, links)
    y = _heights(rows, links, height, gap[1])
    widths = [max((sizes[item][0] for item in row if isinstance(item, str)), default=0.0) for row in rows]
    x = [sum(widths[:i]) + gap[0] * i + width / 2 for i, width in enumerate(widths)]
    boxes = {name: Box(x[layers[name]], y[name], *sizes[name]) for name in sizes}
    ways = [(arrow, _points(boxes, chain, x, y, widths)) for arrow, chain in zip(panel.arrows, chains, strict=True)]
    bottom = max(y[item] + height[item] / 2 for item in height)
    return Laid(boxes, ways, sum(widths) + gap[0] * (len(widths) - 1), bottom)


Item = str | tuple[int, int]
"""A vertex by its name, or the bend of an arrow in a layer: (arrow, layer)."""
Links = Sequence[tuple[Item, Item]]


def _layers(panel: Panel) -> dict[str, int]:
    """Arrows on the longest way to each vertex; outputs all stand at the end."""
    before = panel.before
    layers: dict[str, int] = {}
    for name in TopologicalSorter(before).static_order():
        layers[name] = 1 + max((layers[other] for other in before[name]), default=-1)
    last = max(layers.values(), default=0)
    for vertex in panel.vertices:
        if vertex.look == "output":
            layers[vertex.name] = last
    return layers


def _rows(panel: Panel, layers: Mapping[str, int]) -> tuple[list[list[Item]], list[list[Item]]]:
    """What stands in each layer, in the panel's own order, and what each arrow goes through."""
    rows: list[list[Item]] = [[] for _ in range(max(layers.values(), default=0) + 1)]
    for vertex in panel.vertices:
        rows[layers[vertex.name]].append(vertex.name)
    chains: list[list[Item]] = []
    for number, arrow in enumerate(panel.arrows):
        bends: list[Item] = [(number, layer) for layer in range(layers[arrow.source] + 1, layers[arrow.target])]
        for layer, bend in enumerate(bends, start=layers[arrow.source] + 1):
            rows[layer].append(bend)
        chains.append([arrow.source, *bends, arrow.target])
    return rows, chains


def _ordered(rows: list[list[Item]], links: Links) -> list[list[Item]]:
    """The order with the fewest crossings of those that sweeps by barycentres come through; the first of equals."""
    before, after = _neighbours(links)
    best, fewest = rows, _crossings(rows, links)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        rows = [list(row) for row in rows]
        for layer in range(1, len(rows)) if forward else range(len(rows) - 2, -1, -1):
            place = {item: i for i, item in enumerate(rows[layer - 1 if forward else layer + 1])}
            side = before if forward else after
            means = [_mean([place[n] for n in side.get(item, ())], i) for i, item in enumerate(rows[layer])]
            rows[layer] = [item for _, _, item in sorted(zip(means, range(len(means)), rows[layer], strict=True))]
        crossings = _crossings(rows, links)
        if crossings < fewest:
            best, fewest = rows, crossings
    return best


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _neighbours(links: Links) -> tuple[dict[Item, list[Item]], dict[Item, list[Item]]]:
    before: dict[Item, list[Item]] = {}
    after: dict[Item, list[Item]] = {}
    for a, b in links:
        after.setdefault(a, []).append(b)
        before.setdefault(b, []).append(a)
    return before, after


def _crossings(rows: Sequence[Sequence[Item]], links: Links) -> int:
    layer = {item: i for i, row in enumerate(rows) for item in row}
    place = {item: i for row in rows for i, item in enumerate(row)}
    found = 0
    between: list[list[tuple[int, int]]] = [[] for _ in rows]
    for a, b in links:
        between[layer[a]].append((place[a], place[b]))
    for here in between:
        found += sum((a - c) * (b - d) < 0 for k, (a, b) in enumerate(here) for c, d in here[:k])
    return found


def _heights(
    rows: Sequence[Sequence[Item]], links: Links, height: Mapping[Item, float], gap: float
) -> dict[Item, float]:
    """The centre of each item: near the mean of its neighbours, apart from those above and below it; from 0 on."""
    before, after = _neighbours(links)
    y: dict[Item, float] = {}
    for row in rows:
        total = sum(height[item] for item in row) + gap * (len(row) - 1)
        top = -total / 2
        for item in row:
            y[item] = top + height[item] / 2
            top += height[item] + gap
    for turn in range(ROUNDS):
        for row in rows if turn % 2 == 0 else rows[::-1]:
            wanted = [_mean([y[n] for n in (*before.get(item, ()), *after.get(item, ()))], y[item]) for item in row]
            y.update(zip(row, _apart(wanted, [height[item] for item in row], gap), strict=True))
    top = min(y[item] - height[item] / 2 for item in y)
    return {item: value - top for item, value in y.items()}


def _apart(wanted: Sequence[float], heights: Sequence[float], gap: float) -> list[float]:
    """The centres nearest to those wanted, by least squares, that keep the order and do not touch.

    Neighbours that would overlap are pooled and moved together (pool adjacent violators).
    """
    offsets = [0.0]
    for above, below in pairwise(heights):
        offsets.append(offsets[-1] + (above + below) / 2 + gap)
    pools: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        mean, count = want - offset, 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        pools.append((mean, count))
    bases = [mean for mean, count in pools for _ in range(count)]
    return [base + offset for base, offset in zip(bases, offsets, strict=True)]


def _points(
    boxes: Mapping[str, Box],
    chain: Sequence[Item],
    x: Sequence[float],
    y: Mapping[Item, float],
    widths: Sequence[float],
) -> tuple[tuple[float, float], ...]:
    """From the right side of a box, level through each layer between, to the left side of another.

    Points come in pairs: level from the first to the second of a pair, then a curve to the next. So an arrow is level
    beside a wider box of its own layer, and does not cut its corner.
    """
    start, end = boxes[str(chain[0])], boxes[str(chain[-1])]
    edges = {centre: width / 2 for centre, width in zip(x, widths, strict=True)}
    points = [(start.x + start.width / 2, start.y), (start.x + edges[start.x], start.y)]
    for bend in chain[1:-1]:
        layer = bend[1]
        assert isinstance(layer, int)
        points += [(x[layer] - widths[layer] / 2, y[bend]), (x[layer] + widths[layer] / 2, y[bend])]
    return (*points, (end.x - edges[end.x], end.y), (end.x - end.width / 2, end.y))

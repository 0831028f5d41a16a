"""From the cells and blocks of the built-in spaces to diagrams: names of operations, dead parts, rows of blocks."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from eproxyctl.contracts import Arrow, Look, Panel, Vertex

POOL = re.compile(r"(avg|max)_?pool_?(\d)x(\d)")
SIDES = re.compile(r"(\d)x(\d)")
WORDS: dict[str, tuple[str, Look]] = {
    "skip_connect": ("skip", "skip"),
    "none": ("none", "none"),
    "factorized_reduce": ("1×1, halved", "convolution"),
}
PREFIXES: tuple[tuple[str, str, Look], ...] = (
    ("dil_sep_conv", "dil sep", "separable"),
    ("dil_conv", "dil conv", "separable"),
    ("sep_conv", "sep conv", "separable"),
)


def worded(operation: str) -> tuple[str, Look]:
    """(label, look) of an operation by its usual name: `nor_conv_3x3`, `conv3x3-bn-relu`, `max_pool_3x3`, …"""
    if operation in WORDS:
        return WORDS[operation]
    if pool := POOL.search(operation):
        return f"{pool[1]} pool {pool[2]}×{pool[3]}", "pooling"
    sides = ", ".join(f"{a}×{b}" for a, b in SIDES.findall(operation))
    for prefix, short, look in PREFIXES:
        if operation.startswith(prefix):
            return f"{short} {sides}", look
    return f"conv {sides}", "convolution"


def operation_vertex(name: str, kind: str) -> Vertex:
    """The vertex of an operation."""
    label, look = worded(kind)
    return Vertex(name, label, look, detail=kind)


def settled_vertices(
    title: str,
    vertices: Iterable[Vertex],
    arrows: Iterable[tuple[str, str]],
    *,
    sources: Sequence[str],
    outputs: Sequence[str],
    note: str = "",
) -> Panel:
    """A panel whose dead parts are found: what the sources do not reach, or what reaches no output.

    Args:
        vertices: of look `none` let nothing through.
        arrows: pairs of their names.
        sources, outputs: names of the ends; an output is never dead.
    """
    found, pairs = list(vertices), list(arrows)
    closed = {vertex.name for vertex in found if vertex.look == "none"}
    fed = _reached(sources, [(a, b) for a, b in pairs if b not in closed])
    needed = _reached(outputs, [(b, a) for a, b in pairs if a not in closed])
    live = (fed & needed) | set(outputs)
    return Panel(
        title,
        tuple(replace(vertex, dead=vertex.name not in live) for vertex in found),
        tuple(Arrow(a, b, dead=not {a, b} <= live) for a, b in pairs),
        note,
    )


def _reached(start: Iterable[str], pairs: Sequence[tuple[str, str]]) -> set[str]:
    found, pending = set[str](), list(start)
    after: dict[str, list[str]] = {}
    for a, b in pairs:
        after.setdefault(a, []).append(b)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += after.get(name, [])
    return found


def residual_block(title: str, row: Sequence[tuple[str, Look]], shortcut: str | None, note: str = "") -> Panel:
    """A residual block: operations in a row and, beside them, a shortcut that is added at the end.

    Args:
        row: (label, look) of each.
        shortcut: its label; None for a block without one, empty for the plain input.
    """
    vertices = [Vertex("in", "in", "input")]
    vertices += [Vertex(f"{i}", label, look) for i, (label, look) in enumerate(row)]
    names = [vertex.name for vertex in vertices]
    if shortcut is not None:
        vertices.append(Vertex("+", "+", "value", detail="sum"))
        names.append("+")
    arrows = list(itertools.pairwise(names))
    if shortcut:
        vertices.append(Vertex("shortcut", shortcut, "convolution"))
        arrows += [("in", "shortcut"), ("shortcut", "+")]
    elif shortcut is not None:
        arrows.append(("in", "+"))
    vertices.append(Vertex("out", "out", "output"))
    arrows.append((names[-1], "out"))
    return Panel(title, tuple(vertices), tuple(Arrow(a, b) for a, b in arrows), note)


def places(numbers: Sequence[int], noun: str) -> str:
    """`stage 2`, `stages 1 and 3`, `stages 1 to 3`."""
    if len(numbers) == 1:
        return f"{noun} {numbers[0]}"
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{noun}s {numbers[0]} to {numbers[-1]}"
    return f"{noun}s {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def times(count: int, what: str) -> str:
    """`5 × cell`; the thing alone where there is one."""
    return what if count == 1 else f"{count} × {what}"

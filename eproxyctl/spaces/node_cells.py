"""Cells of four nodes and six edges, an operation on each: what NAS-Bench-201 and TransNAS-Bench-101 share.

A cell reduces to `(terms, sums)`. Value 0 is the input; term t is an operation on a value; value k ≥ 1 is the sum of
the terms `sums[k - 1]`; the last value is the output. The networks are built from exactly that.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from eproxyctl.contracts import Panel, Vertex
from eproxyctl.spaces.diagrams import operation_vertex, settled_vertices
from eproxyctl.spaces.patterns import Arrangement
from eproxyctl.spaces.traits import through

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
Cell = tuple[str, ...]
"""The operation on each of EDGES."""
Terms = Sequence[tuple[str, int]]
Sums = Sequence[Sequence[int]]


def describe(terms: Terms, sums: Sums) -> str:
    """The cell as text: `operation~value>sums it is part of` for each term, `none` where there is none."""
    parts = []
    for t, (operation, source) in enumerate(terms):
        targets = [str(k) for k, summed in enumerate(sums, start=1) for u in summed if u == t]
        parts.append(f"{operation}~{source}>{'.'.join(targets)}")
    return "|".join(parts) or "none"


def live_traits(cell: Cell, operations: Sequence[str]) -> dict[str, float]:
    """Of the simplified cell: counts of operations, how they are arranged, and the ways through it.

    Args:
        cell: as written, dead parts included.
        operations: that the space has; `none` is not counted, a skip only where it joins the input to a sum.
    """
    terms, sums = simplify(cell)
    sources, outputs = [source for _, source in terms], [len(sums)]
    convolutions = [int("conv" in operation) for operation, _ in terms]
    poolings = [int("pool" in operation) for operation, _ in terms]
    (ways,) = through(sources, convolutions, sums, outputs, 1)
    (pooled,) = through(sources, poolings, sums, outputs, 1)
    counts = Counter(operation for operation, _ in terms)
    live = [operation for operation in operations if operation != "none"]
    return {
        "operations": float(len(terms)),
        "parametric": float(sum(convolutions)),
        "sums": float(len(sums)),
        **ways.traits("paths"),
        "paths.pooling": pooled.walk,
        **{f"count.{operation}": float(counts[operation]) for operation in live},
        **Arrangement(terms, sums).traits(live),
    }


def panel(cell: Cell, title: str, note: str = "") -> Panel:
    """The cell as it is drawn, every edge with its operation."""
    vertices, arrows = [Vertex("0", "in", "input")], []
    vertices += [Vertex(str(node), "+", "value", detail=f"node {node}, a sum") for node in (1, 2)]
    vertices.append(Vertex("3", "out", "output", detail="node 3, a sum"))
    for (a, b), name in zip(EDGES, cell, strict=True):
        vertices.append(operation_vertex(f"{a}-{b}", name))
        arrows += [(str(a), f"{a}-{b}"), (f"{a}-{b}", str(b))]
    return settled_vertices(title, vertices, arrows, sources=["0"], outputs=["3"], note=note)


def official(cell: Cell) -> tuple[list[tuple[str, int]], list[list[int]]]:
    """(terms, sums) of the cell as the benchmark builds it: every edge but `none`, dead or not."""
    terms: list[tuple[str, int]] = []
    sums: list[list[int]] = [[], [], []]
    for (a, b), operation in zip(EDGES, cell, strict=True):
        if operation != "none":
            sums[b - 1].append(len(terms))
            terms.append((operation, a))
    return terms, sums


@lru_cache(maxsize=4_096)
def simplify(cell: Cell) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[int, ...], ...]]:
    """(terms, sums) of the smallest cell that computes the same, in an order that depends on the function only.

    `none` and dead edges are dropped, skips contracted, sums flattened. A convolution is known by its edge, since each
    edge owns its weights; pooling, which has none, by what it pools. Of the orders of intermediate values the
    least is taken, so that cells that differ by their nodes' order come out equal: 5,260 of 15,625 in NAS-Bench-201.
    """
    values, meaning = _values(cell)
    output = values[3]
    live: set[object] = set()
    pending = [term for term in output if term != "x"]
    while pending:
        term = pending.pop()
        if term not in live:
            live.add(term)
            pending += [inner for inner, _ in meaning[term][1] if inner != "x"]
    inputs = {meaning[term][1] for term in live}
    identity = frozenset({("x", 1)})
    candidates = []
    for order in itertools.permutations(inputs - {identity}):
        named = (identity, *order)
        summed = [dict(value) for value in (*order, frozenset(output.items()))]
        terms: list[object] = [*live, *(["x"] if any("x" in s for s in summed) else [])]
        rows = sorted(
            (
                "skip_connect" if term == "x" else meaning[term][0],
                0 if term == "x" else named.index(meaning[term][1]),
                tuple(s.get(term, 0) for s in summed),
            )
            for term in terms
        )
        candidates.append(rows)
    best = min(candidates)
    sums = tuple(
        tuple(t for t, (_, _, times) in enumerate(best) for _ in range(times[k]))
        for k in range(len(inputs - {identity}) + 1)
    )
    return tuple((operation, source) for operation, source, _ in best), sums


Value = frozenset[tuple[object, int]]


def _values(cell: Cell) -> tuple[list[Counter[object]], dict[object, tuple[str, Value]]]:
    """What each node is: how often each term is in its sum, and each term's operation and operand."""
    values: list[Counter[object]] = [Counter({"x": 1})]
    meaning: dict[object, tuple[str, Value]] = {}
    for node in (1, 2, 3):
        value: Counter[object] = Counter()
        for edge, ((a, b), operation) in enumerate(zip(EDGES, cell, strict=True)):
            if b != node or operation == "none" or not values[a]:
                continue
            if operation == "skip_connect":
                value.update(values[a])
                continue
            operand = frozenset(values[a].items())
            term: object = ("pool", operand) if operation == "avg_pool_3x3" else edge
            meaning[term] = (operation, operand)
            value[term] += 1
        values.append(value)
    return values, meaning

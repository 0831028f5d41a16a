"""The graphs of NAS-Bench-101: pruning, order of the vertices, and the benchmark's hash."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from eproxyctl.errors import InvalidArchitecture
from eproxyctl.spaces.patterns import INPUT, Arrangement
from eproxyctl.spaces.traits import Ways, shared, step

VERTICES, EDGES = 7, 9
OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""In the benchmark's own order, which its hash depends on."""


@dataclass(frozen=True)
class Graph:
    """A cell without dead parts, its vertices in an order in which edges go forward.

    Attributes:
        operations: of the inner vertices, which are numbered from 1; 0 is the input, the last the output.
        sources: for each vertex from 1 to the output, the vertices that feed it, ascending.
    """

    operations: tuple[str, ...]
    sources: tuple[tuple[int, ...], ...]

    @property
    def edges(self) -> int:
        return sum(map(len, self.sources))


def _check_forward(pairs: Collection[tuple[int, int]]) -> None:
    for a, b in sorted(pairs):
        if a >= b:
            raise InvalidArchitecture(
                f"the edge from vertex {a} to vertex {b} does not go forward",
                hint="number the vertices so that all edges go from a lower to a higher one; a cycle has no such order",
            )


def prune(pairs: Collection[tuple[int, int]], operations: Sequence[str], *, last: int) -> Graph:
    """What lies on paths from vertex 0 to vertex `last`; InvalidArchitecture where that is nothing or too big.

    Args:
        pairs: the edges, each (from, to).
        operations: of the vertices from 1.
        last: the output.
    """
    _check_forward(pairs)
    reached, needed = {0}, {last}
    for a, b in sorted(pairs):
        if a in reached:
            reached.add(b)
    for a, b in sorted(pairs, reverse=True, key=lambda pair: pair[1]):
        if b in needed:
            needed.add(a)
    live = sorted(reached & needed)
    if len(live) < 2:
        raise InvalidArchitecture("no path from input to output", hint="join vertex 0 to the last one")
    sources = tuple(tuple(live.index(a) for a in live if (a, b) in pairs) for b in live[1:])
    graph = Graph(tuple(operations[v - 1] for v in live[1:-1]), sources)
    if len(live) > VERTICES or graph.edges > EDGES:
        raise InvalidArchitecture(
            f"a cell of {len(live)} vertices and {graph.edges} edges",
            hint=f"the benchmark has at most {VERTICES} vertices and {EDGES} edges",
        )
    return graph


@lru_cache(maxsize=4_096)
def canonical_order(graph: Graph) -> Graph:
    """The same graph in the least of the orders in which edges go forward; equal for isomorphic graphs."""
    size = len(graph.operations)
    candidates = []
    for order in itertools.permutations(range(1, size + 1)):
        place = {0: 0, size + 1: size + 1} | {v: i for i, v in enumerate(order, start=1)}
        if all(place[a] < place[b] for b, row in enumerate(graph.sources, start=1) for a in row):
            operations = tuple(graph.operations[v - 1] for v in order)
            sources = tuple(tuple(sorted(place[a] for a in graph.sources[v - 1])) for v in (*order, size + 1))
            candidates.append((operations, sources))
    return Graph(*min(candidates))


@lru_cache(maxsize=4_096)
def fingerprint(graph: Graph) -> str:
    """The benchmark's `hash_module`: a vertex's degrees and operation, then, over and over, its neighbours' hashes."""
    size = len(graph.sources) + 1
    before: list[Sequence[int]] = [(), *graph.sources]
    after = [[b for b in range(size) if a in before[b]] for a in range(size)]
    labels = [-1, *map(OPERATIONS.index, graph.operations), -2]
    hashes = [_md5(str((len(after[v]), len(before[v]), labels[v]))) for v in range(size)]
    for _ in range(size):
        fed = ["".join(sorted(hashes[w] for w in before[v])) for v in range(size)]
        feeding = ["".join(sorted(hashes[w] for w in after[v])) for v in range(size)]
        hashes = [_md5(f"{fed[v]}|{feeding[v]}|{hashes[v]}") for v in range(size)]
    return _md5(str(sorted(hashes)))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def ways(graph: Graph, counted: Collection[str]) -> Ways:
    """The ways from input to output, as long as they have operations that are `counted`."""
    lengths = [*(int(operation in counted) for operation in graph.operations), 0]
    found = [step(0)]
    for row, length in zip(graph.sources, lengths, strict=True):
        found.append(shared([found[a] for a in row]).longer(length))
    return found[-1]


def arrangement(graph: Graph) -> Arrangement:
    """The graph as operations on sums: value v is what vertex v is applied to, the last one the output."""
    terms = [(INPUT, 0), *((operation, v) for v, operation in enumerate(graph.operations, start=1))]
    return Arrangement(terms, graph.sources)

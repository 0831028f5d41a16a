"""NAS-Bench-101: a cell is a graph of up to seven vertices and nine edges, an operation on each inner vertex."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from pydantic import Field, PositiveInt

from eproxyctl.contracts import FULL, Choice, Diagram, Drawable, Fidelity, Level, Sized, Space, SpaceOptions, Vertex
from eproxyctl.errors import InvalidArchitecture, did_you_mean
from eproxyctl.networks.counting.nasbench101 import nasbench101
from eproxyctl.spaces.diagrams import operation_vertex, settled_vertices, times
from eproxyctl.spaces.graphs import (
    OPERATIONS,
    VERTICES,
    Graph,
    arrangement,
    canonical_order,
    fingerprint,
    prune,
    ways,
)
from eproxyctl.spaces.notation import checked, integers, listed, literal, shown

if TYPE_CHECKING:
    from eproxyctl.contracts import Network

T = TypeVar("T")
LETTERS = {"c3": "conv3x3-bn-relu", "c1": "conv1x1-bn-relu", "mp": "maxpool3x3"}
CODES = ("input", "output", "maxpool3x3", "conv1x1-bn-relu", "conv3x3-bn-relu")
"""What the numbers of the flat notation mean."""
PAIRS = tuple(itertools.combinations(range(VERTICES), 2))
VERTEX = re.compile(r"(\w\w)~([0-9]+)")


class NasBench101Space(Space, Sized, Drawable):
    """NAS-Bench-101: 423,624 cells, each a graph of at most seven vertices and nine edges.

    A vertex is a 3×3 convolution, a 1×1 convolution or a 3×3 max-pooling of the sum of what feeds it; the output
    joins what feeds it side by side. A network is a stem of 128 channels and three stacks of three equal cells, with
    pooling and twice the channels from stack to stack. Vertices off every path from input to output are left out.
    Cells equal but for the order of their vertices share their canonical name, the benchmark's own hash.
    """

    kind = "nasbench101"
    ranks = (1, 2, 3)
    example = "c3~0+c1~01+mp~1+c3~23+out~034"
    source = "Ying et al., NAS-Bench-101, ICML 2019"

    class Options(SpaceOptions):
        channels: PositiveInt = Field(128, description="channels of the stem and the first stack")
        stacks: PositiveInt = Field(3, description="stacks of cells; each halves the resolution of the one before")
        cells: PositiveInt = Field(3, description="cells a stack")

    options: Options

    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        edges: dict[str, tuple[Choice, ...]] = {f"{a}-{b}": (False, True) for a, b in PAIRS}
        return edges | {f"operation-{v}": OPERATIONS for v in range(1, VERTICES - 1)}

    def encode(self, choices: Mapping[str, Choice]) -> str:
        chosen = checked(choices, self.parameters())
        pairs = {(a, b) for a, b in PAIRS if chosen[f"{a}-{b}"]}
        return _key(prune(pairs, [str(chosen[f"operation-{v}"]) for v in range(1, VERTICES - 1)], last=VERTICES - 1))

    def choices(self, key: str) -> dict[str, Choice]:
        """Unused vertices stand before the output, without edges."""
        graph = _graph(key)
        last = len(graph.sources)
        edges = {(a, b if b < last else VERTICES - 1) for b, row in enumerate(graph.sources, start=1) for a in row}
        padded = graph.operations + OPERATIONS[:1] * (VERTICES - 1 - last)
        chosen: dict[str, Choice] = {f"{a}-{b}": (a, b) in edges for a, b in PAIRS}
        return chosen | {f"operation-{v}": operation for v, operation in enumerate(padded, start=1)}

    def parse(self, notation: object) -> str:
        """The key itself; [adjacency, operations]; the benchmark's own record of both; 49 bits and 7 operations."""
        if isinstance(notation, str):
            text = notation.strip()
            return self.parse(literal(text)) if text[:1] in ("[", "(", "{") else _key(_graph(text))
        if isinstance(notation, Mapping) and {"module_adjacency", "module_operations"} <= set(notation):
            return _key(_from_matrix(notation["module_adjacency"], notation["module_operations"]))
        items = listed(notation)
        if items is not None and len(items) == 2:
            return _key(_from_matrix(*items))
        flat = integers(notation)
        if flat is not None and len(flat) == VERTICES * VERTICES + VERTICES:
            return _key(_from_flat(flat))
        raise InvalidArchitecture(
            f"not a NAS-Bench-101 architecture: {shown(notation)}",
            hint=f"write it as {self.example} or as [adjacency, operations]",
        )

    def canonical(self, key: str) -> str:
        """The benchmark's hash of the graph, equal for graphs that differ in the order of their vertices only."""
        return fingerprint(_graph(key))

    def largest(self) -> str:
        """The longest chain of 3×3 convolutions, at full width; the edges left add projections of the input."""
        return "c3~0+c3~01+c3~02+c3~03+c3~4+out~5"

    def traits(self, key: str) -> dict[str, float]:
        graph = _graph(key)
        counts = Counter(graph.operations)
        convolutions = [operation for operation in OPERATIONS if "conv" in operation]
        return {
            "vertices": float(len(graph.sources) + 1),
            "edges": float(graph.edges),
            "width": float(len(graph.sources[-1])),
            "input_edges": float(sum(0 in row for row in graph.sources)),
            "parametric": float(sum(counts[operation] for operation in convolutions)),
            "depth": float(ways(graph, OPERATIONS).most),
            **ways(graph, convolutions).traits("paths"),
            "paths.pooling": ways(graph, ["maxpool3x3"]).walk,
            **{f"count.{operation}": float(counts[operation]) for operation in OPERATIONS},
            **arrangement(graph).traits(OPERATIONS),
        }

    def diagram(self, key: str) -> Diagram:
        """A key holds live vertices only."""
        graph, options = _graph(key), self.options
        last = len(graph.sources)
        vertices = [Vertex("0", "in", "input")]
        vertices += [operation_vertex(str(v), kind) for v, kind in enumerate(graph.operations, start=1)]
        vertices.append(Vertex(str(last), "out", "output", detail="what feeds it, joined"))
        arrows = [(str(a), str(b)) for b, row in enumerate(graph.sources, start=1) for a in row]
        note = "arrows from the input are 1×1 convolutions"
        cell = settled_vertices("cell", vertices, arrows, sources=["0"], outputs=[str(last)], note=note)
        stacks = [(2**stack, times(options.cells, "cell")) for stack in range(options.stacks)]
        levels = [Level(cells, shrink * options.channels, shrink) for shrink, cells in stacks]
        return Diagram((cell,), (Level("stem", options.channels), *levels))

    def size(self) -> int:
        """Canonical cells, as the benchmark counts them."""
        return 423_624

    def build(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = True
    ) -> Network:
        """Pruned has its vertices in canonical order, which may move the odd channels of an uneven join."""
        from eproxyctl.networks.nasbench101 import NasBench101

        return self._made(NasBench101, key, shape, outputs, fidelity, pruned)

    def params_and_macs(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = False
    ) -> tuple[int, int]:
        return self._made(nasbench101, key, shape, outputs, fidelity, pruned)

    def _made(
        self, make: Callable[..., T], key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity, pruned: bool
    ) -> T:
        """The network, or its size: of the same arguments."""
        graph = canonical_order(_graph(key)) if pruned else _graph(key)
        channels = fidelity.scale(self.options.channels, fidelity.width)
        if channels < len(graph.sources[-1]):
            raise InvalidArchitecture(
                f"{channels} channels cannot be shared by the {len(graph.sources[-1])} vertices that {key} joins",
                hint="raise channels, or the proxy's fidelity width",
            )
        return make(
            shape,
            outputs,
            channels=channels,
            stacks=self.options.stacks,
            cells=fidelity.scale(self.options.cells, fidelity.depth),
            operations=graph.operations,
            sources=graph.sources,
        )


def _key(graph: Graph) -> str:
    names = {operation: letters for letters, operation in LETTERS.items()}
    heads = [*(names[operation] for operation in graph.operations), "out"]
    return "+".join(f"{head}~{''.join(map(str, row))}" for head, row in zip(heads, graph.sources, strict=True))


@lru_cache(maxsize=4_096)
def _graph(key: str) -> Graph:
    *inner, last = key.split("+")
    vertices = [VERTEX.fullmatch(text) for text in inner]
    output = re.fullmatch(r"out~([0-9]+)", last)
    if output is None or len(inner) > VERTICES - 2 or not all(vertices):
        raise InvalidArchitecture(
            f"not a NAS-Bench-101 key: {shown(key)}", hint=f"write it as {NasBench101Space.example}"
        )
    matches = [match for match in vertices if match]
    for match in matches:
        if match[1] not in LETTERS:
            raise InvalidArchitecture(f"no operation '{match[1]}' in {key}", hint="known: " + ", ".join(LETTERS))
    rows = [*(match[2] for match in matches), output[1]]
    pairs = {(int(a), b) for b, row in enumerate(rows, start=1) for a in row}
    return prune(pairs, [LETTERS[match[1]] for match in matches], last=len(rows))


def _from_matrix(adjacency: object, operations: object) -> Graph:
    names = listed(operations)
    rows = [integers(row) or () for row in listed(adjacency) or ()]
    if names is None or not 2 <= len(names) == len(rows) or {len(row) for row in rows} != {len(names)}:
        raise InvalidArchitecture(
            f"not a square adjacency matrix with an operation a vertex: {shown([adjacency, operations])}",
            hint="write it as [[[0, 1], [0, 0]], ['input', 'output']]",
        )
    if names[0] != "input" or names[-1] != "output":
        raise InvalidArchitecture(f"operations go from 'input' to 'output', not {names[0]!r} to {names[-1]!r}")
    for name in names[1:-1]:
        if name not in OPERATIONS:
            raise InvalidArchitecture(f"no operation {shown(name)!r}", hint=did_you_mean(str(name), OPERATIONS))
    if {entry for row in rows for entry in row} - {0, 1}:
        raise InvalidArchitecture(f"an adjacency matrix holds 0 and 1 only: {shown(adjacency)}")
    pairs = {(a, b) for a, row in enumerate(rows) for b, entry in enumerate(row) if entry}
    return prune(pairs, [*map(str, names[1:-1])], last=len(names) - 1)


def _from_flat(flat: tuple[int, ...]) -> Graph:
    codes = flat[VERTICES * VERTICES :]
    if any(not 0 <= code < len(CODES) for code in codes) or codes.count(1) != 1:
        raise InvalidArchitecture(
            f"not the operations of a cell: {codes}",
            hint="0 input, then 2 maxpool3x3, 3 conv1x1-bn-relu, 4 conv3x3-bn-relu, at the end 1 output",
        )
    size = codes.index(1) + 1
    rows = [flat[VERTICES * row : VERTICES * (row + 1)] for row in range(VERTICES)]
    if any(codes[size:]) or any(map(any, rows[size:])) or any(any(row[size:]) for row in rows):
        raise InvalidArchitecture("vertices after the output of a cell", hint="pad with zeros after the output")
    return _from_matrix([row[:size] for row in rows[:size]], [CODES[code] for code in codes[:size]])

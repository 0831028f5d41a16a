"""NAS-Bench-201: a cell of four nodes and six edges, one of five operations on each."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from pydantic import Field, PositiveInt

from eproxyctl.contracts import FULL, Choice, Diagram, Drawable, Fidelity, Level, Sized, Space, SpaceOptions
from eproxyctl.errors import InvalidArchitecture, did_you_mean
from eproxyctl.networks.counting.nasbench201 import nasbench201
from eproxyctl.spaces.diagrams import times
from eproxyctl.spaces.node_cells import EDGES, Cell, describe, live_traits, official, panel, simplify
from eproxyctl.spaces.notation import checked

if TYPE_CHECKING:
    from eproxyctl.contracts import Network

T = TypeVar("T")
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NASLIB_OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
NASLIB_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
TERM = re.compile(r"(\w+)~(\d)")


class NasBench201Space(Space, Sized, Drawable):
    """NAS-Bench-201: 15,625 cells of four nodes, an operation on each of the six edges between them.

    A network is a stem, three stages of equal cells at C, 2C and 4C channels with a residual block between them, and a
    linear classifier. Dead edges (into nodes no output depends on, or out of nodes that are zero) are left out of what
    is scored, never of the size. 5,260 cells compute different functions.
    """

    kind = "nasbench201"
    ranks = (1, 2, 3)
    example = "|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|skip_connect~0|nor_conv_1x1~1|avg_pool_3x3~2|"
    source = "Dong and Yang, NAS-Bench-201, ICLR 2020"

    class Options(SpaceOptions):
        channels: PositiveInt = Field(16, description="C, the channels of the first stage")
        cells: PositiveInt = Field(5, description="cells a stage")
        affine: bool = Field(True, description="batch norm in cells has weights; false as Eproxy's authors score it")

    options: Options

    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        return {f"{a}-{b}": OPERATIONS for a, b in EDGES}

    def encode(self, choices: Mapping[str, Choice]) -> str:
        chosen = checked(choices, self.parameters())
        return _key(tuple(str(chosen[f"{a}-{b}"]) for a, b in EDGES))

    def choices(self, key: str) -> dict[str, Choice]:
        return {f"{a}-{b}": operation for (a, b), operation in zip(EDGES, _cell(key), strict=True)}

    def parse(self, notation: object) -> str:
        """The key itself; nested indices `[[a], [b, c], [d, e, f]]`; NASLib's six indices `(a, b, c, d, e, f)`."""
        if isinstance(notation, str):
            text = notation.strip()
            if text[:1] in "[(":
                return self.parse(_numbers(text))
            return _key(_cell(text))
        if isinstance(notation, Sequence):
            if [len(row) if isinstance(row, Sequence) else 0 for row in notation] == [1, 2, 3]:
                indices = [index for row in notation for index in row]
                return _key(tuple(_operation(OPERATIONS, index) for index in indices))
            if len(notation) == len(EDGES):
                operations = {
                    edge: _operation(NASLIB_OPERATIONS, index)
                    for edge, index in zip(NASLIB_EDGES, notation, strict=True)
                }
                return _key(tuple(operations[edge] for edge in EDGES))
        raise InvalidArchitecture(
            f"not a NAS-Bench-201 architecture: {notation!r}",
            hint=f"write it as {self.example}, [[3],[3,1],[1,2,4]] or (2, 2, 0, 0, 3, 4)",
        )

    def canonical(self, key: str) -> str:
        """Live operations as `operation~value>sums it is part of`; value 0 is the input, the last the output."""
        return describe(*simplify(_cell(key)))

    def largest(self) -> str:
        return _key(("nor_conv_3x3",) * 6)

    def traits(self, key: str) -> dict[str, float]:
        return live_traits(_cell(key), OPERATIONS)

    def diagram(self, key: str) -> Diagram:
        channels, cells = self.options.channels, times(self.options.cells, "cell")
        levels = [Level("stem", channels), Level(cells, channels)]
        for shrink in (2, 4):
            levels += [Level("residual", shrink * channels, shrink), Level(cells, shrink * channels, shrink)]
        return Diagram((panel(_cell(key), "cell"),), tuple(levels))

    def size(self) -> int:
        return int(len(OPERATIONS) ** len(EDGES))

    def keys(self) -> Iterator[str]:
        return map(_key, itertools.product(OPERATIONS, repeat=len(EDGES)))

    def build(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = True
    ) -> Network:
        from eproxyctl.networks.nasbench201 import NasBench201

        return self._made(NasBench201, key, shape, outputs, fidelity, pruned)

    def params_and_macs(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = False
    ) -> tuple[int, int]:
        return self._made(nasbench201, key, shape, outputs, fidelity, pruned)

    def _made(
        self, make: Callable[..., T], key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity, pruned: bool
    ) -> T:
        """The network, or its size: of the same arguments."""
        terms, sums = simplify(_cell(key)) if pruned else official(_cell(key))
        return make(
            shape,
            outputs,
            channels=fidelity.scale(self.options.channels, fidelity.width),
            cells=fidelity.scale(self.options.cells, fidelity.depth),
            terms=terms,
            sums=sums,
            affine=self.options.affine,
        )


def _key(cell: Cell) -> str:
    nodes = (cell[0:1], cell[1:3], cell[3:6])
    return "+".join("|" + "|".join(f"{operation}~{i}" for i, operation in enumerate(node)) + "|" for node in nodes)


@lru_cache(maxsize=4_096)
def _cell(key: str) -> Cell:
    nodes = key.split("+")
    cell: list[str] = []
    for node, text in enumerate(nodes, start=1):
        terms = text.strip("|").split("|")
        for source, term in enumerate(terms):
            match = TERM.fullmatch(term)
            if not match or int(match[2]) != source or len(terms) != node:
                raise InvalidArchitecture(
                    f"not a NAS-Bench-201 key: {key}", hint=f"write it as {NasBench201Space.example}"
                )
            if match[1] not in OPERATIONS:
                raise InvalidArchitecture(
                    f"no operation '{match[1]}' in {key}", hint=did_you_mean(match[1], OPERATIONS)
                )
            cell.append(match[1])
    if len(cell) != len(EDGES):
        raise InvalidArchitecture(f"not a NAS-Bench-201 key: {key}", hint=f"write it as {NasBench201Space.example}")
    return tuple(cell)


def _numbers(text: str) -> object:
    import json

    try:
        return json.loads(text.replace("(", "[").replace(")", "]"))
    except json.JSONDecodeError:
        raise InvalidArchitecture(f"not a list of operation indices: {text}") from None


def _operation(names: tuple[str, ...], index: object) -> str:
    if isinstance(index, int) and not isinstance(index, bool) and 0 <= index < len(names):
        return names[index]
    raise InvalidArchitecture(f"no operation has index {index!r}", hint=f"0 to {len(names) - 1}")

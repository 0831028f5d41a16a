"""What the spaces of two cells share: NDS families and DARTS differ in operations, nodes, widths and depths only."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import Field

from eproxyctl.contracts import FULL, Choice, Diagram, Drawable, Fidelity, Level, Sized, Space, SpaceOptions
from eproxyctl.errors import InvalidArchitecture, did_you_mean
from eproxyctl.networks.counting.cells import cell_network
from eproxyctl.spaces.cell_graph import cell_ways, network_ways, official_graph, parametric, simplified_graph
from eproxyctl.spaces.cell_panel import cell_panel_of
from eproxyctl.spaces.diagrams import times
from eproxyctl.spaces.genotype import (
    FEWEST_CELLS,
    MOST_DEPTH,
    MOST_WIDTH,
    Genotype,
    GenotypeCell,
    from_text,
    genotype_from_key,
    genotype_from_record,
)
from eproxyctl.spaces.traits import NOWHERE

if TYPE_CHECKING:
    from eproxyctl.contracts import Network

T = TypeVar("T")
Width = Annotated[int, Field(ge=2, le=MOST_WIDTH, multiple_of=2)]
Depth = Annotated[int, Field(ge=FEWEST_CELLS, le=MOST_DEPTH)]
IMAGENET = 64
"""Pixels a side from which `stem: auto` divides the resolution."""
CELLS: tuple[Literal["normal", "reduce"], ...] = ("normal", "reduce")
CHEAPEST_FIRST = (
    "none",
    "skip_connect",
    "avg_pool_2x2",
    "max_pool_2x2",
    "avg_pool_3x3",
    "max_pool_3x3",
    "avg_pool_5x5",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "sep_conv_3x3",
    "dil_sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "conv_3x1_1x3",
    "conv_3x3",
    "conv_7x1_1x7",
)
"""Operations by multiply-adds at the widths in use."""


class CellOptions(SpaceOptions):
    """What every space of two cells can be told."""

    stem: Literal["cifar", "imagenet", "auto"] = Field(
        "cifar",
        description="cifar keeps the resolution, for inputs of 32×32; imagenet divides it by 8, for 224×224; auto: the "
        "one that fits the input, imagenet from 64 pixels on, so that a proxy may score at 32 what is built for 224",
    )
    aux: bool = Field(
        False,
        description="auxiliary head in the size of architectures that are drawn; a record says for itself. Never run",
    )


class CellSpace(Space, Sized, Drawable):
    """Two cells of nodes, each node the sum of two operations on earlier values."""

    ranks = (1, 2, 3)

    options: CellOptions

    # What a space says of itself.

    @property
    @abstractmethod
    def operations(self) -> tuple[str, ...]:
        """The operations of this space."""

    @property
    @abstractmethod
    def nodes(self) -> int:
        """Nodes in each cell."""

    @property
    @abstractmethod
    def loose(self) -> bool:
        """Whether the output is the nodes that no other node takes, or all nodes."""

    @property
    @abstractmethod
    def widths(self) -> tuple[int, ...]:
        """Channels to choose from; the first where an architecture does not say."""

    @property
    @abstractmethod
    def depths(self) -> tuple[int, ...]:
        """Numbers of cells to choose from; the first where an architecture does not say."""

    # What follows from it.

    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        return self._parameters

    @cached_property
    def _parameters(self) -> dict[str, tuple[Choice, ...]]:
        parameters: dict[str, tuple[Choice, ...]] = {}
        for cell in CELLS:
            for node in range(2, self.nodes + 2):
                for side in "ab":
                    parameters[f"{cell}_{node}{side}"] = self.operations
                    parameters[f"{cell}_{node}{side}_input"] = tuple(range(node))
        for name, values in (("width", self.widths), ("depth", self.depths)):
            if len(values) > 1:
                parameters[name] = tuple(values)
        return parameters

    def encode(self, choices: Mapping[str, Choice]) -> str:
        cells = []
        for name in CELLS:
            edges = [
                (str(_get(choices, f"{name}_{node}{side}")), _number(choices, f"{name}_{node}{side}_input"))
                for node in range(2, self.nodes + 2)
                for side in "ab"
            ]
            concat = choices.get(f"{name}_concat")
            cell = GenotypeCell(tuple(edges), tuple(range(2, self.nodes + 2)))
            cells.append(GenotypeCell(cell.edges, self._concat(cell) if concat is None else _digits(concat)))
        genotype = Genotype(
            _number(choices, "width", self.widths[0]),
            _number(choices, "depth", self.depths[0]),
            cells[0],
            cells[1],
            bool(choices.get("aux", self.options.aux)),
        )
        return self._checked(genotype).key

    def choices(self, key: str) -> dict[str, Choice]:
        """By the names of `parameters`; further ones only where a record departs from what this space would draw."""
        genotype = self._genotype(key)
        choices: dict[str, Choice] = {}
        for name, cell in (("normal", genotype.normal), ("reduce", genotype.reduce)):
            for position, (operation, source) in enumerate(cell.edges):
                edge = f"{name}_{position // 2 + 2}{'ab'[position % 2]}"
                choices[edge], choices[f"{edge}_input"] = operation, source
            if cell.concat != self._concat(cell):
                choices[f"{name}_concat"] = "".join(map(str, cell.concat))
        if "width" in self._parameters or genotype.width != self.widths[0]:
            choices["width"] = genotype.width
        if "depth" in self._parameters or genotype.depth != self.depths[0]:
            choices["depth"] = genotype.depth
        if genotype.auxiliary != self.options.aux:
            choices["aux"] = genotype.auxiliary
        return choices

    def parse(self, notation: object) -> str:
        """A key; a record of NDS, its `net` or its genotype, as JSON too; DARTS's `Genotype(normal=[…], …)`."""
        width, depth = self.widths[0], self.depths[0]
        if isinstance(notation, str):
            return self._checked(from_text(notation, width, depth)).key
        if isinstance(notation, Mapping):
            return self._checked(genotype_from_record(notation, width, depth)).key
        raise InvalidArchitecture(
            f"not a genotype: {notation!r:.80}", hint=f"a key such as {self.example}, or a record"
        )

    def canonical(self, key: str) -> str:
        """Width, depth and what the two cells compute, without dead parts and whatever the order of the nodes."""
        genotype = self._genotype(key)
        normal, reduce = simplified_graph(genotype.normal, False), simplified_graph(genotype.reduce, True)
        return f"{genotype.width}x{genotype.depth}-{normal.text}-{reduce.text}"

    def largest(self) -> str:
        """The costliest operation on every edge, all of them on the inputs, which makes every node an output."""
        costliest = max(self.operations, key=CHEAPEST_FIRST.index)
        cell = GenotypeCell(((costliest, 0), (costliest, 1)) * self.nodes, tuple(range(2, self.nodes + 2)))
        return Genotype(max(self.widths), max(self.depths), cell, cell, self.options.aux).key

    def traits(self, key: str) -> dict[str, float]:
        """Of what is live: sizes; operations with weights, and poolings, on the ways through; counts in each cell."""
        genotype = self._genotype(key)
        traits = {
            "width": float(genotype.width),
            "depth": float(genotype.depth),
            "channels": float(genotype.width * len(genotype.normal.concat)),
            **network_ways(genotype).traits("paths"),
            "paths.pooling": network_ways(genotype, "pooling").walk,
        }
        for name, cell in (("normal", genotype.normal), ("reduce", genotype.reduce)):
            traits.update(_cell_traits(name, cell))
            counts = Counter(operation for operation, _ in simplified_graph(cell, name == "reduce").terms)
            live = [operation for operation in self.operations if operation != "none"]
            traits.update({f"count.{name}_{operation}": float(counts[operation]) for operation in live})
        return traits

    def diagram(self, key: str) -> Diagram:
        genotype = self._genotype(key)
        imagenet = self.options.stem == "imagenet"
        stem = 8 if imagenet else 1
        levels = [Level("stem", genotype.width if imagenet else 3 * genotype.width, stem)]
        first, second = genotype.depth // 3, 2 * genotype.depth // 3
        for k, cells in enumerate((first, second - first - 1, genotype.depth - second - 1)):
            channels = genotype.width * 2**k
            if k:
                levels.append(Level("reduction", channels * len(genotype.reduce.concat), stem * 2**k))
            if cells:
                levels.append(Level(times(cells, "normal"), channels * len(genotype.normal.concat), stem * 2**k))
        panels = (cell_panel_of(genotype.normal, "normal cell"), cell_panel_of(genotype.reduce, "reduction cell"))
        return Diagram(panels, tuple(levels))

    def size(self) -> int:
        return math.prod(len(options) for options in self._parameters.values())

    def notation(self, key: str) -> str:
        """The cells as DARTS prints them: `Genotype(normal=[('sep_conv_3x3', 0), …], normal_concat=[2, …], …)`."""
        return self._genotype(key).notation

    def build(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = True
    ) -> Network:
        from eproxyctl.networks.cells import CellNetwork

        return self._made(CellNetwork, key, shape, outputs, fidelity, pruned)

    def params_and_macs(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = False
    ) -> tuple[int, int]:
        return self._made(cell_network, key, shape, outputs, fidelity, pruned)

    def _made(
        self, make: Callable[..., T], key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity, pruned: bool
    ) -> T:
        """The network, or its size: of the same arguments."""
        genotype = self._genotype(key)
        return make(
            shape,
            outputs,
            width=2 * fidelity.scale(genotype.width // 2, fidelity.width),
            depth=max(FEWEST_CELLS, fidelity.scale(genotype.depth, fidelity.depth)),
            stem=self._stem(shape),
            normal=simplified_graph(genotype.normal, False) if pruned else official_graph(genotype.normal),
            reduce=simplified_graph(genotype.reduce, True) if pruned else official_graph(genotype.reduce),
            auxiliary=genotype.auxiliary,
            pruned=pruned,
        )

    def _stem(self, shape: tuple[int, ...]) -> Literal["cifar", "imagenet"]:
        if self.options.stem == "auto":
            return "imagenet" if min(shape[1:]) >= IMAGENET else "cifar"
        return self.options.stem

    def _genotype(self, key: str) -> Genotype:
        return self._checked(genotype_from_key(key))

    def _checked(self, genotype: Genotype) -> Genotype:
        """The genotype, if its cells are of this space; widths and depths may be others than are drawn."""
        for cell in (genotype.normal, genotype.reduce):
            if cell.nodes != self.nodes:
                raise InvalidArchitecture(f"{cell.nodes} nodes a cell; {self._name} has {self.nodes}", hint=self._hint)
            for operation, _ in cell.edges:
                if operation not in self.operations:
                    raise InvalidArchitecture(
                        f"{self._name} has no operation '{operation}'",
                        hint=f"{did_you_mean(operation, self.operations)} {self._hint}".strip(),
                    )
        return genotype

    @property
    def _name(self) -> str:
        return self.kind

    @property
    def _hint(self) -> str:
        return ""

    def _concat(self, cell: GenotypeCell) -> tuple[int, ...]:
        """The nodes that make the output of a drawn cell."""
        return cell.loose if self.loose else tuple(range(2, cell.nodes + 2))


def _cell_traits(name: str, cell: GenotypeCell) -> dict[str, float]:
    reduction = name == "reduce"
    terms = simplified_graph(cell, reduction).terms
    first, second = cell_ways(cell, reduction)
    pooling = sum(cell_ways(cell, reduction, "pooling"), start=NOWHERE)
    sides = [int(operation[-1]) if operation[-1].isdigit() else 1 for operation, _ in terms]
    return (first + second).traits(name) | {
        f"{name}.pooling": pooling.walk,
        f"{name}.from_last": second.chance,
        f"{name}.outputs": float(len(cell.concat)),
        f"{name}.parametric": float(sum(parametric(*term, reduction=reduction) for term in terms)),
        f"{name}.poolings": float(sum("pool" in operation for operation, _ in terms)),
        f"{name}.kernel": sum(sides) / len(sides) if sides else 0.0,
    }


def _get(choices: Mapping[str, Choice], name: str) -> Choice:
    if name not in choices:
        raise InvalidArchitecture(f"no choice for {name}", hint=did_you_mean(name, choices))
    return choices[name]


def _number(choices: Mapping[str, Choice], name: str, default: int | None = None) -> int:
    value = _get(choices, name) if default is None else choices.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArchitecture(f"{name} {value!r:.80}", hint="a whole number")
    return value


def _digits(concat: Choice) -> tuple[int, ...]:
    text = str(concat)
    if not text.isascii() or not text.isdigit():
        raise InvalidArchitecture(f"an output cannot be nodes {text!r:.80}", hint="their digits, such as 456")
    return tuple(map(int, text))

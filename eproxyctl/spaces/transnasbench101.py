"""TransNAS-Bench-101: a cell in a fixed row of modules (micro), or a row of modules of residual blocks (macro)."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import Field, NonNegativeInt, PositiveInt

from eproxyctl.contracts import (
    FULL,
    Choice,
    Diagram,
    Drawable,
    Fidelity,
    Level,
    Look,
    Panel,
    Sized,
    Space,
    SpaceOptions,
)
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.networks.counting.transnasbench101 import Cells, ModuleShape, transnasbench101
from eproxyctl.spaces.diagrams import residual_block
from eproxyctl.spaces.node_cells import EDGES, Cell, Sums, Terms, describe, live_traits, official, panel, simplify
from eproxyctl.spaces.notation import checked, integers, literal, shown

if TYPE_CHECKING:
    from eproxyctl.contracts import Network

T = TypeVar("T")
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
"""In the order of the digits of a key."""
PROJECTION = "factorized_reduce"
"""What a skip from the input becomes where resolution or channels change: two 1×1 convolutions, with weights."""
MICRO_MODULES = "41414"
MODULES = (4, 5, 6)
KEY = re.compile(r"64-([1-4]+)-(basic|[0-3]_[0-3]{2}_[0-3]{3})", re.ASCII)
NOUNS = {"micro": "64-41414-3_12_021", "macro": "64-4111-basic"}


@dataclass(frozen=True)
class TransNasArchitecture:
    """What a key says.

    Attributes:
        modules: a digit each; even: twice the channels; above 2: half the resolution.
        cell: the operation on each edge, None for plain residual blocks.
    """

    modules: str
    cell: Cell | None

    @property
    def key(self) -> str:
        if self.cell is None:
            return f"64-{self.modules}-basic"
        digits = "".join(str(OPERATIONS.index(operation)) for operation in self.cell)
        return f"64-{self.modules}-{digits[0]}_{digits[1:3]}_{digits[3:]}"


class TransNasBench101Space(Space, Sized, Drawable):
    """TransNAS-Bench-101: 4,096 cells in one row of modules (micro), or 3,256 rows of modules (macro).

    A network is a stem, four to six modules of two equal blocks each, and a linear classifier. A module may double the
    channels, halve the resolution, both or neither. In the micro level the modules are 41414 and the block is a cell
    of four nodes with one of four operations on each edge; in the macro level the block is a residual one and the
    modules vary. Maps are the ends of the last three modules, as Eproxy's authors read them. 1,376 cells compute
    different functions.
    """

    kind = "transnasbench101"
    ranks = (1, 2, 3)
    example = "64-41414-3_12_021"
    source = "Duan et al., TransNAS-Bench-101, CVPR 2021"

    class Options(SpaceOptions):
        level: Literal["micro", "macro"] = Field("micro", description="micro: cells vary; macro: modules vary")
        channels: PositiveInt = Field(64, description="channels after the stem; the 64 of a key is the benchmark's")
        stem_stride: Literal[1, 2, 4] = Field(
            4, description="how much the stem divides the resolution; 1 or 2 keep larger maps of small inputs"
        )
        halvings: NonNegativeInt | None = Field(
            None,
            description="how many modules may halve the resolution, later ones keep it; unset: all that do. Eproxy's "
            "authors score micro cells with 2",
        )

    options: Options

    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        if self.options.level == "micro":
            return {f"{a}-{b}": OPERATIONS for a, b in EDGES}
        digits: dict[str, tuple[Choice, ...]] = {f"module-{m}": (1, 2, 3, 4) for m in range(1, MODULES[-1] + 1)}
        return {"modules": MODULES} | digits

    def encode(self, choices: Mapping[str, Choice]) -> str:
        chosen = checked(choices, self.parameters())
        if self.options.level == "micro":
            return TransNasArchitecture(MICRO_MODULES, tuple(str(chosen[f"{a}-{b}"]) for a, b in EDGES)).key
        digits = "".join(str(chosen[f"module-{m}"]) for m in range(1, int(chosen["modules"]) + 1))
        return self._read(f"64-{digits}-basic").key

    def choices(self, key: str) -> dict[str, Choice]:
        """Modules that a macro key does not have are 1."""
        architecture = self._read(key)
        if architecture.cell is not None:
            return {f"{a}-{b}": operation for (a, b), operation in zip(EDGES, architecture.cell, strict=True)}
        digits = architecture.modules.ljust(MODULES[-1], "1")
        modules: dict[str, Choice] = {"modules": len(architecture.modules)}
        return modules | {f"module-{m}": int(digit) for m, digit in enumerate(digits, start=1)}

    def parse(self, notation: object) -> str:
        """The key itself; NASLib's operation indices of the six edges, or its module digits padded with zeros."""
        if isinstance(notation, str):
            text = notation.strip()
            return self.parse(literal(text)) if text[:1] in ("[", "(") else self._read(text).key
        numbers = integers(notation)
        if numbers is not None and len(numbers) <= len(EDGES) and all(0 <= number <= 4 for number in numbers):
            digits = "".join(map(str, numbers))
            if self.options.level == "micro":
                return self._read(f"64-{MICRO_MODULES}-{digits[:1]}_{digits[1:3]}_{digits[3:]}").key
            return self._read(f"64-{digits.replace('0', '')}-basic").key
        raise InvalidArchitecture(self._refused(shown(notation)), hint=self._hint())

    def canonical(self, key: str) -> str:
        """Macro: the key. Micro: what is live in a cell of equal shapes, and in one that widens and halves."""
        architecture = self._read(key)
        if architecture.cell is None:
            return key
        plain, reducing = pruned_cells(architecture.cell)
        return f"{describe(*plain)}/{describe(*reducing)}"

    def largest(self) -> str:
        return "64-41414-3_33_333" if self.options.level == "micro" else "64-222113-basic"

    def traits(self, key: str) -> dict[str, float]:
        architecture = self._read(key)
        if architecture.cell is None:
            return _macro_traits(architecture.modules)
        _, reducing = pruned_cells(architecture.cell)
        counts = Counter(operation for operation, _ in reducing[0])
        live = [*(operation for operation in OPERATIONS if operation != "none"), PROJECTION]
        return live_traits(architecture.cell, OPERATIONS) | {f"reducing.{name}": float(counts[name]) for name in live}

    def diagram(self, key: str) -> Diagram:
        architecture = self._read(key)
        channels, halvings = self.options.channels, 0
        shrink: int = self.options.stem_stride
        what = "block" if architecture.cell is None else "cell"
        levels = [Level("stem", channels, shrink)]
        for digit in map(int, architecture.modules):
            channels *= 2 if digit % 2 == 0 else 1
            if digit > 2 and (self.options.halvings is None or halvings < self.options.halvings):
                shrink, halvings = 2 * shrink, halvings + 1
            levels.append(Level(f"2 × {what}", channels, shrink))
        return Diagram(_panels(architecture.cell), tuple(levels))

    def size(self) -> int:
        return 4_096 if self.options.level == "micro" else 3_256

    def keys(self) -> Iterator[str]:
        if self.options.level == "micro":
            return (
                TransNasArchitecture(MICRO_MODULES, cell).key
                for cell in itertools.product(OPERATIONS, repeat=len(EDGES))
            )
        rows = ("".join(digits) for n in MODULES for digits in itertools.product("1234", repeat=n))
        return (TransNasArchitecture(modules, None).key for modules in rows if not _macro_fault(modules))

    def build(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = True
    ) -> Network:
        from eproxyctl.networks.transnasbench101 import TransNasBench101

        return self._made(TransNasBench101, key, shape, outputs, fidelity, pruned)

    def params_and_macs(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = False
    ) -> tuple[int, int]:
        return self._made(transnasbench101, key, shape, outputs, fidelity, pruned)

    def _made(
        self, make: Callable[..., T], key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity, pruned: bool
    ) -> T:
        """The network, or its size: of the same arguments."""
        architecture = self._read(key)
        digits, halvings = [*map(int, architecture.modules)], self.options.halvings
        halving = [m for m, digit in enumerate(digits) if digit > 2][:halvings]
        modules = [
            ModuleShape(widen=digit % 2 == 0, project=digit > 1, stride=2 if m in halving else 1)
            for m, digit in enumerate(digits)
        ]
        cells = None
        if architecture.cell is not None:
            cells = Cells(*(pruned_cells if pruned else official_cells)(architecture.cell))
        return make(
            shape,
            outputs,
            channels=fidelity.scale(self.options.channels, fidelity.width),
            stem_stride=self.options.stem_stride,
            modules=modules,
            blocks=fidelity.scale(2, fidelity.depth),
            cells=cells,
        )

    def _read(self, key: str) -> TransNasArchitecture:
        match = KEY.fullmatch(key)
        if match is None:
            raise InvalidArchitecture(self._refused(shown(key)), hint=self._hint())
        modules, cell = match[1], match[2]
        if self.options.level == "micro" and cell != "basic" and modules == MICRO_MODULES:
            return TransNasArchitecture(modules, tuple(OPERATIONS[int(digit)] for digit in cell.replace("_", "")))
        if self.options.level == "macro" and cell == "basic":
            fault = _macro_fault(modules)
            if fault:
                raise InvalidArchitecture(f"{shown(key)} is not in the benchmark", hint=fault)
            return TransNasArchitecture(modules, None)
        raise InvalidArchitecture(self._refused(shown(key)), hint=self._hint())

    def _refused(self, text: str) -> str:
        return f"not a TransNAS-Bench-101 {self.options.level} architecture: {text}"

    def _hint(self) -> str:
        other = "macro" if self.options.level == "micro" else "micro"
        return f"write it as {NOUNS[self.options.level]}; keys like {NOUNS[other]} need level: {other}"


def _macro_fault(modules: str) -> str:
    """Why a row of modules is outside the benchmark, empty where it is inside."""
    if len(modules) not in MODULES:
        return "there are 4 to 6 modules"
    halve, widen = sum(digit in "34" for digit in modules), sum(digit in "24" for digit in modules)
    if not 1 <= halve <= 4:
        return f"1 to 4 modules halve the resolution (3 and 4), not {halve}"
    return "" if 1 <= widen <= 3 else f"1 to 3 modules double the channels (2 and 4), not {widen}"


def _macro_traits(modules: str) -> dict[str, float]:
    halve, widen = [digit in "34" for digit in modules], [digit in "24" for digit in modules]
    halved, widened = list(itertools.accumulate(halve)), list(itertools.accumulate(widen))
    # Of a module, relative to the first: widths squared times the places on its map.
    work = [4.0 ** (w - r) for r, w in zip(halved, widened, strict=True)]
    return {
        "modules": float(len(modules)),
        "depth": 4.0 * len(modules),
        "count.halve": float(sum(halve)),
        "count.widen": float(sum(widen)),
        "width": 2.0 ** sum(widen),
        "mean_width": sum(2.0**w for w in widened) / len(modules),
        "mean_resolution": sum(0.5**r for r in halved) / len(modules),
        **{f"work.{r}": math.fsum(each for each, at in zip(work, halved, strict=True) if at == r) for r in range(5)},
        **_places("halve", halve),
        **_places("widen", widen),
    }


def _places(name: str, changes: Sequence[bool]) -> dict[str, float]:
    """Where modules change something: the first, the last, the mean, and how many modules come after."""
    at = [float(i) for i, changed in enumerate(changes) if changed]
    return {
        f"place.{name}_first": at[0],
        f"place.{name}_last": at[-1],
        f"place.{name}_mean": sum(at) / len(at),
        f"place.after_{name}": float(len(changes) - 1 - at[-1]),
    }


def _panels(cell: Cell | None) -> tuple[Panel, ...]:
    """The cell, and where a skip from the input makes it another, the one that changes shapes; or the two blocks."""
    if cell is None:
        row: list[tuple[str, Look]] = [("conv 3×3", "convolution")] * 2
        return residual_block("block", row, ""), residual_block(
            "first block of a module that changes shapes", row, "1×1"
        )
    where = "first cell of a module that changes shapes"
    cells = {_reducing(cell): where, cell: "cell"}
    return tuple(panel(each, title) for each, title in reversed(cells.items()))


def _reducing(cell: Cell) -> Cell:
    """The cell where shapes change: skips from the input are projections."""
    return tuple(
        PROJECTION if operation == "skip_connect" and a == 0 else operation
        for (a, _), operation in zip(EDGES, cell, strict=True)
    )


def official_cells(cell: Cell) -> tuple[tuple[Terms, Sums], tuple[Terms, Sums]]:
    """(terms, sums) with every edge but `none`: of a cell of equal shapes, and of one where shapes change."""
    return official(cell), official(_reducing(cell))


@lru_cache(maxsize=4_096)
def pruned_cells(cell: Cell) -> tuple[tuple[Terms, Sums], tuple[Terms, Sums]]:
    """The same, simplified: live parts only, in an order that depends on the function only."""
    return simplify(cell), simplify(_reducing(cell))

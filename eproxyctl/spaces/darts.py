"""DARTS: the open space of two cells that differentiable searches are run in."""

from __future__ import annotations

from pydantic import Field

from eproxyctl.spaces.cell_space import CellOptions, CellSpace, Depth, Width
from eproxyctl.spaces.nds_cells import FAMILIES


class DartsSpace(CellSpace):
    """DARTS: cells of 4 nodes, each the sum of two operations on earlier values, for search; 6·10²² pairs of cells.

    Seven operations (separable and dilated convolutions 3×3 and 5×5, poolings, skip) and `none`. The output of a cell
    is its four nodes; the reduction cell stands at a third and two thirds of the depth. Genotypes are read and printed
    in the usual notation, Genotype(normal=[('sep_conv_3x3', 0), …], normal_concat=range(2, 6), …), which leaves width
    and depth to the options. The networks are those of `nds-cells`.
    """

    kind = "darts"
    example = "36x20-s30s31.s30s31.s31id0.id0d32_2345-m30m31.id2m31.m30id2.id2m31_2345"
    source = "Liu, Simonyan and Yang, DARTS, ICLR 2019"

    class Options(CellOptions):
        widths: tuple[Width, ...] = Field(
            (36,), min_length=1, description="channels of the first cell to choose from; 36 on CIFAR-10, 48 on ImageNet"
        )
        depths: tuple[Depth, ...] = Field(
            (20,), min_length=1, description="numbers of cells to choose from; 20 on CIFAR-10, 14 on ImageNet"
        )

    options: Options

    @property
    def operations(self) -> tuple[str, ...]:
        return FAMILIES["DARTS"].operations

    @property
    def nodes(self) -> int:
        return FAMILIES["DARTS"].nodes

    @property
    def loose(self) -> bool:
        return FAMILIES["DARTS"].loose

    @property
    def widths(self) -> tuple[int, ...]:
        return self.options.widths

    @property
    def depths(self) -> tuple[int, ...]:
        return self.options.depths

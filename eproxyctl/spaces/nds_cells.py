"""The cell families of NDS: NASNet, AmoebaNet, PNAS, ENAS and DARTS, on CIFAR-10 and ImageNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import Field

from eproxyctl.spaces.cell_space import CellOptions, CellSpace, Depth, Width


@dataclass(frozen=True)
class CellFamily:
    """The cells of one family.

    Attributes:
        loose: the output is the nodes no other node takes; otherwise all nodes.
    """

    operations: tuple[str, ...]
    nodes: int
    loose: bool


FAMILIES = {
    "NASNet": CellFamily(
        (
            "skip_connect",
            "conv_3x1_1x3",
            "conv_7x1_1x7",
            "dil_conv_3x3",
            "avg_pool_3x3",
            "max_pool_3x3",
            "max_pool_5x5",
            "max_pool_7x7",
            "conv_1x1",
            "conv_3x3",
            "sep_conv_3x3",
            "sep_conv_5x5",
            "sep_conv_7x7",
        ),
        nodes=5,
        loose=True,
    ),
    "Amoeba": CellFamily(
        (
            "skip_connect",
            "sep_conv_3x3",
            "sep_conv_5x5",
            "sep_conv_7x7",
            "avg_pool_3x3",
            "max_pool_3x3",
            "dil_sep_conv_3x3",
            "conv_7x1_1x7",
        ),
        nodes=5,
        loose=True,
    ),
    "PNAS": CellFamily(
        (
            "sep_conv_3x3",
            "sep_conv_5x5",
            "sep_conv_7x7",
            "conv_7x1_1x7",
            "skip_connect",
            "avg_pool_3x3",
            "max_pool_3x3",
            "dil_conv_3x3",
        ),
        nodes=5,
        loose=False,
    ),
    "ENAS": CellFamily(
        ("skip_connect", "sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3"),
        nodes=5,
        loose=True,
    ),
    "DARTS": CellFamily(
        (
            "none",
            "max_pool_3x3",
            "avg_pool_3x3",
            "skip_connect",
            "sep_conv_3x3",
            "sep_conv_5x5",
            "dil_conv_3x3",
            "dil_conv_5x5",
        ),
        nodes=4,
        loose=False,
    ),
}
FamilyName = Literal[
    "DARTS",
    "DARTS_in",
    "DARTS_fix-w-d",
    "DARTS_fix-w-d_in",
    "DARTS_lr-wd",
    "DARTS_lr-wd_in",
    "ENAS",
    "ENAS_in",
    "ENAS_fix-w-d",
    "ENAS_fix-w-d_in",
    "PNAS",
    "PNAS_in",
    "PNAS_fix-w-d",
    "PNAS_fix-w-d_in",
    "NASNet",
    "NASNet_in",
    "Amoeba",
    "Amoeba_in",
]
"""The names of the published files, without `.json`."""


class NdsCellsSpace(CellSpace):
    """NDS cells: networks of a normal and a reduction cell, as in NASNet, AmoebaNet, PNAS, ENAS and DARTS.

    A cell is 5 nodes (DARTS: 4), each the sum of two operations on earlier values; its output is all nodes (DARTS,
    PNAS) or those no other node takes. The cells at a third and two thirds of the depth halve the resolution. `family`
    is the name of the published file: DARTS has 10²⁴ architectures, of which the files hold samples with their errors.
    Architectures are named by a key, or given as the published records. Dead parts (`none`, what only reaches it,
    cells no output depends on) are left out of what is scored, never of the size. Parameters equal the published ones;
    multiply-adds are 1 to 10 % below the published `flops`, which count ReLU, pooling and dilated kernels otherwise.
    """

    kind = "nds-cells"
    example = "48x14-no0m30.id0a30.m32s50.m31a33_2345-no0s51.m30id1.a31no0.no1m30_2345"
    source = "Radosavovic et al., On Network Design Spaces for Visual Recognition, ICCV 2019"

    class Options(CellOptions):
        family: FamilyName = Field(
            "DARTS",
            description="which file of NDS; _in: widths and depths as on ImageNet; fix-w-d: one width and depth",
        )
        widths: tuple[Width, ...] | None = Field(
            None,
            min_length=1,
            description="widths to draw from; unset: 16, 24, 32, on ImageNet 32, 48, 64, 80, 96; fix-w-d: 16, 32",
        )
        depths: tuple[Depth, ...] | None = Field(
            None,
            min_length=1,
            description="depths to draw from; unset: 4, 8, 12, 16, 20, on ImageNet 6, 10, 14, 18, 22; fix-w-d: 20, 22",
        )

    options: Options

    @property
    def operations(self) -> tuple[str, ...]:
        return self._family.operations

    @property
    def nodes(self) -> int:
        return self._family.nodes

    @property
    def loose(self) -> bool:
        return self._family.loose

    @property
    def widths(self) -> tuple[int, ...]:
        if self.options.widths:
            return self.options.widths
        if "fix-w-d" in self.options.family:
            return (32,) if self._imagenet else (16,)
        return (32, 48, 64, 80, 96) if self._imagenet else (16, 24, 32)

    @property
    def depths(self) -> tuple[int, ...]:
        if self.options.depths:
            return self.options.depths
        if "fix-w-d" in self.options.family:
            return (22,) if self._imagenet else (20,)
        return (6, 10, 14, 18, 22) if self._imagenet else (4, 8, 12, 16, 20)

    @property
    def _family(self) -> CellFamily:
        return FAMILIES[self.options.family.partition("_")[0]]

    @property
    def _imagenet(self) -> bool:
        return self.options.family.endswith("_in")

    @property
    def _name(self) -> str:
        return f"family {self.options.family}"

    @property
    def _hint(self) -> str:
        return f"set `family` to the file's name: {', '.join(get_args(FamilyName))}"

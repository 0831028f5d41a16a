"""Size of `networks.transnasbench101.TransNasBench101`, of the same arguments; and what those are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eproxyctl.networks.counting.layers import STEM_STRIDES, Sides, Size, Sums, Tally, Terms, strided

KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


@dataclass(frozen=True)
class ModuleShape:
    """A row's member.

    Attributes:
        widen: the first block doubles the channels.
        project: the first block has a projection as its shortcut, or a projecting cell.
        stride: of the first block.
    """

    widen: bool
    project: bool
    stride: int


@dataclass(frozen=True)
class Cells:
    """(terms, sums) of the cell of equal shapes, and of the one where shapes change."""

    plain: tuple[Terms, Sums]
    reducing: tuple[Terms, Sums]


def transnasbench101(
    shape: tuple[int, ...],
    outputs: int,
    *,
    channels: int,
    stem_stride: int,
    modules: Sequence[ModuleShape],
    blocks: int,
    cells: Cells | None,
) -> Size:
    """All blocks of a module but the first are equal."""
    total, inside = Tally(), max(1, channels // 2)
    first, second = STEM_STRIDES[stem_stride]
    sides = total.conv(shape[0], inside, 3, shape[1:], stride=first)
    sides = total.conv(inside, channels, 3, sides, stride=second)
    for module in modules:
        width = channels * (2 if module.widen else 1)
        after = strided(sides, module.stride)
        if cells is None:
            total.add(_residual(channels, width, sides, module.stride, project=module.project))
            total.add(_residual(width, width, after, 1, project=False), blocks - 1)
        elif module.project:
            total.add(_cell(channels, width, cells.reducing[0], sides, module.stride))
            total.add(_cell(width, width, cells.plain[0], after, 1), blocks - 1)
        else:
            total.add(_cell(channels, width, cells.plain[0], sides, 1), blocks)
        channels, sides = width, after
    total.linear(channels, outputs)
    return total.size


def _residual(inputs: int, outputs: int, sides: Sides, stride: int, *, project: bool) -> Size:
    total = Tally()
    after = total.conv(inputs, outputs, 3, sides, stride=stride)
    total.conv(outputs, outputs, 3, after)
    if project:
        total.conv(inputs, outputs, 1, sides, stride=stride)
    return total.size


def _cell(inputs: int, outputs: int, terms: Terms, sides: Sides, stride: int) -> Size:
    total = Tally()
    after = strided(sides, stride)
    for operation, source in terms:
        if operation != "skip_connect":  # the two halves of a projection are as large as one 1×1 convolution
            total.conv(outputs if source else inputs, outputs, KERNELS.get(operation, 1), after)
    return total.size

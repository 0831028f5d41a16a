"""Size of `networks.nasbench201.NasBench201`, of the same arguments."""

from __future__ import annotations

from itertools import pairwise

from eproxyctl.networks.counting.layers import Sides, Size, Sums, Tally, Terms

KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


def nasbench201(
    shape: tuple[int, ...],
    outputs: int,
    *,
    channels: int,
    cells: int,
    terms: Terms,
    sums: Sums,
    affine: bool = True,
) -> Size:
    """What the sums add up has no weights."""
    total = Tally()
    widths = (channels, 2 * channels, 4 * channels)
    kernels = [KERNELS[operation] for operation, _ in terms if operation in KERNELS]
    sides = total.conv(shape[0], channels, 3, shape[1:])
    total.add(_cell(channels, kernels, sides, affine), cells)
    for before, width in pairwise(widths):
        sides = total.conv(before, width, 3, sides, stride=2)
        total.conv(width, width, 3, sides)
        total.conv(before, width, 1, sides, norm=False)
        total.add(_cell(width, kernels, sides, affine), cells)
    total.params += 2 * widths[-1]
    total.linear(widths[-1], outputs)
    return total.size


def _cell(channels: int, kernels: list[int], sides: Sides, affine: bool) -> Size:
    total = Tally()
    for kernel in kernels:
        total.conv(channels, channels, kernel, sides, norm=affine, bias=not affine)
    return total.size

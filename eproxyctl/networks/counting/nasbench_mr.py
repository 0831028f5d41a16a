"""Size of `networks.nasbench_mr.NasBenchMr`, of the same arguments."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from eproxyctl.networks.counting.layers import STEM_STRIDES, Sides, Size, Tally, strided


def nasbench_mr(
    shape: tuple[int, ...],
    outputs: int,
    *,
    stem: Sequence[int],
    stem_stride: int,
    modules: Sequence[tuple[Sequence[int], Sequence[int]]],
    last: int,
    join: int,
) -> Size:
    """Branch b has the resolution of the first divided by two b times, rounded up each time."""
    total = Tally()
    first, second = STEM_STRIDES[stem_stride]
    sides = total.conv(shape[0], stem[0], 3, shape[1:], stride=first)
    sides = total.conv(stem[0], stem[1], 3, sides, stride=second)
    inputs: Sequence[int] = stem[1:]
    for blocks, widths in modules:
        total.add(_fusion(tuple(inputs), tuple(widths), sides))
        at = sides
        for count, width in zip(blocks, widths, strict=True):
            total.add(_block(width, at), count)
            at = strided(at, 2)
        inputs = widths
    for _ in range(min(join, len(inputs) - 1)):
        sides = strided(sides, 2)
    total.conv(sum(inputs), last, 1, sides)
    total.linear(last, outputs)
    return total.size


@lru_cache(maxsize=4_096)
def _block(width: int, sides: Sides) -> Size:
    total = Tally()
    total.conv(width, width, 3, sides)
    total.conv(width, width, 3, sides)
    return total.size


@lru_cache(maxsize=4_096)
def _fusion(inputs: tuple[int, ...], outputs: tuple[int, ...], sides: Sides) -> Size:
    """A convolution from each branch to itself and its neighbours: 1×1 to the finer, with a stride to the coarser."""
    total = Tally()
    at = sides
    for branch, width in enumerate(inputs):
        total.conv(width, outputs[branch], 3, at)
        if branch:
            total.conv(width, outputs[branch - 1], 1, at)
        if branch + 1 < len(inputs):
            at = total.conv(width, outputs[branch + 1], 3, at, stride=2)
    for width, further in pairwise(outputs[len(inputs) - 1 :]):
        at = total.conv(width, further, 3, at, stride=2)
    return total.size

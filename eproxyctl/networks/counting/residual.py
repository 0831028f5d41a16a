"""Size of `networks.residual.ResidualNetwork`, of the same arguments; and what those are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from eproxyctl.networks.counting.layers import Sides, Size, Tally, strided

BlockKind = Literal["plain", "basic", "bottleneck"]


class StageShape(NamedTuple):
    """A stage as its network is built from it: `inner` are the bottleneck's channels, a multiple of `groups`."""

    blocks: int
    width: int
    stride: int
    inner: int
    groups: int


def stem_widths(width: int, stride: int) -> list[int]:
    """Channels of the stem's convolutions; where there are several, the first has half the channels."""
    steps = stride.bit_length() - 1
    return [width] if steps <= 1 else [width // 2] + [width] * (steps - 1)


def residual(
    shape: tuple[int, ...],
    outputs: int,
    *,
    kind: BlockKind,
    stem_width: int,
    stem_stride: int,
    stages: Sequence[StageShape],
) -> Size:
    """All blocks of a stage but the first are equal."""
    total = Tally()
    inputs, sides = shape[0], shape[1:]
    for width in stem_widths(stem_width, stem_stride):
        sides = total.conv(inputs, width, 3, sides, stride=min(2, stem_stride))
        inputs = width
    for stage in stages:
        _block(total, kind, inputs, stage, sides, stage.stride)
        sides, inputs = strided(sides, stage.stride), stage.width
        rest = Tally()
        _block(rest, kind, inputs, stage, sides, 1)
        total.add(rest.size, stage.blocks - 1)
    total.linear(inputs, outputs)
    return total.size


def _block(total: Tally, kind: BlockKind, inputs: int, stage: StageShape, sides: Sides, stride: int) -> None:
    if kind == "bottleneck":
        total.conv(inputs, stage.inner, 1, sides)
        after = total.conv(stage.inner, stage.inner, 3, sides, stride=stride, groups=stage.groups)
        total.conv(stage.inner, stage.width, 1, after)
    else:
        after = total.conv(inputs, stage.width, 3, sides, stride=stride)
        total.conv(stage.width, stage.width, 3, after)
    if kind != "plain" and (inputs != stage.width or stride != 1):
        total.conv(inputs, stage.width, 1, after)

"""Size of `networks.mobilenet.MobileNet`, of the same arguments; and what those are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eproxyctl.networks.counting.layers import Sides, Size, Tally, strided


@dataclass(frozen=True)
class MobileStage:
    """`depth` blocks at `channels`, the first with the stride."""

    channels: int
    stride: int
    expansion: int
    kernel: int
    depth: int
    squeeze: bool = False


def mobilenet(
    shape: tuple[int, ...], outputs: int, *, stem: int, stem_stride: int, stages: Sequence[MobileStage], head: int
) -> Size:
    """All blocks of a stage but the first are equal."""
    total = Tally()
    sides = total.conv(shape[0], stem, 3, shape[1:], stride=stem_stride)
    inputs = stem
    for stage in stages:
        _block(total, inputs, stage, sides, stage.stride)
        sides, inputs = strided(sides, stage.stride), stage.channels
        if stage.depth > 1:
            rest = Tally()
            _block(rest, inputs, stage, sides, 1)
            total.add(rest.size, stage.depth - 1)
    total.conv(inputs, head, 1, sides)
    total.linear(head, outputs)
    return total.size


def _block(total: Tally, inputs: int, stage: MobileStage, sides: Sides, stride: int) -> None:
    hidden = inputs * stage.expansion
    if stage.expansion != 1:
        total.conv(inputs, hidden, 1, sides)
    sides = total.conv(hidden, hidden, stage.kernel, sides, stride=stride, groups=hidden)
    if stage.squeeze:
        gate = max(1, inputs // 4)
        total.linear(hidden, gate)
        total.linear(gate, hidden)
    total.conv(hidden, stage.channels, 1, sides)

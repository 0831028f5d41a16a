"""Parameters and multiply-adds of layers, without building them."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from eproxyctl.contracts import BlockOptions, BlockSize

NormalisationName = Literal["batch", "layer", "group", "none"]
ActivationName = Literal["relu", "relu6", "leaky_relu", "silu", "gelu", "hardswish", "none"]


class StyledOptions(BlockOptions):
    """Options of a block that normalises and activates."""

    normalisation: NormalisationName = Field("batch", description="batch, layer (over channels), group (of 8) or none")
    activation: ActivationName = Field("relu", description="after each normalisation but the last")


def total(*sizes: BlockSize) -> BlockSize:
    """The sum."""
    return BlockSize(sum(size.params for size in sizes), sum(size.macs for size in sizes))


NOTHING = BlockSize(0, 0)


def convolved(
    inputs: int, outputs: int, kernel: int, spatial: tuple[int, ...], *, groups: int = 1, bias: bool = False
) -> BlockSize:
    """Of a convolution; `spatial` are the sides behind it."""
    weights = inputs // groups * outputs * kernel ** len(spatial)
    return BlockSize(weights + outputs * bias, weights * math.prod(spatial))


def normed(name: str, channels: int) -> BlockSize:
    """Of a normalisation: a weight and a bias for each channel."""
    return NOTHING if name == "none" else BlockSize(2 * channels, 0)


def unit_size(
    name: str,
    inputs: int,
    outputs: int,
    kernel: int,
    spatial: tuple[int, ...],
    *,
    groups: int = 1,
) -> BlockSize:
    """Of a convolution and its normalisation, a bias where there is none."""
    one = convolved(inputs, outputs, kernel, spatial, groups=groups, bias=name == "none")
    return total(one, normed(name, outputs))


def linear(inputs: int, outputs: int, count: int, *, bias: bool = True) -> BlockSize:
    """Of a linear layer on `count` vectors."""
    return BlockSize(inputs * outputs + outputs * bias, inputs * outputs * count)

"""Residual blocks: basic and bottleneck, plain or grouped; and ConvNeXt's."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pydantic import Field, PositiveInt

from eproxyctl.contracts import Block, BlockSize, Spot
from eproxyctl.spaces.blocks.convolutional import OddKernel, divided
from eproxyctl.spaces.blocks.costs import (
    NOTHING,
    ActivationName,
    NormalisationName,
    StyledOptions,
    convolved,
    normed,
    total,
    unit_size,
)

if TYPE_CHECKING:
    from torch import nn


def _around(name: str, spot: Spot) -> BlockSize:
    """The projection of the input where its shape changes."""
    if spot.inputs == spot.outputs and spot.stride == 1:
        return NOTHING
    return unit_size(name, spot.inputs, spot.outputs, 1, spot.after)


class BasicBlock(Block):
    """ResNet's basic block: two convolutions, the first with the stride; plus the input, then the activation."""

    kind = "basic"

    class Options(StyledOptions):
        kernel: OddKernel = Field(3, description="side of both kernels")

    options: Options

    def build(self, spot: Spot) -> nn.Module:
        from eproxyctl.networks.blocks.convolutional import ResidualUnit, Style, unit

        style, kernel = Style(self.options.normalisation, self.options.activation), self.options.kernel
        layers = unit(style, spot.rank, spot.inputs, spot.outputs, kernel, stride=spot.stride)
        layers += unit(style, spot.rank, spot.outputs, spot.outputs, kernel, active=False)
        return ResidualUnit(style, spot.rank, layers, spot.inputs, spot.outputs, spot.stride)

    def size(self, spot: Spot) -> BlockSize:
        name, kernel = self.options.normalisation, self.options.kernel
        return total(
            unit_size(name, spot.inputs, spot.outputs, kernel, spot.after),
            unit_size(name, spot.outputs, spot.outputs, kernel, spot.after),
            _around(name, spot),
        )


class BottleneckBlock(Block):
    """ResNet's bottleneck, ResNeXt's and RegNet's: 1×1, grouped convolution with the stride, 1×1; plus the input.

    The inner channels are `ratio` times those of the block. `group_width` makes as many groups as give it, and then
    inner channels are rounded to a multiple; else there are `groups`. `squeeze` puts a gate before the last (RegNetY).
    """

    kind = "bottleneck"

    class Options(StyledOptions):
        ratio: float = Field(0.25, gt=0, le=16, description="inner channels as a share of the block's")
        kernel: OddKernel = Field(3, description="side of the inner kernel")
        groups: PositiveInt = Field(1, le=4096, description="of the inner convolution")
        group_width: PositiveInt | None = Field(None, le=4096, description="channels a group, instead of groups")
        squeeze: float | bool = Field(False, ge=0, le=4, description="gate; its channels as a share of the input's")

    options: Options

    def _inner(self, spot: Spot) -> tuple[int, int]:
        """(inner channels, groups)."""
        o, wanted = self.options, spot.outputs * self.options.ratio
        if o.group_width is not None:
            width = min(o.group_width, max(1, round(wanted)))
            groups = max(1, round(wanted / width))
            return groups * width, groups
        if spot.width != 1:
            return max(1, round(wanted / o.groups)) * o.groups, o.groups
        return max(1, round(wanted)), o.groups

    @classmethod
    def may_fail(cls, given: Collection[str]) -> bool:
        return "groups" in given

    def check(self, spot: Spot) -> None:
        divided(*self._inner(spot), "bottleneck")

    def build(self, spot: Spot) -> nn.Module:
        from eproxyctl.networks.blocks.convolutional import ResidualUnit, Style, unit
        from eproxyctl.networks.blocks.layers import ChannelGate

        style, (inner, groups) = Style(self.options.normalisation, self.options.activation), self._inner(spot)
        layers = unit(style, spot.rank, spot.inputs, inner, 1)
        layers += unit(style, spot.rank, inner, inner, self.options.kernel, stride=spot.stride, groups=groups)
        squeezed = gate_width(self.options.squeeze, spot.inputs)
        if squeezed:
            layers.append(ChannelGate(spot.rank, inner, squeezed, style.activation))
        layers += unit(style, spot.rank, inner, spot.outputs, 1, active=False)
        return ResidualUnit(style, spot.rank, layers, spot.inputs, spot.outputs, spot.stride)

    def size(self, spot: Spot) -> BlockSize:
        name, (inner, groups) = self.options.normalisation, self._inner(spot)
        return total(
            unit_size(name, spot.inputs, inner, 1, spot.spatial),
            unit_size(name, inner, inner, self.options.kernel, spot.after, groups=groups),
            gate_size(inner, gate_width(self.options.squeeze, spot.inputs)),
            unit_size(name, inner, spot.outputs, 1, spot.after),
            _around(name, spot),
        )


def gate_width(squeeze: float | bool, inputs: int) -> int:
    """Channels inside a squeeze-excite gate; true: a quarter of the block's input, as MnasNet and EfficientNet have."""
    share = 0.25 if squeeze is True else float(squeeze)
    return max(1, int(inputs * share)) if share else 0


def gate_size(channels: int, hidden: int) -> BlockSize:
    """Of a squeeze-excite gate."""
    if not hidden:
        return NOTHING
    return total(convolved(channels, hidden, 1, (1,), bias=True), convolved(hidden, channels, 1, (1,), bias=True))


class ConvNeXtBlock(Block):
    """ConvNeXt's: depthwise convolution, normalisation, 1×1 expansion, activation, 1×1, layer scale; plus the input.

    Where the shape changes, a normalised convolution comes first whose kernel is the stride. The published scale of
    10⁻⁶ makes an untrained block an identity, which no proxy tells from another; the default is 1.
    """

    kind = "convnext"

    class Options(StyledOptions):
        normalisation: NormalisationName = Field("layer", description="batch, layer (over channels), group or none")
        activation: ActivationName = Field("gelu", description="between the 1×1 convolutions")
        kernel: OddKernel = Field(7, description="side of the depthwise kernel")
        expansion: float = Field(4, gt=0, le=64, description="inner channels for each of the block's")
        scale: float | None = Field(1.0, ge=0, le=100, description="layer scale at first; null: none")

    options: Options

    def _hidden(self, spot: Spot) -> int:
        return max(1, int(spot.outputs * self.options.expansion))

    def build(self, spot: Spot) -> nn.Module:
        from eproxyctl.networks.blocks.convolutional import ConvNeXtUnit, Style

        o = self.options
        return ConvNeXtUnit(
            Style(o.normalisation, o.activation),
            spot.rank,
            spot.inputs,
            spot.outputs,
            stride=spot.stride,
            kernel=o.kernel,
            hidden=self._hidden(spot),
            scale=o.scale,
        )

    def size(self, spot: Spot) -> BlockSize:
        o, channels, hidden, sides = self.options, spot.outputs, self._hidden(spot), spot.after
        change = NOTHING
        if spot.inputs != channels or spot.stride != 1:
            projection = convolved(spot.inputs, channels, spot.stride, sides, bias=True)
            change = total(normed(o.normalisation, spot.inputs), projection)
        return total(
            change,
            convolved(channels, channels, o.kernel, sides, groups=channels, bias=True),
            normed(o.normalisation, channels),
            convolved(channels, hidden, 1, sides, bias=True),
            convolved(hidden, channels, 1, sides, bias=True),
            BlockSize(0 if o.scale is None else channels, 0),
        )

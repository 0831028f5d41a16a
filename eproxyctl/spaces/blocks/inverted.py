"""Inverted residual blocks: MBConv, and the fused form."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from eproxyctl.contracts import Block, BlockSize, Spot
from eproxyctl.spaces.blocks.convolutional import OddKernel
from eproxyctl.spaces.blocks.costs import ActivationName, StyledOptions, total, unit_size
from eproxyctl.spaces.blocks.residual import gate_size, gate_width

if TYPE_CHECKING:
    from torch import nn


class InvertedOptions(StyledOptions):
    """Options of inverted residual blocks."""

    activation: ActivationName = Field("relu6", description="after each normalisation but the last")
    kernel: OddKernel = Field(3, description="side of the spatial kernel")
    expansion: float = Field(6, gt=0, le=64, description="inner channels for each of the input's; at 1 there is none")
    squeeze: float | bool = Field(
        False, ge=0, le=4, description="squeeze-excite; its channels as a share of the input's, true: a quarter"
    )
    residual: bool = Field(True, description="the input is added where the shape stays the same")


class _Inverted(Block):
    Options = InvertedOptions
    options: InvertedOptions
    fused: ClassVar[bool]

    def _hidden(self, spot: Spot) -> int:
        return max(1, int(spot.inputs * self.options.expansion))

    def build(self, spot: Spot) -> nn.Module:
        from eproxyctl.networks.blocks.convolutional import InvertedResidual, Style

        o = self.options
        return InvertedResidual(
            Style(o.normalisation, o.activation),
            spot.rank,
            spot.inputs,
            spot.outputs,
            stride=spot.stride,
            kernel=o.kernel,
            hidden=self._hidden(spot),
            squeezed=gate_width(o.squeeze, spot.inputs),
            fused=self.fused,
            residual=o.residual and spot.stride == 1 and spot.inputs == spot.outputs,
        )


class MBConvBlock(_Inverted):
    """MBConv: 1×1 expansion, depthwise convolution, squeeze-excite, 1×1 projection; plus the input (MobileNetV2)."""

    kind = "mbconv"
    fused = False

    def size(self, spot: Spot) -> BlockSize:
        o, hidden = self.options, self._hidden(spot)
        sizes = [
            unit_size(o.normalisation, hidden, hidden, o.kernel, spot.after, groups=hidden),
            gate_size(hidden, gate_width(o.squeeze, spot.inputs)),
            unit_size(o.normalisation, hidden, spot.outputs, 1, spot.after),
        ]
        if hidden != spot.inputs:
            sizes.append(unit_size(o.normalisation, spot.inputs, hidden, 1, spot.spatial))
        return total(*sizes)


class FusedMBConvBlock(_Inverted):
    """Fused MBConv: a full convolution that expands, squeeze-excite, 1×1 projection; plus the input (EfficientNetV2).

    At expansion 1 it is one convolution, without gate.
    """

    kind = "fused_mbconv"
    fused = True

    def size(self, spot: Spot) -> BlockSize:
        o, hidden = self.options, self._hidden(spot)
        if hidden == spot.inputs:
            return unit_size(o.normalisation, spot.inputs, spot.outputs, o.kernel, spot.after)
        return total(
            unit_size(o.normalisation, spot.inputs, hidden, o.kernel, spot.after),
            gate_size(hidden, gate_width(o.squeeze, spot.inputs)),
            unit_size(o.normalisation, hidden, spot.outputs, 1, spot.after),
        )

"""Plain blocks: a convolution, a separable one, a pooling, nothing."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from eproxyctl.contracts import Block, BlockOptions, BlockSize, Spot
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.spaces.blocks.costs import NOTHING, StyledOptions, total, unit_size

if TYPE_CHECKING:
    from torch import nn

Kernel = Literal[1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 16, 17, 19, 21, 25, 27, 31, 32, 33, 65]
OddKernel = Literal[1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 25, 27, 31, 33, 65]


def divided(channels: int, groups: int, what: str) -> None:
    """Raises InvalidArchitecture where the groups do not divide the channels."""
    if channels % groups:
        raise InvalidArchitecture(f"{groups} groups do not divide the {channels} channels of a {what}")


class ConvBlock(Block):
    """A convolution, normalisation, activation. An even kernel, such as a patch of 4 at stride 4, is not centred."""

    kind = "conv"

    class Options(StyledOptions):
        kernel: Kernel = Field(3, description="side of the kernel")
        groups: PositiveInt = Field(1, le=4096, description="of the convolution")
        bias: bool = Field(False, description="a bias of the convolution beside the normalisation")

    options: Options

    @classmethod
    def may_fail(cls, given: Collection[str]) -> bool:
        return "groups" in given

    def check(self, spot: Spot) -> None:
        divided(spot.inputs, self._groups(spot), "convolution")
        divided(spot.outputs, self._groups(spot), "convolution")

    def _groups(self, spot: Spot) -> int:
        """A shrunk network has as many as divide its channels."""
        return self.options.groups if spot.width == 1 else math.gcd(self.options.groups, spot.inputs, spot.outputs)

    def build(self, spot: Spot) -> nn.Module:
        from torch import nn

        from eproxyctl.networks.blocks.convolutional import Style, unit

        o = self.options
        return nn.Sequential(
            *unit(
                Style(o.normalisation, o.activation),
                spot.rank,
                spot.inputs,
                spot.outputs,
                o.kernel,
                stride=spot.stride,
                groups=self._groups(spot),
                bias=o.bias,
            )
        )

    def size(self, spot: Spot) -> BlockSize:
        o = self.options
        size = unit_size(o.normalisation, spot.inputs, spot.outputs, o.kernel, spot.after, groups=self._groups(spot))
        return BlockSize(size.params + spot.outputs * (o.bias and o.normalisation != "none"), size.macs)


class SeparableBlock(Block):
    """A depthwise convolution and a 1×1 one, each with normalisation and activation (MobileNet, 2017)."""

    kind = "separable"

    class Options(StyledOptions):
        kernel: OddKernel = Field(3, description="side of the depthwise kernel")

    options: Options

    def build(self, spot: Spot) -> nn.Module:
        from torch import nn

        from eproxyctl.networks.blocks.convolutional import Style, unit

        style = Style(self.options.normalisation, self.options.activation)
        depthwise = unit(
            style,
            spot.rank,
            spot.inputs,
            spot.inputs,
            self.options.kernel,
            stride=spot.stride,
            groups=spot.inputs,
        )
        return nn.Sequential(*depthwise, *unit(style, spot.rank, spot.inputs, spot.outputs, 1))

    def size(self, spot: Spot) -> BlockSize:
        o = self.options
        return total(
            unit_size(o.normalisation, spot.inputs, spot.inputs, o.kernel, spot.after, groups=spot.inputs),
            unit_size(o.normalisation, spot.inputs, spot.outputs, 1, spot.after),
        )


class PoolBlock(Block):
    """Max or average pooling; it keeps the channels."""

    kind = "pool"

    class Options(BlockOptions):
        kernel: OddKernel = Field(3, description="side of the window")
        operation: Literal["max", "average"] = Field("max", description="what is made of a window")

    options: Options

    def check(self, spot: Spot) -> None:
        if spot.inputs != spot.outputs:
            raise InvalidArchitecture(f"a pooling of {spot.inputs} channels cannot give {spot.outputs}")

    def build(self, spot: Spot) -> nn.Module:
        from eproxyctl.networks.blocks.convolutional import pooling

        return pooling(self.options.operation, spot.rank, self.options.kernel, spot.stride)

    def size(self, spot: Spot) -> BlockSize:
        return NOTHING


class IdentityBlock(Block):
    """Its input, unchanged: only where channels and size stay the same."""

    kind = "identity"

    def check(self, spot: Spot) -> None:
        if not self.vanishes(spot):
            raise InvalidArchitecture("an identity stands where channels or size change", hint="give it another place")

    def vanishes(self, spot: Spot) -> bool:
        return spot.inputs == spot.outputs and spot.stride == 1

    def build(self, spot: Spot) -> nn.Module:
        from torch import nn

        return nn.Identity()

    def size(self, spot: Spot) -> BlockSize:
        return NOTHING

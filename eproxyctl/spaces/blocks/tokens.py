"""Blocks of tokens: patches, a transformer's layer, MLP-Mixer's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, PositiveInt

from eproxyctl.contracts import Block, BlockOptions, BlockSize, Spot
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.spaces.blocks.costs import ActivationName, convolved, linear, total

if TYPE_CHECKING:
    from torch import nn


class PatchBlock(Block):
    """Patches as tokens, each embedded linearly; the stem of transformers, or between stages what merges patches.

    Leave `stride` out: it is `size`. A class token goes no further than the stage's end where maps follow.
    """

    kind = "patch"
    gives = "tokens"

    class Options(BlockOptions):
        size: PositiveInt = Field(16, le=256, description="side of a patch")
        positions: bool = Field(True, description="learned positions are added")
        class_token: bool = Field(False, description="a learned token first, which the head may read")

    options: Options

    def stride(self) -> int:
        """The side of a patch."""
        return self.options.size

    def class_token(self, spot: Spot) -> bool:
        return self.options.class_token

    def build(self, spot: Spot) -> nn.Module:
        from eproxyctl.networks.blocks.tokens import Patches

        o = self.options
        return Patches(
            spot.inputs, spot.outputs, o.size, spot.spatial, positions=o.positions, class_token=o.class_token
        )

    def size(self, spot: Spot) -> BlockSize:
        o, sides = self.options, spot.after
        embedded = convolved(spot.inputs, spot.outputs, o.size, sides, bias=True)
        learned = o.class_token + o.positions * (math.prod(sides) + o.class_token)
        return BlockSize(embedded.params + spot.outputs * learned, embedded.macs)


class _TokenBlock(Block):
    takes = "tokens"
    gives = "tokens"
    called: ClassVar[str]

    def check(self, spot: Spot) -> None:
        if spot.inputs != spot.outputs or spot.stride != 1:
            raise InvalidArchitecture(
                f"a {self.called} keeps channels and size, and here {spot.inputs} become {spot.outputs} at stride "
                f"{spot.stride}",
                hint="put a stage {block: patch, size: 2, channels: …} before it",
            )


class VitBlock(_TokenBlock):
    """A transformer's layer as ViT and DeiT have it, normalised first: attention and MLP, each added to its input.

    A head is channels / heads wide, or `head_width` where that is set (AutoFormer's are 64). Layer normalisation and
    a bias after attention and MLP are fixed.
    """

    kind = "vit"
    called = "transformer's layer"

    class Options(BlockOptions):
        heads: PositiveInt = Field(3, le=1024, description="of attention")
        head_width: PositiveInt | None = Field(None, le=4096, description="of each; unset: channels / heads")
        ratio: float = Field(4, gt=0, le=64, description="inner channels of the MLP for each of the block's")
        qkv_bias: bool = Field(True, description="queries, keys and values have a bias")
        activation: ActivationName = Field("gelu", description="inside the MLP")
        scale: float | None = Field(None, ge=0, le=100, description="layer scale at first; unset: none")

    options: Options

    def _heads(self, spot: Spot) -> tuple[int, int]:
        """(heads, width of each); a shrunk network has as many heads as divide its channels, or a share of them."""
        o = self.options
        if o.head_width is not None:
            return max(1, round(o.heads * spot.width)), o.head_width
        heads = o.heads
        while spot.width != 1 and spot.inputs % heads:
            heads -= 1
        return heads, spot.inputs // heads

    def check(self, spot: Spot) -> None:
        super().check(spot)
        heads, width = self._heads(spot)
        if self.options.head_width is None and heads * width != spot.inputs:
            raise InvalidArchitecture(f"{heads} heads do not divide {spot.inputs} channels", hint="or set head_width")

    def build(self, spot: Spot) -> nn.Module:
        from eproxyctl.networks.blocks.tokens import Encoder

        o, (heads, width) = self.options, self._heads(spot)
        return Encoder(
            spot.inputs,
            heads=heads,
            width=width,
            hidden=max(1, int(spot.inputs * o.ratio)),
            activation=o.activation,
            qkv_bias=o.qkv_bias,
            scale=o.scale,
        )

    def size(self, spot: Spot) -> BlockSize:
        o, channels, count, (heads, width) = self.options, spot.inputs, spot.tokens, self._heads(spot)
        inner, hidden = heads * width, max(1, int(channels * o.ratio))
        return total(
            BlockSize(4 * channels + (0 if o.scale is None else 2 * channels), 2 * count**2 * inner),
            linear(channels, 3 * inner, count, bias=o.qkv_bias),
            linear(inner, channels, count),
            linear(channels, hidden, count),
            linear(hidden, channels, count),
        )


class MixerBlock(_TokenBlock):
    """MLP-Mixer's layer: an MLP across the tokens, one across the channels, each normalised first and added."""

    kind = "mixer"
    called = "mixer's layer"

    class Options(BlockOptions):
        token_ratio: float = Field(0.5, gt=0, le=64, description="inner width across tokens for each channel")
        ratio: float = Field(4, gt=0, le=64, description="inner channels of the MLP for each of the block's")
        activation: ActivationName = Field("gelu", description="inside both MLPs")

    options: Options

    def _widths(self, spot: Spot) -> tuple[int, int]:
        return max(1, int(spot.inputs * self.options.token_ratio)), max(1, int(spot.inputs * self.options.ratio))

    def build(self, spot: Spot) -> nn.Module:
        from eproxyctl.networks.blocks.tokens import Mixer

        across, hidden = self._widths(spot)
        return Mixer(spot.inputs, spot.tokens, across=across, hidden=hidden, activation=self.options.activation)

    def size(self, spot: Spot) -> BlockSize:
        channels, count, (across, hidden) = spot.inputs, spot.tokens, self._widths(spot)
        return total(
            BlockSize(4 * channels, 0),
            linear(count, across, channels),
            linear(across, count, channels),
            linear(channels, hidden, count),
            linear(hidden, channels, count),
        )

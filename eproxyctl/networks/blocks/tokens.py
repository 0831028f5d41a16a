"""Blocks between tokens [B, N, C], a class token first where there is one, and the ways from maps to tokens and back.

Source: Dosovitskiy et al., ViT, ICLR 2021; Touvron et al., DeiT, ICML 2021; Tolstikhin et al., MLP-Mixer, NeurIPS 2021;
Chen et al., AutoFormer, ICCV 2021 (heads of a width of their own).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from eproxyctl.networks.blocks.layers import LayerScale, activated, convolution
from eproxyctl.networks.operations import Linear

EPSILON = 1e-6


class ToTokens(nn.Module):
    """Maps [B, C, *spatial] → tokens [B, places, C]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)


class ToMaps(nn.Module):
    """Tokens [B, N, C] → maps [B, C, *spatial]; the class token is left out."""

    def __init__(self, spatial: tuple[int, ...], class_token: bool) -> None:
        super().__init__()
        self.spatial, self.class_token = spatial, class_token

    def forward(self, x: Tensor) -> Tensor:
        if self.class_token:
            x = x[:, 1:]
        return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], *self.spatial)


def mark_tokens(module: nn.Module, spatial: tuple[int, ...], *, class_token: bool) -> None:
    """Note on a module whose output is tokens what map they are."""
    module.to_maps = ToMaps(spatial, class_token).forward  # type: ignore[assignment]  # a function, no part of it


def as_maps(module: nn.Module, output: Tensor) -> tuple[Tensor, Tensor] | None:
    """A marked module's tokens as maps, and the same tokens made of those maps, so that what comes after depends on
    the maps; None of other modules.
    """
    to_maps = getattr(module, "to_maps", None)
    if to_maps is None:
        return None
    maps: Tensor = to_maps(output)
    tokens = maps.flatten(2).transpose(1, 2)
    extra = output.shape[1] - tokens.shape[1]
    return maps, torch.cat([output[:, :extra], tokens], 1) if extra else tokens


class Patches(nn.Module):
    """Non-overlapping patches, each embedded linearly; a class token, and learned positions, where asked for.

    Args:
        spatial: sides of the maps before.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, spatial: tuple[int, ...], *, positions: bool, class_token: bool
    ) -> None:
        super().__init__()
        self.project = convolution(len(spatial), inputs, outputs, size, stride=size, bias=True)
        count = math.prod(-(-side // size) for side in spatial) + class_token
        self.token = nn.Parameter(torch.empty(1, 1, outputs)) if class_token else None
        self.positions = nn.Parameter(torch.empty(1, count, outputs)) if positions else None

    def draw(self, random: torch.Generator) -> None:
        """Normal of deviation 0.02, as ViT's and DeiT's."""
        for parameter in (self.token, self.positions):
            if parameter is not None:
                parameter.normal_(0.0, 0.02, generator=random)

    def forward(self, x: Tensor) -> Tensor:
        x = self.project(x).flatten(2).transpose(1, 2)
        if self.token is not None:
            x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        return x if self.positions is None else x + self.positions


class Attention(nn.Module):
    """Multi-head self-attention: [B, N, C] → [B, N, C].

    The products are written out: what is counted, exported and differentiated twice is the same on every device.
    """

    def __init__(self, channels: int, heads: int, width: int, *, bias: bool) -> None:
        super().__init__()
        self.heads, self.width = heads, width
        self.qkv = Linear(channels, 3 * heads * width, bias=bias)
        self.project = Linear(heads * width, channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, count, _ = x.shape
        parts = self.qkv(x).reshape(batch, count, 3, self.heads, self.width).permute(2, 0, 3, 1, 4)
        query, key, value = parts[0], parts[1], parts[2]
        weights = (query * self.width**-0.5 @ key.transpose(2, 3)).softmax(3)
        mixed = (weights @ value).transpose(1, 2).reshape(batch, count, self.heads * self.width)
        y: Tensor = self.project(mixed)
        return y


def perceptron(channels: int, hidden: int, activation: str) -> nn.Sequential:
    """Linear, activation, linear."""
    return nn.Sequential(Linear(channels, hidden), *activated(activation), Linear(hidden, channels))


def _scaled(channels: int, scale: float | None) -> list[nn.Module]:
    return [] if scale is None else [LayerScale(channels, scale, 2, 3)]


class Encoder(nn.Module):
    """A transformer's layer with the normalisation first: x + attention, then x + MLP."""

    def __init__(
        self,
        channels: int,
        *,
        heads: int,
        width: int,
        hidden: int,
        activation: str,
        qkv_bias: bool,
        scale: float | None,
    ) -> None:
        super().__init__()
        attention = Attention(channels, heads, width, bias=qkv_bias)
        self.attend = nn.Sequential(nn.LayerNorm(channels, eps=EPSILON), attention, *_scaled(channels, scale))
        mlp = perceptron(channels, hidden, activation)
        self.think = nn.Sequential(nn.LayerNorm(channels, eps=EPSILON), mlp, *_scaled(channels, scale))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(x)
        y: Tensor = x + self.think(x)
        return y


class Mixer(nn.Module):
    """MLP-Mixer's layer: an MLP across tokens, then one across channels, each added to its input."""

    def __init__(self, channels: int, tokens: int, *, across: int, hidden: int, activation: str) -> None:
        super().__init__()
        self.before = nn.LayerNorm(channels, eps=EPSILON)
        self.across = perceptron(tokens, across, activation)
        self.think = nn.Sequential(nn.LayerNorm(channels, eps=EPSILON), perceptron(channels, hidden, activation))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.across(self.before(x).transpose(1, 2)).transpose(1, 2)
        y: Tensor = x + self.think(x)
        return y

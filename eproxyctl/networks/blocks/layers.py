"""Layers that the blocks share: normalisation and activation by name, convolutions of any kernel, gates, scales."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, pad

from eproxyctl.networks.operations import CONV, batch_norm, conv

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "hardswish": nn.Hardswish,
}
GROUPS = 8


def activated(name: str) -> list[nn.Module]:
    """The activation of that name; nothing for `none`."""
    return [] if name == "none" else [ACTIVATIONS[name]()]


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each position: [B, C, *spatial] (ConvNeXt's, ε = 10⁻⁶)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def draw(self, random: torch.Generator) -> None:
        """Weights one, biases zero."""
        self.weight.fill_(1.0)
        self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        y = layer_norm(x.movedim(1, -1), (x.shape[1],), self.weight, self.bias, 1e-6)
        return y.movedim(-1, 1)


def normalised(name: str, rank: int, channels: int) -> list[nn.Module]:
    """The normalisation of maps of that name; nothing for `none`."""
    if name == "none":
        return []
    if name == "batch":
        return [batch_norm(rank, channels)]
    if name == "layer":
        return [ChannelNorm(channels)]
    return [nn.GroupNorm(largest_divisor(channels, GROUPS), channels)]


def largest_divisor(number: int, most: int) -> int:
    """The largest divisor of `number` that is no larger than `most`."""
    return next(d for d in range(min(most, number), 0, -1) if number % d == 0)


class PaddedConv(nn.Module):
    """A convolution of any kernel: a side s becomes ⌈s / stride⌉, zeros where it lacks positions at the end."""

    def __init__(self, rank: int, inputs: int, outputs: int, kernel: int, stride: int, groups: int, bias: bool) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv = CONV[rank](inputs, outputs, kernel, stride=stride, groups=groups, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        lacking = [max(0, ((s - 1) // self.stride) * self.stride + self.kernel - s) for s in x.shape[2:]]
        if any(lacking):
            x = pad(x, [side for missing in reversed(lacking) for side in (0, missing)])
        y: Tensor = self.conv(x)
        return y


def convolution(
    rank: int, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, bias: bool = False
) -> nn.Module:
    """A convolution after which a side s is ⌈s / stride⌉; odd kernels are centred."""
    if kernel % 2 and kernel >= stride:
        return conv(rank, inputs, outputs, kernel, stride=stride, groups=groups, bias=bias)
    return PaddedConv(rank, inputs, outputs, kernel, stride, groups, bias)


def composed(layers: Sequence[nn.Module]) -> nn.Module:
    """One after another."""
    return layers[0] if len(layers) == 1 else nn.Sequential(*layers)


class ChannelGate(nn.Module):
    """Squeeze and excite (Hu et al., CVPR 2018): channels times a gate in (0, 1) computed from their means."""

    def __init__(self, rank: int, channels: int, hidden: int, activation: str) -> None:
        super().__init__()
        self.reduce = conv(rank, channels, hidden, 1, bias=True)
        self.activation = composed(activated(activation) or [nn.ReLU()])
        self.expand = conv(rank, hidden, channels, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        means = x.flatten(2).mean(2).reshape(*x.shape[:2], *[1] * (x.dim() - 2))
        gate: Tensor = self.expand(self.activation(self.reduce(means))).sigmoid()
        return x * gate


class LayerScale(nn.Module):
    """A learned factor for each channel, all equal at first; `axis` is the channels' (Touvron et al., CaiT, 2021)."""

    def __init__(self, channels: int, start: float, axis: int, dims: int) -> None:
        super().__init__()
        self.start = start
        self.shape = tuple(-1 if i == axis else 1 for i in range(dims))
        self.factor = nn.Parameter(torch.empty(channels))

    def draw(self, random: torch.Generator) -> None:
        """All equal to `start`."""
        self.factor.fill_(self.start)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor.reshape(self.shape)

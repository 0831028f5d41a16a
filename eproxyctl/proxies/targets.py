"""Synthetic regression targets: feature maps made from a seed, never from a file.

Source: Li et al., Eproxy (ICCV 2023), and for the waves and dots its predecessor GenNAS (NeurIPS 2021).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eproxyctl.contracts import derive
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.networks.operations import MAX_POOL, batch_norm, conv
from eproxyctl.proxies.eproxy_options import Feature

CHANNELS = 512
"""Channels of a feature before it is sliced to those of a branch."""
BANDS = {"wave_low": (0.0, 0.125), "wave_mid": (0.125, 0.35), "wave_high": (0.375, 0.4875)}
"""Frequency range of each wave, in cycles a pixel."""
NET_WIDTHS = (64, 128, 256, 512, 1024)


def resize(maps: Tensor, size: int) -> Tensor:
    """[B, C, *spatial] → [B, C, size, …] by nearest neighbour; returned as is where it fits."""
    if all(side == size for side in maps.shape[2:]):
        return maps
    return F.interpolate(maps, size=(size,) * (maps.dim() - 2))


def make_target(feature: Feature, seed: int, inputs: Tensor, size: int) -> Tensor:
    """One feature for a minibatch.

    Args:
        feature: which.
        seed: of the run; each feature draws from a generator of its own.
        inputs: [B, C, *spatial], on the CPU.
        size: side of the maps in pixels.

    Returns:
        [B, 512, size, …] float32.
    """
    random = generator(derive(seed, "target", feature))
    rank = inputs.dim() - 2
    shape = (inputs.shape[0], CHANNELS, *(size,) * rank)
    if feature == "net":
        return resize(_net(inputs, random), size)
    if feature == "dot":
        return torch.randint(0, 2, shape, generator=random).float() * 2 - 1
    return _waves(shape, BANDS[feature], random)


def _waves(shape: tuple[int, ...], band: tuple[float, float], random: torch.Generator) -> Tensor:
    """sin(2π Σ ±βₐ xₐ + φ) a sample and channel, x = 1…size; along one axis, or along all with equal chance."""
    rank = len(shape) - 2
    low, high = band
    phase = torch.rand(shape[:2], generator=random) * (2 * math.pi)
    kind = torch.randint(0, rank + 1, shape[:2], generator=random)
    angle = phase.reshape(*shape[:2], *(1,) * rank)
    for axis in range(rank):
        beta = low + (high - low) * torch.rand(shape[:2], generator=random)
        sign = torch.randint(0, 2, shape[:2], generator=random) * 2 - 1
        used = (kind == axis) | (kind == rank)
        cycles = (beta * sign * used).reshape(*shape[:2], *(1,) * rank)
        grid = torch.arange(1, shape[2 + axis] + 1).reshape([-1 if a == axis else 1 for a in range(rank)])
        angle = angle + 2 * math.pi * cycles * grid
    return torch.sin(angle)


@torch.no_grad()
def _net(inputs: Tensor, random: torch.Generator) -> Tensor:
    """The output of an untrained CNN, a quarter of the input's side."""
    with torch.device("meta"):
        network = _net_layers(inputs.dim() - 2, inputs.shape[1])
    network.to_empty(device="cpu")
    initialise(network, "default", random)
    output: Tensor = network(inputs)
    return output


def _net_layers(rank: int, channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for depth, width in enumerate(NET_WIDTHS):
        layers += [conv(rank, channels, width, 3, bias=True), batch_norm(rank, width), nn.ReLU()]
        if depth < 2:
            layers.append(MAX_POOL[rank](2))
        channels = width
    return nn.Sequential(*layers, conv(rank, channels, CHANNELS, 3, bias=True))

"""The maps between a network's blocks, and what AZ-NAS measures on them. Imported inside methods."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eproxyctl.contracts import derive
from eproxyctl.networks.blocks.tokens import as_maps
from eproxyctl.networks.initialise import generator
from eproxyctl.networks.size import as_module

if TYPE_CHECKING:
    from eproxyctl.contracts import Network


def maps_of_blocks(network: Network, inputs: Tensor) -> list[Tensor]:
    """What each block returns, first to last, [B, C, *spatial]; the ends of the stages where there are fewer than two.

    A block is a cell, stem or reduction: a module of several layers that is not a list of blocks itself. Tokens of
    transformers are taken as the maps they stand for, without the class token.
    """
    maps: list[Tensor] = []

    def keep(module: nn.Module, _inputs: object, output: object) -> Tensor | None:
        if not isinstance(output, Tensor):
            return None
        shown = as_maps(module, output)
        if shown is not None:
            maps.append(shown[0])
            return shown[1]
        if output.dim() == inputs.dim():
            maps.append(output)
        return None

    handles = [module.register_forward_hook(keep) for module in _blocks(as_module(network))]
    try:
        stages = network.features(inputs)[::-1]
    finally:
        for handle in handles:
            handle.remove()
    return maps if len(maps) > 1 else stages


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        layers = list(child.children())
        if isinstance(child, nn.ModuleList | nn.Sequential) and any(True for layer in layers if list(layer.children())):
            yield from _blocks(child)
        elif layers:
            yield child


def entropy(features: Tensor) -> float:
    """−Σ p log p, p the eigenvalues of the channels' covariance over images and positions as shares of their sum."""
    channels = features.double().transpose(0, 1).flatten(1)
    eigenvalues = torch.linalg.eigvalsh(torch.cov(channels, correction=0).reshape(len(channels), -1)).clamp(min=0)
    shares = eigenvalues / eigenvalues.sum()
    return -float((shares * (shares + 1e-8).log()).sum())


def trainability(maps: Sequence[Tensor], seed: int, unchanged: float) -> float:
    """Mean over successive maps of 2 − s − 1/s, blocks beside each other left out; NaN where none is left.

    Args:
        maps: of the blocks, first to last, [B, C, *spatial].
        seed: of the random signs.
        unchanged: what counts for a block that passes its input on as it is.
    """
    scores = []
    for i in range(len(maps) - 1, 0, -1):
        source, target = maps[i - 1], maps[i]
        random = generator(derive(seed, "az-nas", i))
        signs = (torch.randint(0, 2, target.shape, generator=random) * 2 - 1).to(target)
        if not (source.requires_grad and target.requires_grad):
            # a cell that returns zeros: nothing is passed on
            scores.append(_score(0.0))
            continue
        (slopes,) = torch.autograd.grad(target, source, signs, retain_graph=True, allow_unused=True)
        if slopes is not None:
            scores.append(unchanged if torch.equal(slopes, signs) else _score(_gain(slopes, signs)))
    return sum(scores) / len(scores) if scores else math.nan


def _score(gain: float) -> float:
    return 2 - gain - 1 / (gain + 1e-6)


def _gain(slopes: Tensor, signs: Tensor) -> float:
    """The largest singular value of the mean over positions of (∂ at the input) (∂ at the output)ᵀ."""
    positions = signs.shape[0] * signs[0, 0].numel()
    before = _fold(slopes, signs.shape[2:]).transpose(0, 1).flatten(1).double()
    after = signs.transpose(0, 1).flatten(1).double()
    return float(torch.linalg.matrix_norm(before @ after.T / positions, 2))


def _fold(maps: Tensor, spatial: torch.Size) -> Tensor:
    """[B, C, *finer] → [B, C · stride^rank, *spatial]: the positions one coarse position covers become channels."""
    for axis, side in enumerate(spatial, start=2):
        stride = max(1, maps.shape[axis] // side)
        split = maps.narrow(axis, 0, side * stride).reshape(*maps.shape[:axis], side, stride, *maps.shape[axis + 1 :])
        maps = split.movedim(axis + 1, 1).flatten(1, 2)
    return maps

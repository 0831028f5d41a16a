"""Training batches varied at random, one draw an input, from an explicit generator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def flip(inputs: Tensor, random: torch.Generator) -> Tensor:
    """[B, C, *spatial], about half of them mirrored along the last axis: images left to right."""
    chosen = torch.randint(0, 2, (len(inputs), *[1] * (inputs.ndim - 1)), generator=random).bool().to(inputs.device)
    return torch.where(chosen, inputs.flip(-1), inputs)


def crop(inputs: Tensor, random: torch.Generator) -> Tensor:
    """[B, C, *spatial], each shifted by up to an eighth of its sides; what comes in is 0, the channel's mean."""
    count, sides = len(inputs), inputs.shape[2:]
    pads = [max(1, side // 8) for side in sides]
    shifted = F.pad(inputs, [pad for pad in reversed(pads) for _ in range(2)])
    for axis, (side, pad) in enumerate(zip(sides, pads, strict=True), start=2):
        starts = torch.randint(0, 2 * pad + 1, (count, 1), generator=random)
        kept = (starts + torch.arange(side)).to(inputs.device)
        shape = [1] * inputs.ndim
        shape[0], shape[axis] = count, side
        wanted = [*shifted.shape]
        wanted[axis] = side
        shifted = shifted.gather(axis, kept.reshape(shape).expand(wanted))
    return shifted

"""Training batches varied at random, one draw an image, from an explicit generator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def flip(images: Tensor, random: torch.Generator) -> Tensor:
    """[B, C, H, W], about half of them mirrored left to right."""
    chosen = torch.randint(0, 2, (len(images), 1, 1, 1), generator=random).bool().to(images.device)
    return torch.where(chosen, images.flip(-1), images)


def crop(images: Tensor, random: torch.Generator) -> Tensor:
    """[B, C, H, W], each shifted by up to an eighth of its sides, what comes in being 0 (the mean of the channel)."""
    count, _, height, width = images.shape
    pads = max(1, height // 8), max(1, width // 8)
    padded = F.pad(images, (pads[1], pads[1], pads[0], pads[0]))
    tops, lefts = (torch.randint(0, 2 * pad + 1, (count, 1), generator=random) for pad in pads)
    rows = (tops + torch.arange(height)).to(images.device)
    columns = (lefts + torch.arange(width)).to(images.device)
    each = torch.arange(count, device=images.device)
    return padded[each[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)

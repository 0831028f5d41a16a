"""Any torch module as a network with feature maps: hooks find the last map of each resolution."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


class HookedNetwork(nn.Module):
    """A module, and as its feature maps the last outputs of its parts at each resolution, the latest first.

    A map has the rank of the inputs: [B, C, *spatial]. Of image networks that work on tokens, [B, n, C] with n a square
    number of patches, and perhaps one token more in front, is a map too.

    Args:
        model: whose forward takes one batch.
        batch: an example of its inputs, [B, C, *spatial].

    Raises:
        ValueError: no part of it gives a map.
    """

    def __init__(self, model: nn.Module, batch: Tensor) -> None:
        super().__init__()
        self.model = model
        with torch.no_grad():
            maps = self.features(batch[:2])
        if not maps:
            raise ValueError("no part of the module gives a feature map of the rank of its inputs")
        self.channels = tuple(each.shape[1] for each in maps)

    def forward(self, batch: Tensor) -> Tensor:
        found: Tensor = self.model(batch)
        return found

    def features(self, batch: Tensor) -> list[Tensor]:
        """Maps [B, channels[i], *spatial], the latest first."""
        last: dict[tuple[int, ...], Tensor] = {}

        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            found = _map(output, batch)
            if found is not None:
                last.pop(found.shape[2:], None)
                last[found.shape[2:]] = found

        handles = [part.register_forward_hook(keep) for part in self.model.modules() if part is not self.model]
        try:
            self.model(batch)
        finally:
            for handle in handles:
                handle.remove()
        return list(reversed(last.values()))


def _map(output: object, batch: Tensor) -> Tensor | None:
    if not isinstance(output, Tensor) or not output.is_floating_point() or output.shape[:1] != batch.shape[:1]:
        return None
    if output.dim() == batch.dim() and output.shape[2:].numel() > 1:
        return output
    if batch.dim() == 4 and output.dim() == 3:
        for tokens in (output, output[:, 1:]):
            side = math.isqrt(tokens.shape[1])
            if side > 1 and side * side == tokens.shape[1]:
                return tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)
    return None

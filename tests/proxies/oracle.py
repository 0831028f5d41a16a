"""A plain reading of the method, step by step, with no thought of speed: what the fast path must equal."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def losses(
    features: nn.Module,
    transform: nn.Module,
    barrier: nn.Module,
    inputs: torch.Tensor,
    target: torch.Tensor,
    *,
    iterations: int,
    learning_rate: float,
    momentum: float,
    weight_decay: float,
) -> list[float]:
    """One branch: the loss at each forward pass, by hand-written SGD."""
    parameters = [p for p in [*features.parameters(), *transform.parameters()] if p.requires_grad]
    velocity = [torch.zeros_like(p) for p in parameters]
    found = []
    for _ in range(iterations):
        maps = features.features(inputs)[0]  # type: ignore[operator]
        maps = F.interpolate(maps, size=target.shape[2:])
        loss = ((barrier(transform(maps)) - target) ** 2).mean()
        found.append(loss.item())
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        with torch.no_grad():
            for parameter, gradient, speed in zip(parameters, gradients, velocity, strict=True):
                if gradient is None:
                    continue
                if parameter.dim() >= 2:
                    gradient = gradient + weight_decay * parameter
                speed.mul_(momentum).add_(gradient)
                parameter.sub_(learning_rate * speed)
    return found

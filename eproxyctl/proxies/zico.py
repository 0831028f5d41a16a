"""ZiCo: how alike the gradients of different minibatches are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eproxyctl.contracts import Batches, Needs, Score, Seed
from eproxyctl.proxies.zero_cost import ZeroCostProxy

if TYPE_CHECKING:
    from torch import Tensor

    from eproxyctl.contracts import Network


class ZicoProxy(ZeroCostProxy):
    """ZiCo: Σ over layers of log Σ over weights of mean|g| / std(g), g the gradients of the minibatches' cross-entropy.

    Two minibatches; weights whose gradient is the same in both, and layers of only such weights, do not count.
    Li et al., ZiCo, ICLR 2023; the deviation is that of the signed gradient, as in the official code.
    """

    kind = "zico"
    needs = Needs(labels=True, gradients=True, batches=2)

    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        import torch

        from eproxyctl.proxies.layers import cross_entropy, gradients, weights

        module = self.prepare(network, batches, seed)
        values = weights(module)
        runs = [gradients(cross_entropy(module, batch), values) for batch in _split(batches, self.needs.batches)]
        total = []
        for slopes in zip(*runs, strict=True):
            known = [slope for slope in slopes if slope is not None]
            if known:
                total.append(_layer(torch.stack(known).double()))
        return Score(math.fsum(total))


def _split(batches: Batches, parts: int) -> list[Batches]:
    """The minibatches that lie side by side."""
    inputs = batches.inputs.chunk(parts)
    labels = [None] * len(inputs) if batches.labels is None else batches.labels.chunk(parts)
    return [Batches(x, y) for x, y in zip(inputs, labels, strict=True)]


def _layer(slopes: Tensor) -> float:
    """[minibatches, *weight] → log Σ mean|g| / std(g), 0 where no gradient varies."""
    deviation = slopes.std(0, correction=0)
    varies = deviation > 0
    ratios = slopes.abs().mean(0)[varies] / deviation[varies]
    return float(ratios.sum().log()) if ratios.numel() else 0.0

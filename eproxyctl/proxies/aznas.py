"""AZ-NAS: four properties of a network at initialisation, put together by rank.

Source: Lee and Ham, "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search", CVPR 2024, and its code.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from eproxyctl.contracts import Batches, Features, Needs, Relative, Scheme, Score, Seed, Trace, derive
from eproxyctl.proxies.zero_cost import ZeroCostOptions, ZeroCostProxy

if TYPE_CHECKING:
    from torch import Tensor

    from eproxyctl.contracts import Network

LOWEST = -1e9
"""A component that is undefined, or a block that passes its input on unchanged (−∞ in the official code)."""


class AzNasProxy(ZeroCostProxy, Relative):
    """AZ-NAS: expressivity, progressivity, trainability and complexity; the trace holds the four, in this order.

    For the maps of successive blocks: expressivity is the sum of the entropies of the normalised eigenvalues of each
    map's channel covariance; progressivity the least growth of that entropy from one block to the next; trainability
    the mean over blocks of 2 − s − 1/s, s the largest singular value of the block's mean Jacobian, estimated from
    random signs; complexity the multiply-adds. No labels; inputs are noise of the minibatch's shape.

    The score of each of m architectures scored together is Σ over components of log(rank / m), 0 where best in all.
    One network alone (in a search) has a stand-in that grows with each component: log(E / E_max) + log sigmoid(P) −
    log(1 − T) + log(MACs), E_max the entropy of uncorrelated channels. It leans on size more than the ranks do.
    """

    kind = "az-nas"
    needs = Needs(gradients=True)

    class Options(ZeroCostOptions):
        init: Scheme = Field("kaiming_normal", description="how the network starts; the official code: Kaiming normal")
        inputs: Literal["noise", "task"] = Field(
            "noise", description="noise: standard normal, as the official code; task: the task's own minibatch"
        )

    options: Options

    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        from eproxyctl.proxies.blocks import entropy, maps_of_blocks, trainability
        from eproxyctl.proxies.size import macs

        complexity = float(macs(network, batches))
        self.prepare(network, batches, seed)
        maps = maps_of_blocks(network, self._inputs(batches, seed))
        entropies = [entropy(features.detach()) for features in maps]
        components = (
            _finite(math.fsum(entropies)),
            _finite(min((b - a for a, b in itertools.pairwise(entropies)), default=math.nan)),
            _finite(trainability(maps, seed.common, LOWEST)),
            complexity,
        )
        return Score(_stand_in(components, maps), (components,))

    def _inputs(self, batches: Batches, seed: Seed) -> Tensor:
        import torch

        from eproxyctl.networks.initialise import generator

        if self.options.inputs == "task":
            return batches.inputs
        return torch.randn(batches.inputs.shape, generator=generator(derive(seed.common, "az-nas"))).to(batches.inputs)

    def place(self, traces: Sequence[Trace], features: Features) -> list[float]:
        from scipy.stats import rankdata

        columns = list(zip(*(trace[0] for trace in traces), strict=True))
        ranks: list[Sequence[float]] = [rankdata(column) for column in columns]
        return [math.fsum(math.log(rank / len(traces)) for rank in row) for row in zip(*ranks, strict=True)]


def _finite(value: float) -> float:
    return value if math.isfinite(value) else LOWEST


def _stand_in(components: tuple[float, float, float, float], maps: Sequence[Tensor]) -> float:
    expressivity, progressivity, trainable, complexity = components
    most = math.fsum(math.log(features.shape[1]) for features in maps)
    return (
        math.log(max(expressivity / most, 1e-9))
        - max(-progressivity, 0.0)
        - math.log1p(math.exp(-abs(progressivity)))
        - math.log1p(max(-trainable, 0.0))
        + math.log(max(complexity, 1.0))
    )

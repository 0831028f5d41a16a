"""Size as a proxy: the baselines that a proxy has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eproxyctl.contracts import Batches, BySize, Needs, Proxy, Score, Seed

if TYPE_CHECKING:
    from torch import nn

    from eproxyctl.contracts import Network


class ParamsProxy(Proxy, BySize):
    """Parameters of the official network, classifier included. Larger networks are often better: a baseline."""

    kind = "params"
    needs = Needs(official=True)

    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        from eproxyctl.networks.size import as_module

        return Score(float(sum(p.numel() for p in as_module(network).parameters())))

    def of_size(self, params: int, macs: int) -> Score:
        return Score(float(params))


class MacsProxy(Proxy, BySize):
    """Multiply-adds of one input in the official network. Larger networks are often better: a baseline."""

    kind = "macs"
    needs = Needs(official=True)

    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        return Score(float(macs(network, batches)))

    def of_size(self, params: int, macs: int) -> Score:
        return Score(float(macs))


class DepthProxy(Proxy):
    """Convolutions, linear layers and other multiply-add operations on the longest path from input to logits."""

    kind = "depth"

    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        import torch

        from eproxyctl.proxies.layers import Depth

        module = _without_values(network).eval()
        with torch.no_grad(), Depth() as depth:
            logits = module(batches.inputs[:1].to("meta"))
        return Score(float(depth.of(logits)))


def macs(network: Network, batches: Batches) -> int:
    """Multiply-adds of `network` for one input of the size in `batches`."""
    from eproxyctl.networks.size import count

    def build() -> Network:
        return _without_values(network)  # type: ignore[return-value]

    return count(build, tuple(batches.inputs.shape[1:]))[1]


def _without_values(network: Network) -> nn.Module:
    """A copy on the meta device: shapes only, no arithmetic."""
    import copy

    from eproxyctl.networks.size import as_module

    return copy.deepcopy(as_module(network)).to("meta")

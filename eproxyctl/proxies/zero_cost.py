"""What the zero-cost proxies share: they score a network at initialisation, without a training step.

Formulas as in Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021, and the papers each class names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from eproxyctl.contracts import Batches, Proxy, ProxyOptions, Scheme, Seed

if TYPE_CHECKING:
    from torch import nn

    from eproxyctl.contracts import Network


class ZeroCostOptions(ProxyOptions):
    """Options of a proxy that looks at a network as it is initialised."""

    init: Scheme = Field("default", description="how the network starts; default: as torch draws its layers")


class ZeroCostProxy(Proxy):
    """A proxy that looks at a network as it is initialised."""

    Options = ZeroCostOptions
    options: ZeroCostOptions

    def prepare(self, network: Network, batches: Batches, seed: Seed) -> nn.Module:
        """See the function of this name; the initialisation is that of the options."""
        return prepare(network, batches, seed, self.options.init)


def prepare(network: Network, batches: Batches, seed: Seed, init: Scheme = "default") -> nn.Module:
    """Give `network` its values and move it beside its batch.

    Training mode: batch norm uses the statistics of the batch, as its running ones mean nothing before training.
    """
    from eproxyctl.networks.initialise import generator, initialise
    from eproxyctl.networks.size import as_module

    module = as_module(network)
    initialise(module, init, generator(seed.weights))
    return module.to(batches.inputs.device).train()

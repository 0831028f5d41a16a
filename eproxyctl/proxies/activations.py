"""Proxies that compare what the network makes of different inputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field, PositiveFloat

from eproxyctl.contracts import Batches, Needs, Proxy, ProxyOptions, Score, Seed
from eproxyctl.errors import DataError
from eproxyctl.proxies.zero_cost import ZeroCostOptions, ZeroCostProxy, prepare

if TYPE_CHECKING:
    from torch import Tensor, nn

    from eproxyctl.contracts import Network


class NaswotProxy(ZeroCostProxy):
    """NASWOT: log |det K|, K[i, j] the number of rectified units that are on, or off, for both images i and j.

    How differently the network's linear regions take the images of one minibatch; no labels, no gradients. Networks
    of smooth activations only (GELU of transformers, SiLU) have no such units: they are failed rows, and say so.
    Mellor et al., "Neural Architecture Search without Training", ICML 2021 (K_H and the score, §3).
    """

    kind = "naswot"

    class Options(ZeroCostOptions):
        per_convolution: bool = Field(
            True,
            description="a rectified map read by several convolutions counts for each, as if each had its own ReLU, "
            "which the published networks give it",
        )

    options: Options

    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        import torch

        from eproxyctl.proxies.layers import SMOOTH, Agreement

        module = self.prepare(network, batches, seed)
        images, device = len(batches.inputs), batches.inputs.device
        with torch.no_grad(), Agreement(images, device, per_convolution=self.options.per_convolution) as agreement:
            module(batches.inputs)
        if not agreement.counts.any() and any(isinstance(layer, SMOOTH) for layer in module.modules()):
            raise DataError(
                "naswot counts rectified units, and this network has none", hint="activation: relu or relu6 has them"
            )
        return Score(float(torch.linalg.slogdet(agreement.counts).logabsdet))


class JacobCovProxy(ZeroCostProxy):
    """jacob_cov: −Σ [log(σ + k) + 1 / (σ + k)], σ the eigenvalues of the correlations between images, k = 10⁻⁵.

    What is correlated is the gradient of the summed logits with respect to each image of one minibatch.
    Mellor et al., arXiv 2006.04647, first version; Abdelfattah et al., ICLR 2021. NaN where an image has no gradient.
    """

    kind = "jacob_cov"
    needs = Needs(gradients=True)

    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        import torch

        from eproxyctl.proxies.layers import gradients

        module = self.prepare(network, batches, seed)
        inputs = batches.inputs.detach().clone().requires_grad_()
        (slopes,) = gradients(module(inputs).sum(), [inputs])
        if slopes is None:
            return Score(math.nan)
        correlations = torch.corrcoef(slopes.flatten(1).double())
        if not torch.isfinite(correlations).all():
            return Score(math.nan)
        shifted = torch.linalg.eigvalsh(correlations).clamp(min=0) + 1e-5
        return Score(-float((shifted.log() + 1 / shifted).sum()))


class ZenProxy(Proxy):
    """Zen-score: log E‖f(x) − f(x + α ε)‖₁ + Σ log √(mean σ²) over the batch norms, f the deepest map.

    Weights, images x and noise ε are standard normal, α = 0.01; no data. σ² are the running variances after both
    passes, as in the official code, which scales what the norms took out. Lin et al., Zen-NAS, ICCV 2021, algorithm 1.
    f is the end of the last stage; the official code's has the final norm and ReLU too. Layer norms take scales out
    as well, and nothing puts those back: scores of transformers say little.
    """

    kind = "zen"

    class Options(ProxyOptions):
        mixup: PositiveFloat = Field(0.01, description="α, the size of the disturbance")

    options: Options

    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        import torch

        from eproxyctl.contracts import derive
        from eproxyctl.networks.initialise import generator

        module = prepare(network, batches, seed)
        _gaussian(module, derive(seed.weights, "zen"))
        random = generator(derive(seed.common, "zen"))
        images, noise = (torch.randn(batches.inputs.shape, generator=random) for _ in range(2))
        with torch.no_grad():
            maps, moved = (
                network.features(x.to(batches.inputs.device))[0] for x in (images, images + self.options.mixup * noise)
            )
        distance = (maps - moved).abs().flatten(1).sum(1).mean()
        return Score(float(distance.log()) + _log_scales(module))


def _gaussian(module: nn.Module, seed: int) -> None:
    """Standard normal weights in convolutions and linear layers, biases zero."""
    import torch

    from eproxyctl.networks.initialise import generator
    from eproxyctl.proxies.layers import weighted

    random = generator(seed)
    with torch.no_grad():
        for layer in weighted(module):
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=random))
            if layer.bias is not None:
                layer.bias.zero_()


def _log_scales(module: nn.Module) -> float:
    """Σ log √(mean running variance) over the batch norms."""
    from torch.nn.modules.batchnorm import _BatchNorm

    variances: list[Tensor] = [
        layer.running_var.double().mean()
        for layer in module.modules()
        if isinstance(layer, _BatchNorm) and layer.running_var is not None
    ]
    return math.fsum(float(variance.log()) / 2 for variance in variances)

"""Proxies that add up, over all weights, how much the loss (or the flow) would miss each."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING

from eproxyctl.contracts import Batches, Needs, Score, Seed
from eproxyctl.proxies.zero_cost import ZeroCostProxy

if TYPE_CHECKING:
    from torch import Tensor, nn

    from eproxyctl.contracts import Network


class _FirstOrder(ZeroCostProxy):
    """A sum over convolutions and linear layers of a function of the weight and its gradient."""

    needs = Needs(labels=True, gradients=True)

    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        from eproxyctl.proxies.layers import cross_entropy, gradients, weights

        module = self.prepare(network, batches, seed)
        values = weights(module)
        slopes = gradients(cross_entropy(module, batches), values)
        pairs = ((w.detach().double(), g.double()) for w, g in zip(values, slopes, strict=True) if g is not None)
        return Score(math.fsum(self.saliency(w, g) for w, g in pairs))

    @abstractmethod
    def saliency(self, weight: Tensor, gradient: Tensor) -> float:
        """That of one layer, float64."""


class SnipProxy(_FirstOrder):
    """SNIP: Σ |w · ∂L/∂w| over the weights, L the cross-entropy of one minibatch.

    Lee et al., SNIP, ICLR 2019 (connection sensitivity); summed over a network by Abdelfattah et al., ICLR 2021, eq. 1.
    """

    kind = "snip"

    def saliency(self, weight: Tensor, gradient: Tensor) -> float:
        return float((weight * gradient).abs().sum())


class PlainProxy(_FirstOrder):
    """Plain saliency: Σ w · ∂L/∂w, the first-order change of the cross-entropy L when the weights shrink together.

    Weights followed by batch norm add nothing, as their scale does not change the loss: what is left of a
    batch-normalised network is little but noise. Mozer and Smolensky, NeurIPS 1988; Abdelfattah et al.'s code.
    """

    kind = "plain"

    def saliency(self, weight: Tensor, gradient: Tensor) -> float:
        return float((weight * gradient).sum())


class GradNormProxy(_FirstOrder):
    """Gradient norm: Σ ‖∂L/∂W‖₂ over the layers' weights W, L the cross-entropy of one minibatch.

    Abdelfattah et al., ICLR 2021, §3.1.
    """

    kind = "grad_norm"

    def saliency(self, weight: Tensor, gradient: Tensor) -> float:
        return float(gradient.norm())


class L2NormProxy(ZeroCostProxy):
    """Weight norm: Σ ‖W‖₂ over the layers' weights W, a measure of size that takes no data.

    As published it counts the layers no output depends on, too. With torch's default initialisation ‖W‖₂ is about
    √(outputs / 3) whatever the kernel, so that on NAS-Bench-201 it counts convolutions, ties broken by noise.
    """

    kind = "l2_norm"
    needs = Needs(official=True)

    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        from eproxyctl.proxies.layers import weights

        module = self.prepare(network, batches, seed)
        return Score(math.fsum(float(w.detach().double().norm()) for w in weights(module)))


class GraspProxy(ZeroCostProxy):
    """GraSP: −Σ w · (H g) over the weights, g the gradient and H the Hessian of the cross-entropy of one minibatch.

    How much pruning would lower the gradient flow. Wang et al., GraSP, ICLR 2020; with the sign and the sum of
    Abdelfattah et al., ICLR 2021, eq. 1. By far the noisiest of the family (two seeds agree at ρ = .72
    on NAS-Bench-201): average several (`repeats`).
    """

    kind = "grasp"
    needs = Needs(labels=True, gradients=True)

    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        import torch

        from eproxyctl.proxies.layers import cross_entropy, dot, gradients, weights

        module = self.prepare(network, batches, seed)
        values = weights(module)
        slopes = gradients(cross_entropy(module, batches), values, create_graph=True)
        flow = torch.stack([(g * g.detach()).sum() for g in slopes if g is not None]).sum()
        products = gradients(flow, values)
        return Score(-math.fsum(dot(w, h) for w, h in zip(values, products, strict=True) if h is not None))


class FisherProxy(ZeroCostProxy):
    """Fisher: Σ over layers and channels c of n_c/2 · mean over images of (Σ over positions of z · ∂L/∂z)².

    z is the layer's output, n_c the number of weights that make channel c, L the cross-entropy of one minibatch.
    Theis et al., 2018 (Fisher pruning) and Turner et al., BlockSwap, ICLR 2020; n_c as in Abdelfattah et al.'s code,
    where every weight bears the saliency of its channel.
    """

    kind = "fisher"
    needs = Needs(labels=True, gradients=True)

    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        from eproxyctl.proxies.layers import cross_entropy, gradients, outputs_of, weighted

        module = self.prepare(network, batches, seed)
        layers = weighted(module)
        with outputs_of(layers) as outputs:
            loss = cross_entropy(module, batches)
        slopes = gradients(loss, [output for _, output in outputs])
        return Score(
            math.fsum(
                layer.weight[0].numel() * _channels(output.detach() * slope)
                for (layer, output), slope in zip(outputs, slopes, strict=True)
                if slope is not None
            )
        )


def _channels(products: Tensor) -> float:
    """Σ over channels of half the mean square: [N, C, *spatial] or [N, C] → a number."""
    per_image = products.double().flatten(2).sum(2) if products.dim() > 2 else products.double()
    return float(per_image.square().mean(0).sum() / 2)


class SynflowProxy(ZeroCostProxy):
    """SynFlow: log Σ w · ∂R/∂w over the weights, R the sum of the logits for an input of ones with all weights |w|.

    Without data or labels. Normalisations are left out, arithmetic is float64, and the logarithm, which ranks alike,
    keeps values readable. Tanaka et al., NeurIPS 2020; summed over a network by Abdelfattah et al., ICLR 2021, eq. 1.
    """

    kind = "synflow"
    needs = Needs(gradients=True)

    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        import torch
        from torch.func import functional_call

        from eproxyctl.proxies.layers import dot, gradients, passing, weighted

        module = self.prepare(network, batches, seed).eval()
        values = _linear(module)
        ones = torch.ones_like(batches.inputs[:1], dtype=torch.float64)
        layers = set(weighted(module))
        flowing = [values[f"{name}.weight"] for name, layer in module.named_modules() if layer in layers]
        with passing(module):
            slopes = gradients(functional_call(module, values, (ones,)).sum(), flowing)
        flow = math.fsum(dot(w, g) for w, g in zip(flowing, slopes, strict=True) if g is not None)
        return Score(math.log(flow) if flow > 0 else -math.inf)


def _linear(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, by name, with which `module` in evaluation mode has no sign and no batch norm."""
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    values = {name: p.detach().double().abs().requires_grad_() for name, p in module.named_parameters()}
    for name, layer in module.named_modules():
        if isinstance(layer, _BatchNorm):
            zeros = torch.zeros(layer.num_features, dtype=torch.float64, device=next(iter(values.values())).device)
            values[f"{name}.running_mean"] = zeros
            values[f"{name}.running_var"] = zeros + 1 - layer.eps
            if layer.affine:
                values |= {f"{name}.weight": zeros + 1, f"{name}.bias": zeros}
    return values

"""Weights from an explicit generator, so that a score never depends on torch's global random state.

Schemes as in Eproxy's code: xavier sets the convolution bias to 0.01, kaiming (fan_out, relu) to 0; batch norm starts
at weight 1, bias 0. `default` is what `torch.nn` does when it builds the layer.
"""

from __future__ import annotations

import math
from typing import Protocol, runtime_checkable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from eproxyctl.contracts import Scheme


def generator(seed: int) -> torch.Generator:
    """A CPU generator of its own for one purpose."""
    return torch.Generator().manual_seed(seed)


@runtime_checkable
class SelfDrawn(Protocol):
    """A module that sets the parameters of its own from a CPU generator."""

    def draw(self, random: torch.Generator) -> None: ...


@torch.no_grad()
def initialise(module: nn.Module, scheme: Scheme, random: torch.Generator) -> None:
    """Set every parameter and buffer of `module`, in the order its layers were registered.

    Args:
        module: on the CPU; whatever values it has are overwritten, unset ones too.
        scheme: how convolutions are drawn; linear layers and others always take torch's default.
        random: CPU generator.
    """
    for layer in module.modules():
        if isinstance(layer, _ConvNd):
            _convolution(layer, scheme, random)
        elif isinstance(layer, _BatchNorm | nn.LayerNorm | nn.GroupNorm):
            layer.reset_parameters()
        elif isinstance(layer, nn.Linear):
            _default(layer.weight, layer.bias, random)
        elif isinstance(layer, nn.modules.rnn.RNNBase | nn.Embedding):
            for parameter in layer.parameters(recurse=False):
                parameter.uniform_(-0.1, 0.1, generator=random)
        elif isinstance(layer, SelfDrawn):
            layer.draw(random)
        elif any(True for _ in layer.parameters(recurse=False)):
            raise TypeError(f"no rule to initialise {type(layer).__name__}")


def _convolution(layer: _ConvNd, scheme: Scheme, random: torch.Generator) -> None:
    weight, bias = layer.weight, layer.bias
    if scheme == "default":
        _default(weight, bias, random)
        return
    if scheme == "xavier_uniform":
        nn.init.xavier_uniform_(weight, generator=random)
    elif scheme == "xavier_normal":
        nn.init.xavier_normal_(weight, generator=random)
    elif scheme == "kaiming_uniform":
        nn.init.kaiming_uniform_(weight, mode="fan_out", nonlinearity="relu", generator=random)
    else:
        nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu", generator=random)
    if bias is not None:
        bias.fill_(0.01 if scheme.startswith("xavier") else 0.0)


def _default(weight: torch.Tensor, bias: torch.Tensor | None, random: torch.Generator) -> None:
    """What `nn.Conv*d` and `nn.Linear` draw: uniform in ±1/√fan_in, weight and bias."""
    fan_in = weight[0].numel()
    bound = 1 / math.sqrt(fan_in)
    weight.uniform_(-bound, bound, generator=random)
    if bias is not None:
        bias.uniform_(-bound, bound, generator=random)

"""What NDS published of its networks, counted on ours: for the tests of its families."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from eproxyctl.networks.cells import CellNetwork, NdsCell
from eproxyctl.networks.residual import ResidualBlock, ResidualNetwork

DATA = os.environ.get("EPROXYCTL_DATA")
AMOEBA = {  # AmoebaNet-A, as pycls has it
    "normal": [
        ["avg_pool_3x3", 0],
        ["max_pool_3x3", 1],
        ["sep_conv_3x3", 0],
        ["sep_conv_5x5", 2],
        ["sep_conv_3x3", 0],
        ["avg_pool_3x3", 3],
        ["sep_conv_3x3", 1],
        ["skip_connect", 1],
        ["skip_connect", 0],
        ["avg_pool_3x3", 1],
    ],
    "normal_concat": [4, 5, 6],
    "reduce": [
        ["avg_pool_3x3", 0],
        ["sep_conv_3x3", 1],
        ["max_pool_3x3", 0],
        ["sep_conv_7x7", 2],
        ["sep_conv_7x7", 0],
        ["avg_pool_3x3", 1],
        ["max_pool_3x3", 0],
        ["max_pool_3x3", 1],
        ["conv_7x1_1x7", 0],
        ["sep_conv_3x3", 5],
    ],
    "reduce_concat": [3, 4, 6],
}


def records(name: str) -> list[dict[str, Any]]:
    """The records of one file of NDS, which is a list or {top, mid}."""
    if not DATA:
        pytest.skip("EPROXYCTL_DATA is unset: no benchmark records to compare with")
    path = Path(DATA) / "nds" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"no {path}")
    loaded = json.loads(path.read_text())
    found: list[dict[str, Any]] = loaded["top"] + loaded["mid"] if isinstance(loaded, dict) else loaded
    return found


def params(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def flops(network: nn.Module, side: int = 224) -> int:
    """The published `flops` of a network with the ImageNet stem, on the meta device.

    Multiply-adds as we count them, plus what the published tool adds: one for each ReLU, kernel area for each pooled
    value, biases; dilated kernels are taken for undilated ones, whose padding then makes a larger map. Of networks of
    cells it counts each globally pooled value; of residual ones instead four for each normalised value, and one for
    each projected one.
    """
    total = 0
    residual = isinstance(network, ResidualNetwork)

    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, _ConvNd):
            sides = zip(inputs[0].shape[2:], module.padding, module.kernel_size, module.stride, strict=True)
            total += module.weight.numel() * math.prod((n + 2 * p - k) // s + 1 for n, p, k, s in sides)
        elif isinstance(module, nn.Linear):
            total += module.weight.numel() + module.bias.numel()
        elif isinstance(module, nn.AvgPool2d | nn.MaxPool2d):
            total += output.numel() * module.kernel_size**2
        elif isinstance(module, nn.ReLU):
            total += output.numel()
        elif isinstance(module, _BatchNorm):
            total += 4 * residual * output.numel()
        elif isinstance(module, ResidualBlock):
            total += output.numel() * (1 if module.shortcut is None else 2)
        elif isinstance(module, NdsCell):
            value = output.numel() // len(module.concat)
            total += sum(x.numel() for x in inputs[0])
            for (_, source), rectify in zip(module.terms, module.rectify, strict=True):
                total += rectify * value * (4 if source < 2 and module.reduction else 1)

    for module in network.modules():
        module.register_forward_hook(hook)
    network.eval()
    with torch.no_grad(), torch.device("meta"):
        last = network.features(torch.empty(1, 3, side, side))[0]
        network.classifier(last)
    if isinstance(network, CellNetwork):
        total += last.numel()
        total += network.stems[1][0].in_channels * (side // 4) ** 2
    return total

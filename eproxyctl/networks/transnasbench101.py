"""TransNAS-Bench-101 networks: a stem and a row of modules, each of equal blocks: cells, or plain residual blocks.

Source: Duan et al., "TransNAS-Bench-101", CVPR 2021, and its code (yawen-d/TransNASBench, `MacroNet`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from eproxyctl.networks.counting.layers import STEM_STRIDES
from eproxyctl.networks.counting.transnasbench101 import KERNELS, Cells, ModuleShape
from eproxyctl.networks.node_cells import NodeCell, Sums, Terms
from eproxyctl.networks.operations import BATCH_NORM, Classifier, batch_norm, conv, conv_bn

RECTIFIED = (*KERNELS, "factorized_reduce")


class FactorizedReduce(nn.Module):
    """Two 1×1 convolutions side by side, the second on the map moved by one: [B, inputs, *] → [B, outputs, *]."""

    def __init__(self, rank: int, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        half = outputs // 2
        self.first = conv(rank, inputs, half, 1, stride=stride)
        self.second = conv(rank, inputs, outputs - half, 1, stride=stride)
        self.norm = batch_norm(rank, outputs)

    def forward(self, x: Tensor) -> Tensor:
        moved = pad(x, (0, 1) * (x.ndim - 2))
        for axis in range(2, x.ndim):
            moved = moved.narrow(axis, 1, x.shape[axis])
        out: Tensor = self.norm(torch.cat([self.first(x), self.second(moved)], 1))
        return out


class ResidualBlock(nn.Module):
    """Two times ReLU, 3×3 convolution, batch norm, beside a shortcut."""

    def __init__(self, rank: int, inputs: int, outputs: int, *, stride: int = 1, project: bool = False) -> None:
        super().__init__()
        self.first = conv_bn(rank, inputs, outputs, 3, stride=stride)
        self.second = conv_bn(rank, outputs, outputs, 3)
        self.shortcut: nn.Module = nn.Identity()
        if project:
            # The benchmark was trained with this ε: its code passes affine=True where BatchNorm2d takes ε.
            norm = BATCH_NORM[rank](outputs, eps=1.0)
            self.shortcut = nn.Sequential(conv(rank, inputs, outputs, 1, stride=stride), norm)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(relu(self.first(relu(x)))) + self.shortcut(x)
        return out


class TransNasBench101(nn.Module):
    """The network of a row of modules. `features`: ends of the last three.

    Args:
        shape: (channels, *spatial) of one input.
        channels: those after the stem, which has half as many inside.
        stem_stride: how much the stem divides the resolution: 1, 2 or 4.
        modules: the row.
        blocks: how many a module.
        cells: the block, None for plain residual blocks.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        *,
        channels: int,
        stem_stride: int,
        modules: Sequence[ModuleShape],
        blocks: int,
        cells: Cells | None,
    ) -> None:
        super().__init__()
        rank, inside = len(shape) - 1, max(1, channels // 2)
        first, second = STEM_STRIDES[stem_stride]
        self.stem = nn.Sequential(
            conv_bn(rank, shape[0], inside, 3, stride=first),
            nn.ReLU(),
            conv_bn(rank, inside, channels, 3, stride=second),
        )
        self.modules_in_row = nn.ModuleList()
        widths = [channels]
        for module in modules:
            widths.append(widths[-1] * (2 if module.widen else 1))
            self.modules_in_row.append(_module(rank, widths[-2], widths[-1], module, blocks, cells))
        self.channels: tuple[int, ...] = tuple(widths[:-4:-1])
        self.classifier = Classifier(widths[-1], outputs)

    def features(self, batch: Tensor) -> list[Tensor]:
        """Maps [B, channels[i], *spatial], deepest first."""
        maps = [self.stem(batch)]
        for module in self.modules_in_row:
            maps.append(module(maps[-1]))
        return maps[:-4:-1]

    def forward(self, batch: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(batch)[0])
        return logits


def _module(
    rank: int, inputs: int, outputs: int, module: ModuleShape, blocks: int, cells: Cells | None
) -> nn.Sequential:
    if cells is None:
        first: nn.Module = ResidualBlock(rank, inputs, outputs, stride=module.stride, project=module.project)
        return nn.Sequential(first, *(ResidualBlock(rank, outputs, outputs) for _ in range(blocks - 1)))
    if module.project:
        first = _cell(rank, inputs, outputs, cells.reducing, module.stride)
    else:
        first = _cell(rank, inputs, outputs, cells.plain)
    return nn.Sequential(first, *(_cell(rank, outputs, outputs, cells.plain) for _ in range(blocks - 1)))


def _cell(rank: int, inputs: int, outputs: int, cell: tuple[Terms, Sums], stride: int = 1) -> NodeCell:
    def make(operation: str, source: int) -> nn.Module:
        before, step = (outputs, 1) if source else (inputs, stride)
        if operation in KERNELS:
            return conv_bn(rank, before, outputs, KERNELS[operation], stride=step)
        return FactorizedReduce(rank, before, outputs, step) if operation == "factorized_reduce" else nn.Identity()

    return NodeCell(*cell, make, rectified=RECTIFIED, channels=outputs, stride=stride)

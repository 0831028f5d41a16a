"""NAS-Bench-201 networks: three stages of equal cells with a residual block between them.

Source: Dong and Yang, "NAS-Bench-201", ICLR 2020, and its code (xautodl, `TinyNetwork`).
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from eproxyctl.networks.counting.nasbench201 import KERNELS
from eproxyctl.networks.node_cells import NodeCell, Sums, Terms
from eproxyctl.networks.operations import Classifier, avg_pool, batch_norm, conv, conv_bn


class Reduction(nn.Module):
    """The residual block between stages: halves the resolution, doubles the channels."""

    def __init__(self, rank: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = conv_bn(rank, inputs, outputs, 3, stride=2)
        self.second = conv_bn(rank, outputs, outputs, 3)
        self.pool = avg_pool(rank, 2, stride=2, ceil=True)  # as the convolution beside it rounds up
        self.shortcut = conv(rank, inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        main: Tensor = self.second(F.relu(self.first(F.relu(x))))
        shortcut: Tensor = self.shortcut(self.pool(x))
        return main + shortcut


class NasBench201(nn.Module):
    """The network of one cell. `features`: ends of stage 3, 2 and 1, with 4C, 2C and C channels.

    Args:
        shape: (channels, *spatial) of one input.
        channels: C, those of the first stage.
        cells: how many a stage.
        terms, sums: the cell, see `Cell`; operations nor_conv_1x1, nor_conv_3x3, avg_pool_3x3, skip_connect.
        affine: whether batch norm in cells has weights (the benchmark: yes; Eproxy's authors: no).
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        *,
        channels: int,
        cells: int,
        terms: Terms,
        sums: Sums,
        affine: bool = True,
    ) -> None:
        super().__init__()
        rank = len(shape) - 1
        widths = (channels, 2 * channels, 4 * channels)
        self.channels: tuple[int, ...] = widths[::-1]
        self.stem = conv_bn(rank, shape[0], channels, 3)
        self.reductions = nn.ModuleList(Reduction(rank, a, b) for a, b in pairwise(widths))
        self.stages = nn.ModuleList(
            nn.Sequential(*(_cell(rank, width, terms, sums, affine=affine) for _ in range(cells))) for width in widths
        )
        self.norm = batch_norm(rank, widths[-1])
        self.classifier = Classifier(widths[-1], outputs)

    def features(self, batch: Tensor) -> list[Tensor]:
        """Maps [B, channels[i], *spatial], deepest first."""
        maps = [self.stages[0](self.stem(batch))]
        for reduction, stage in zip(self.reductions, self.stages[1:], strict=True):
            maps.append(stage(reduction(maps[-1])))
        return maps[::-1]

    def forward(self, batch: Tensor) -> Tensor:
        logits: Tensor = self.classifier(F.relu(self.norm(self.features(batch)[0])))
        return logits


def _cell(rank: int, channels: int, terms: Terms, sums: Sums, *, affine: bool) -> NodeCell:
    def make(operation: str, source: int) -> nn.Module:
        if operation in KERNELS:
            return conv_bn(rank, channels, channels, KERNELS[operation], affine=affine, bias=not affine)
        return avg_pool(rank, 3) if operation == "avg_pool_3x3" else nn.Identity()

    return NodeCell(terms, sums, make, rectified=KERNELS, channels=channels)

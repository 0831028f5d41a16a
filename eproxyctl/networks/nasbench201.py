"""NAS-Bench-201 networks: three stages of equal cells with a residual block between them.

Source: Dong and Yang, "NAS-Bench-201", ICLR 2020, and its code (xautodl, `TinyNetwork`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn, zeros_like

from eproxyctl.networks.operations import Classifier, avg_pool, batch_norm, conv, conv_bn

KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
Terms = Sequence[tuple[str, int]]
Sums = Sequence[Sequence[int]]


class Cell(nn.Module):
    """A cell as sums of operations. Value 0 is the input; value k ≥ 1 the sum of the terms listed for it; the last is
    the output. A term is an operation on a value. The rectified value is computed once for all convolutions on it.
    """

    def __init__(self, rank: int, channels: int, terms: Terms, sums: Sums, *, affine: bool) -> None:
        super().__init__()
        self.terms = tuple(terms)
        self.sums = tuple(tuple(s) for s in sums)
        self.operations = nn.ModuleList()
        for operation, _ in self.terms:
            if operation in KERNELS:
                kernel = KERNELS[operation]
                self.operations.append(conv_bn(rank, channels, channels, kernel, affine=affine, bias=not affine))
            else:
                self.operations.append(avg_pool(rank, 3) if operation == "avg_pool_3x3" else nn.Identity())
        self.order = self._order()

    def _order(self) -> tuple[int, ...]:
        """Values, each after those it needs."""
        done = [0]
        while len(done) <= len(self.sums):
            done.append(
                next(
                    k
                    for k, summed in enumerate(self.sums, start=1)
                    if k not in done and all(self.terms[t][1] in done for t in summed)
                )
            )
        return tuple(done)

    def forward(self, x: Tensor) -> Tensor:
        results: dict[int, Tensor] = {}
        value = x
        last = len(self.sums)
        output = x
        for k in self.order:
            if k:
                summed = self.sums[k - 1]
                value = results[summed[0]] if summed else zeros_like(x)
                for t in summed[1:]:
                    value = value + results[t]
                if k == last:
                    output = value
            rectified = None
            for t, (operation, source) in enumerate(self.terms):
                if source != k:
                    continue
                if operation in KERNELS:
                    rectified = F.relu(value) if rectified is None else rectified
                    results[t] = self.operations[t](rectified)
                else:
                    results[t] = self.operations[t](value)
        return output


class Reduction(nn.Module):
    """The residual block between stages: halves the resolution, doubles the channels."""

    def __init__(self, rank: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = conv_bn(rank, inputs, outputs, 3, stride=2)
        self.second = conv_bn(rank, outputs, outputs, 3)
        self.pool = avg_pool(rank, 2, stride=2)
        self.shortcut = conv(rank, inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        main: Tensor = self.second(F.relu(self.first(F.relu(x))))
        return main + self.shortcut(self.pool(x))


class NasBench201(nn.Module):
    """The network of one cell. `features`: ends of stage 3, 2 and 1, with 4C, 2C and C channels.

    Args:
        shape: (channels, *spatial) of one input; the spatial sides at least 4.
        channels: C, those of the first stage.
        cells: how many a stage.
        terms, sums: the cell, see `Cell`.
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
            nn.Sequential(*(Cell(rank, width, terms, sums, affine=affine) for _ in range(cells))) for width in widths
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

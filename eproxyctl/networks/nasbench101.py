"""NAS-Bench-101 networks: a stem and stacks of equal cells, each cell a graph of operations.

Source: Ying et al., "NAS-Bench-101", ICML 2019, and its code (google-research/nasbench, `model_builder`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from eproxyctl.networks.counting.nasbench101 import KERNELS, Sources, vertex_channels
from eproxyctl.networks.operations import Classifier, conv_bn_relu, max_pool


class NasBench101Cell(nn.Module):
    """A graph of operations: [B, inputs, *spatial] → [B, outputs, *spatial].

    Vertex 0 is the input, projected by a 1×1 convolution wherever it feeds another vertex. An inner vertex works on
    the sum of what feeds it, cut to its own channels; the output joins the inner vertices that feed it.

    Args:
        operations: of the inner vertices.
        sources: the vertices that feed each vertex from 1 to the output.
    """

    def __init__(self, rank: int, inputs: int, outputs: int, operations: Sequence[str], sources: Sources) -> None:
        super().__init__()
        self.sources = tuple(tuple(row) for row in sources)
        self.widths = (*vertex_channels(outputs, sources), outputs)
        self.projections = nn.ModuleList()
        self.operations = nn.ModuleList()
        for v, width in enumerate(self.widths):
            fed = 0 in sources[v]
            self.projections.append(conv_bn_relu(rank, inputs, width, 1) if fed else nn.Identity())
            if v < len(operations):
                kernel = KERNELS.get(operations[v])
                self.operations.append(conv_bn_relu(rank, width, width, kernel) if kernel else max_pool(rank, 3))

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for v, operation in enumerate(self.operations):
            fed = [values[a][:, : self.widths[v]] for a in self.sources[v] if a]
            values.append(operation(self._add(fed, v, x)))
        joined = [values[a] for a in self.sources[-1] if a]
        return self._add([torch.cat(joined, 1)] if joined else [], len(self.operations), x)

    def _add(self, fed: list[Tensor], v: int, x: Tensor) -> Tensor:
        terms = [*fed, self.projections[v](x)] if 0 in self.sources[v] else fed
        value = terms[0]
        for term in terms[1:]:
            value = value + term
        return value


class NasBench101(nn.Module):
    """The network of one cell. `features`: ends of the last, the middle and the first stack.

    Args:
        shape: (channels, *spatial) of one input.
        channels: those of the stem and the first stack; each further stack has twice those before it.
        stacks, cells: how many stacks, and cells in each.
        operations, sources: the cell, see `Cell`.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        *,
        channels: int,
        stacks: int,
        cells: int,
        operations: Sequence[str],
        sources: Sources,
    ) -> None:
        super().__init__()
        rank = len(shape) - 1
        widths = [channels * 2**stack for stack in range(stacks)]
        self.maps = sorted({stacks - 1, stacks // 2, 0}, reverse=True)
        self.channels: tuple[int, ...] = tuple(widths[stack] for stack in self.maps)
        self.stem = conv_bn_relu(rank, shape[0], channels, 3)
        self.pool = max_pool(rank, 2, stride=2)
        self.stacks = nn.ModuleList()
        inputs = channels
        for width in widths:
            widening = [inputs, *[width] * (cells - 1)]
            self.stacks.append(
                nn.Sequential(*(NasBench101Cell(rank, before, width, operations, sources) for before in widening))
            )
            inputs = width
        self.classifier = Classifier(widths[-1], outputs)

    def features(self, batch: Tensor) -> list[Tensor]:
        """Maps [B, channels[i], *spatial], deepest first."""
        x = self.stem(batch)
        ends = []
        for stack, cells in enumerate(self.stacks):
            x = cells(self.pool(x) if stack else x)
            ends.append(x)
        return [ends[stack] for stack in self.maps]

    def forward(self, batch: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(batch)[0])
        return logits

"""Networks of two cells, normal and reduction: the NDS families and DARTS.

Source: Radosavovic et al., "On Network Design Spaces for Visual Recognition", ICCV 2019 (pycls, `nas.py`), after
Liu et al., "DARTS", ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, cat, nn
from torch.nn.functional import relu

from eproxyctl.networks.cell_operations import HalvedSkip, operation, takes_rectified
from eproxyctl.networks.counting.cells import live_cells, uses_of
from eproxyctl.networks.operations import AVG_POOL, Classifier, Linear, batch_norm, conv, conv_bn

Stem = Literal["cifar", "imagenet"]
Graph = tuple[Sequence[tuple[str, int]], Sequence[Sequence[int]], Sequence[int]]
"""(terms, sums, concat): values 0 and 1 are the inputs, value k + 2 the sum of the terms in sums[k], a term is an
operation on an earlier value, and concat lists the values whose channels make the output."""
BOTH = (0, 1)


def halved(size: tuple[int, ...]) -> tuple[int, ...]:
    """The spatial size after a stride of 2."""
    return tuple((side + 1) // 2 for side in size)


class NdsCell(nn.Module):
    """One cell. Takes its two inputs rectified, since nothing takes them otherwise.

    Args:
        inputs: channels of the outputs of the cell before the last and of the last.
        channels: of each value inside.
        reduction: operations on the inputs have stride 2.
        after_reduction: the first input has twice the resolution of the second.
        uses: the inputs that are prepared; the others may be None.
    """

    def __init__(
        self,
        rank: int,
        inputs: tuple[int, int],
        channels: int,
        graph: Graph,
        *,
        reduction: bool,
        after_reduction: bool,
        uses: Sequence[int],
    ) -> None:
        super().__init__()
        self.terms, self.sums, self.concat = graph
        self.width, self.reduction = channels, reduction
        self.uses = tuple(uses)
        self.prepare = nn.ModuleList()
        for i in self.uses:
            halve = i == 0 and after_reduction
            self.prepare.append(
                HalvedSkip(rank, inputs[i], channels) if halve else conv_bn(rank, inputs[i], channels, 1)
            )
        strides = [2 if reduction and source in BOTH else 1 for _, source in self.terms]
        self.operations = nn.ModuleList(
            operation(name, rank, channels, stride) for (name, _), stride in zip(self.terms, strides, strict=True)
        )
        self.rectify = [takes_rectified(name, stride) for (name, _), stride in zip(self.terms, strides, strict=True)]

    def forward(self, inputs: tuple[Tensor | None, Tensor | None], batch: Tensor, size: tuple[int, ...]) -> Tensor:
        """→ [B, channels · len(concat), *size]. `batch` is any tensor of this batch: zeros are made like it."""
        values: dict[int, Tensor] = {}
        for i, prepare in zip(self.uses, self.prepare, strict=True):
            values[i] = prepare(inputs[i])
        rectified: dict[int, Tensor] = {}
        results: dict[int, Tensor] = {}
        for k, summed in enumerate(self.sums):
            for t in summed:
                if t not in results:
                    results[t] = self._term(t, values, rectified)
            if summed:
                values[k + 2] = sum((results[t] for t in summed[1:]), start=results[summed[0]])
            else:
                values[k + 2] = batch.new_zeros((len(batch), self.width, *size))
        return cat([values[v] for v in self.concat], dim=1)

    def _term(self, t: int, values: dict[int, Tensor], rectified: dict[int, Tensor]) -> Tensor:
        source = self.terms[t][1]
        operand = values[source]
        if self.rectify[t]:
            if source not in rectified:
                rectified[source] = relu(operand)
            operand = rectified[source]
        result: Tensor = self.operations[t](operand)
        return result


class CellNetwork(nn.Module):
    """The network of two cells; `features`: ends of stage 3, 2 and 1.

    The reduction cells, which double the channels, are number depth // 3 and 2 · depth // 3.

    Args:
        shape: (channels, *spatial) of one input.
        width: channels of the first cell's values, even.
        depth: cells, at least 3.
        stem: `cifar` keeps the resolution and has 3 · width channels; `imagenet` divides it by 8.
        normal, reduce: the cells.
        auxiliary: the head of the published training. It is part of the size and never run.
        pruned: leave out cells and inputs of cells that no feature map depends on.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        *,
        width: int,
        depth: int,
        stem: Stem,
        normal: Graph,
        reduce: Graph,
        auxiliary: bool = False,
        pruned: bool = True,
    ) -> None:
        super().__init__()
        rank = len(shape) - 1
        self.depth, self.stem = depth, stem
        self.reductions = {depth // 3, 2 * depth // 3}
        graphs = [reduce if i in self.reductions else normal for i in range(depth)]
        uses = [uses_of(graph) if pruned else BOTH for graph in graphs]
        live = live_cells(uses) if pruned else set(range(-2, depth))
        stem_width = width if stem == "imagenet" else 3 * width
        self.stems = _imagenet_stems(rank, shape[0], width, live) if stem == "imagenet" else nn.ModuleList()
        if stem == "cifar" and live & {-1, -2}:
            self.stems.append(conv_bn(rank, shape[0], stem_width, 3))
        self.cells = nn.ModuleDict()
        widths = [stem_width, stem_width]
        for i, graph in enumerate(graphs):
            channels = width * 2 ** sum(i >= r for r in self.reductions)
            if i in live:
                self.cells[str(i)] = NdsCell(
                    rank,
                    (widths[-2], widths[-1]),
                    channels,
                    graph,
                    reduction=i in self.reductions,
                    after_reduction=i - 1 in self.reductions or (i == 0 and stem == "imagenet"),
                    uses=uses[i],
                )
            widths.append(channels * len(graph[2]))
        self.ends = tuple(i - 1 for i in (depth, 2 * depth // 3, depth // 3))
        self.channels = tuple(widths[end + 2] for end in self.ends)
        if auxiliary and not pruned:
            self.auxiliary = _auxiliary(rank, widths[2 * depth // 3 + 2], outputs, stem)
        self.classifier = Classifier(widths[-1], outputs)

    def features(self, batch: Tensor) -> list[Tensor]:
        """Maps [B, channels[i], *spatial], deepest first."""
        older, last, size = self._stems(batch)
        maps: dict[int, Tensor] = {}
        for i in range(self.depth):
            size = halved(size) if i in self.reductions else size
            output = None
            if str(i) in self.cells:
                value = self.cells[str(i)]((older, last), batch, size)
                output = relu(value)
                if i in self.ends:
                    maps[i] = value
            older, last = last, output
        return [maps[end] for end in self.ends]

    def _stems(self, batch: Tensor) -> tuple[Tensor | None, Tensor | None, tuple[int, ...]]:
        """The first two inputs, rectified, and the spatial size of the second."""
        size = tuple(batch.shape[2:])
        outputs: list[Tensor] = []
        for stem in self.stems:
            outputs.append(relu(stem(outputs[-1] if outputs else batch)))
        older, last = (outputs[0], outputs[-1]) if outputs else (None, None)
        if self.stem == "imagenet":
            size = halved(halved(halved(size)))
            last = outputs[1] if len(outputs) > 1 else None
        return older, last, size

    def forward(self, batch: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(batch)[0])
        return logits


def _imagenet_stems(rank: int, inputs: int, width: int, live: set[int]) -> nn.ModuleList:
    """Two stems, to a quarter and to an eighth of the resolution; the second takes the first, rectified."""
    stems = nn.ModuleList()
    if live & {-1, -2}:
        stems.append(
            nn.Sequential(
                conv_bn(rank, inputs, width // 2, 3, stride=2),
                nn.ReLU(),
                conv_bn(rank, width // 2, width, 3, stride=2),
            )
        )
    if -1 in live:
        stems.append(conv_bn(rank, width, width, 3, stride=2))
    return stems


def _auxiliary(rank: int, channels: int, outputs: int, stem: Stem) -> nn.Sequential:
    """The auxiliary head; that for ImageNet lacks the second batch norm, as published."""
    layers: list[nn.Module] = [
        nn.ReLU(),
        AVG_POOL[rank](5, stride=2 if stem == "imagenet" else 3, count_include_pad=False),
        conv(rank, channels, 128, 1),
        batch_norm(rank, 128),
        nn.ReLU(),
        conv(rank, 128, 768, 2),
    ]
    if stem == "cifar":
        layers.append(batch_norm(rank, 768))
    return nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), Linear(768, outputs))

"""NAS-Bench-MR networks: parallel branches at several resolutions, fused between modules.

Source: Ding et al., "Learning Versatile Neural Architectures by Propagating Network Codes", ICLR 2022, and its code
(dingmyu/NCP, `MultiResolutionNet`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from eproxyctl.networks.counting.layers import STEM_STRIDES
from eproxyctl.networks.operations import Classifier, conv_bn, conv_bn_relu

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Fusion(nn.Module):
    """Each branch becomes the rectified sum of itself and its neighbours; a further branch halves the last one.

    Args:
        inputs: channels of each branch that comes in, the finest first.
        outputs: channels of each branch that goes out; as many, or more.
    """

    def __init__(self, rank: int, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        super().__init__()
        kept = range(len(inputs))
        self.ends = tuple((i, j) for i in kept for j in kept if abs(i - j) <= 1)
        self.paths = nn.ModuleList()
        for i, j in self.ends:
            kernel, stride = (1, 1) if j > i else (3, 2 if j < i else 1)
            self.paths.append(conv_bn_relu(rank, inputs[j], outputs[i], kernel, stride=stride))
        self.further = nn.ModuleList(
            conv_bn_relu(rank, a, b, 3, stride=2) for a, b in pairwise(outputs[len(inputs) - 1 :])
        )

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        sums: list[Tensor] = []
        for (i, j), path in zip(self.ends, self.paths, strict=True):
            term = path(branches[j])
            if i == len(sums):
                sums.append(term)
            else:
                sums[i] = sums[i] + (interpolate(term, sums[i].shape[2:]) if j > i else term)
        fused = [relu(value) for value in sums]
        for halve in self.further:
            fused.append(halve(fused[-1]))
        return fused


class MrBlock(nn.Module):
    """3×3 convolution, batch norm, ReLU, 3×3 convolution, batch norm, beside a shortcut; ReLU."""

    def __init__(self, rank: int, channels: int) -> None:
        super().__init__()
        self.first = conv_bn_relu(rank, channels, channels, 3)
        self.second = conv_bn(rank, channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        main: Tensor = self.second(self.first(x))
        return relu(main + x)


class MrModule(nn.Module):
    """A fusion, then the residual blocks of each branch."""

    def __init__(self, rank: int, inputs: Sequence[int], blocks: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        self.fusion = Fusion(rank, inputs, widths)
        self.branches = nn.ModuleList(
            nn.Sequential(*(MrBlock(rank, width) for _ in range(count)))
            for count, width in zip(blocks, widths, strict=True)
        )

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        return [blocks(x) for blocks, x in zip(self.branches, self.fusion(branches), strict=True)]


class NasBenchMr(nn.Module):
    """A multi-resolution network. `features`: the output, and the joined branches of the two modules before the last.

    Args:
        shape: (channels, *spatial) of one input.
        stem: channels of the two stem convolutions.
        stem_stride: how much they divide the resolution: 1, 2 or 4.
        modules: (blocks, widths) of the branches of each, in order; at least three.
        last: channels of the output.
        join: branch at whose resolution branches are joined; the coarsest where there are fewer.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        *,
        stem: Sequence[int],
        stem_stride: int,
        modules: Sequence[tuple[Sequence[int], Sequence[int]]],
        last: int,
        join: int,
    ) -> None:
        super().__init__()
        rank = len(shape) - 1
        first, second = STEM_STRIDES[stem_stride]
        self.mode = LINEAR[rank]
        self.join = join
        self.stem = nn.Sequential(
            conv_bn_relu(rank, shape[0], stem[0], 3, stride=first),
            conv_bn_relu(rank, stem[0], stem[1], 3, stride=second),
        )
        self.rows = nn.ModuleList()
        inputs: Sequence[int] = stem[1:]
        for blocks, widths in modules:
            self.rows.append(MrModule(rank, inputs, blocks, widths))
            inputs = widths
        self.last = conv_bn_relu(rank, sum(inputs), last, 1)
        self.classifier = Classifier(last, outputs)
        self.channels: tuple[int, ...] = (last, *(sum(widths) for _, widths in modules[-2:-4:-1]))

    def features(self, batch: Tensor) -> list[Tensor]:
        """Maps [B, channels[i], *spatial], deepest first."""
        ends = [[self.stem(batch)]]
        for module in self.rows:
            ends.append(module(ends[-1]))
        return [self.last(self._joined(ends[-1])), self._joined(ends[-2]), self._joined(ends[-3])]

    def forward(self, batch: Tensor) -> Tensor:
        branches = [self.stem(batch)]
        for module in self.rows:
            branches = module(branches)
        logits: Tensor = self.classifier(self.last(self._joined(branches)))
        return logits

    def _joined(self, branches: list[Tensor]) -> Tensor:
        size = branches[min(self.join, len(branches) - 1)].shape[2:]
        resized = [x if x.shape[2:] == size else interpolate(x, size, mode=self.mode) for x in branches]
        return torch.cat(resized, 1)

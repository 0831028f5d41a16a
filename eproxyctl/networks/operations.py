"""Operations shared by the families, for sequences, images and volumes alike: rank is the number of spatial axes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import torch
from torch import Tensor, nn, ones_like
from torch.nn.functional import avg_pool3d, conv2d, pad

_unset: ContextVar[bool] = ContextVar("unset", default=False)


@contextmanager
def values_unset() -> Iterator[None]:
    """Layers made inside get memory but no values, in half the time; `networks.initialise` must set them."""
    token = _unset.set(True)
    try:
        yield
    finally:
        _unset.reset(token)


class _Layer(nn.Module):
    """Draws torch's default values when it is made, unless it is told not to or is on the meta device."""

    def reset_parameters(self) -> None:
        if not _unset.get() and not any(p is not None and p.is_meta for p in self._parameters.values()):
            super().reset_parameters()  # type: ignore[misc]


class Conv1d(_Layer, nn.Conv1d):
    """`nn.Conv1d`."""


class Conv2d(_Layer, nn.Conv2d):
    """`nn.Conv2d`."""


class Conv3d(_Layer, nn.Conv3d):
    """`nn.Conv3d`."""


class BatchNorm1d(_Layer, nn.BatchNorm1d):
    """`nn.BatchNorm1d`."""


class BatchNorm2d(_Layer, nn.BatchNorm2d):
    """`nn.BatchNorm2d`."""


class BatchNorm3d(_Layer, nn.BatchNorm3d):
    """`nn.BatchNorm3d`."""


class Linear(_Layer, nn.Linear):
    """`nn.Linear`."""


class Embedding(_Layer, nn.Embedding):
    """`nn.Embedding`."""


class AvgPool2d(nn.AvgPool2d):
    """`nn.AvgPool2d`; on the CPU at stride 1 by a convolution with ones, six times as fast as torch's kernel.

    On the meta device it stays a pooling, which counts no multiply-adds.
    """

    kernel_size: int
    stride: int

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.kernel_size
        if x.device.type != "cpu" or self.stride != 1 or kernel % 2 == 0 or self.count_include_pad:
            return super().forward(x)
        ones, share = _window(kernel, x.shape[1], x.shape[2], x.shape[3], x.dtype)
        return conv2d(x, ones, padding=kernel // 2, groups=x.shape[1]) * share


@lru_cache(maxsize=256)
def _window(kernel: int, channels: int, height: int, width: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Weights [channels, 1, kernel, kernel] that sum a window, and 1 / how many positions of it are inside the map."""
    with torch.inference_mode(False), torch.no_grad(), torch.device("cpu"):
        ones = torch.ones(channels, 1, kernel, kernel, dtype=dtype)
        inside = conv2d(torch.ones(1, 1, height, width, dtype=dtype), ones[:1], padding=kernel // 2)
    return ones, 1 / inside


class AvgPool3d(nn.AvgPool3d):
    """`nn.AvgPool3d` that takes maps smaller than the window too, as poolings of other ranks do."""

    kernel_size: int
    stride: int
    padding: int

    def forward(self, x: Tensor) -> Tensor:
        if min(x.shape[2:]) >= self.kernel_size or self.count_include_pad:
            return super().forward(x)
        around = (self.padding, self.padding + (self.stride - 1 if self.ceil_mode else 0)) * 3
        inside = pad(ones_like(x[:1, :1]), around)
        return avg_pool3d(pad(x, around), self.kernel_size, self.stride) / avg_pool3d(
            inside, self.kernel_size, self.stride
        )


CONV = {1: Conv1d, 2: Conv2d, 3: Conv3d}
BATCH_NORM = {1: BatchNorm1d, 2: BatchNorm2d, 3: BatchNorm3d}
AVG_POOL = {1: nn.AvgPool1d, 2: AvgPool2d, 3: AvgPool3d}
MAX_POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}


def conv(
    rank: int,
    inputs: int,
    outputs: int,
    kernel: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
) -> nn.Module:
    """A convolution that keeps the spatial size at stride 1 (odd kernels)."""
    padding = dilation * (kernel - 1) // 2
    return CONV[rank](
        inputs, outputs, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups, bias=bias
    )


def batch_norm(rank: int, channels: int, *, affine: bool = True) -> nn.Module:
    """Batch normalisation over [B, channels, *spatial]."""
    return BATCH_NORM[rank](channels, affine=affine)


def conv_bn(
    rank: int, inputs: int, outputs: int, kernel: int, *, stride: int = 1, affine: bool = True, bias: bool = False
) -> nn.Sequential:
    """Convolution, then batch normalisation."""
    return nn.Sequential(
        conv(rank, inputs, outputs, kernel, stride=stride, bias=bias), batch_norm(rank, outputs, affine=affine)
    )


def avg_pool(rank: int, kernel: int, *, stride: int = 1, ceil: bool = False) -> nn.Module:
    """Average pooling; positions outside the map do not count. `ceil`: a stride that does not divide it rounds up."""
    pool: nn.Module = AVG_POOL[rank](
        kernel, stride=stride, padding=(kernel - 1) // 2, ceil_mode=ceil, count_include_pad=False
    )
    return pool


class Classifier(nn.Module):
    """Global average pool, then a linear layer: [B, channels, *spatial] → logits [B, outputs]."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.linear = Linear(channels, outputs)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(x.flatten(2).mean(2))
        return logits


def conv_bn_relu(rank: int, inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, batch normalisation, ReLU."""
    return nn.Sequential(conv(rank, inputs, outputs, kernel, stride=stride), batch_norm(rank, outputs), nn.ReLU())


def max_pool(rank: int, kernel: int, *, stride: int = 1) -> nn.Module:
    """Max pooling; a stride that does not divide the map rounds the result up."""
    pool: nn.Module = MAX_POOL[rank](kernel, stride=stride, padding=(kernel - 1) // 2, ceil_mode=True)
    return pool


class SqueezeExcite(nn.Module):
    """Channels scaled by a gate in (0, 1) computed from their means (Hu et al., CVPR 2018): [B, channels, *spatial]."""

    def __init__(self, rank: int, channels: int, hidden: int) -> None:
        super().__init__()
        self.reduce = conv(rank, channels, hidden, 1, bias=True)
        self.expand = conv(rank, hidden, channels, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        means = x.flatten(2).mean(2).reshape(*x.shape[:2], *[1] * (x.dim() - 2))
        gate: Tensor = self.expand(self.reduce(means).relu()).sigmoid()
        return x * gate

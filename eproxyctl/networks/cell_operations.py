"""The operations of the NDS cells (NASNet, AmoebaNet, PNAS, ENAS, DARTS), for sequences, images and volumes.

Whatever has weights begins with a ReLU in the published code. It is left out here: `takes_rectified` says whether an
operation takes the rectified value, which a cell computes once for all of them.
Source: DARTS and pycls, `operations.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from torch import Tensor, cat, nn, ones_like
from torch.nn.functional import pad

from eproxyctl.networks.operations import AVG_POOL, CONV, MAX_POOL, avg_pool, batch_norm, conv


def takes_rectified(name: str, stride: int) -> bool:
    """Whether the published operation begins with a ReLU."""
    return not ("pool" in name or (name == "skip_connect" and stride == 1))


def operation(name: str, rank: int, channels: int, stride: int) -> nn.Module:
    """[B, channels, *spatial] → [B, channels, *spatial / stride, rounded up]; stride 1 or 2."""
    family, _, size = name.rpartition("_")
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else HalvedSkip(rank, channels, channels)
    if name == "conv_3x1_1x3":
        return axis_convs(rank, channels, 3, stride)
    if name == "conv_7x1_1x7":
        return axis_convs(rank, channels, 7, stride)
    kernel = int(size[0])
    if family.endswith("pool"):
        return pool(family, rank, kernel, stride)
    if family == "conv":
        return nn.Sequential(conv(rank, channels, channels, kernel, stride=stride), batch_norm(rank, channels))
    if family == "sep_conv":
        return separable(rank, channels, kernel, stride, twice=True)
    if family == "dil_conv":
        return separable(rank, channels, kernel, stride, dilation=2)
    if family == "dil_sep_conv":
        return separable(rank, channels, kernel, stride, dilation=2, twice=True)
    raise ValueError(f"no operation '{name}'")


def separable(
    rank: int, channels: int, kernel: int, stride: int, *, dilation: int = 1, twice: bool = False
) -> nn.Sequential:
    """Depthwise convolution, 1×1 convolution, batch norm; `twice`: ReLU and the same again at stride 1."""
    layers: list[nn.Module] = []
    for step in (stride, 1) if twice else (stride,):
        if layers:
            layers.append(nn.ReLU())
        layers += [
            conv(rank, channels, channels, kernel, stride=step, dilation=dilation, groups=channels),
            conv(rank, channels, channels, 1),
            batch_norm(rank, channels),
        ]
    return nn.Sequential(*layers)


def axis_convs(rank: int, channels: int, kernel: int, stride: int) -> nn.Sequential:
    """A convolution along each axis in turn, the last axis first (1×k, then k×1 for images), then batch norm."""
    layer: Callable[..., nn.Module] = CONV[rank]
    layers: list[nn.Module] = []
    for axis in reversed(range(rank)):
        kernels, strides, paddings = ([1] * rank, [1] * rank, [0] * rank)
        kernels[axis], strides[axis], paddings[axis] = kernel, stride, kernel // 2
        layers.append(
            layer(channels, channels, tuple(kernels), stride=tuple(strides), padding=tuple(paddings), bias=False)
        )
    return nn.Sequential(*layers, batch_norm(rank, channels))


def pool(family: str, rank: int, kernel: int, stride: int) -> nn.Module:
    """Average pooling that does not count positions outside the map, or maximum pooling."""
    if kernel % 2 == 0:
        return EvenPool(family, rank, kernel, stride)
    if family == "avg_pool":
        return avg_pool(rank, kernel, stride=stride)
    return MAX_POOL[rank](kernel, stride=stride, padding=kernel // 2)


class EvenPool(nn.Module):
    """Pooling over 2×2. The window reaches one beyond the far edge, so that the size fits what it is added to.

    The published layer has no padding and so shrinks the map at stride 1; no family of NDS draws it.
    """

    def __init__(self, family: str, rank: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.average = family == "avg_pool"
        self.pool: nn.Module = (AVG_POOL if self.average else MAX_POOL)[rank](kernel, stride=stride)
        self.beyond = (0, kernel - 1) * rank

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.pool(pad(x, self.beyond, value=0.0 if self.average else -inf))
        if self.average:
            pooled = pooled / self.pool(pad(ones_like(x[:1, :1]), self.beyond))
        return pooled


class HalvedSkip(nn.Module):
    """Halves the resolution by two strided 1×1 convolutions, of the even and of the odd positions; then batch norm."""

    def __init__(self, rank: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.even = conv(rank, inputs, outputs - outputs // 2, 1, stride=2)
        self.odd = conv(rank, inputs, outputs // 2, 1, stride=2)
        self.norm = batch_norm(rank, outputs)
        self.shift = (0, 1) * rank

    def forward(self, x: Tensor) -> Tensor:
        shifted = pad(x, self.shift)
        for axis in range(2, x.dim()):
            shifted = shifted.narrow(axis, 1, x.shape[axis])
        halved: Tensor = self.norm(cat([self.even(x), self.odd(shifted)], dim=1))
        return halved

"""Operations shared by the families, for sequences, images and volumes alike: rank is the number of spatial axes."""

from __future__ import annotations

from torch import Tensor, nn

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
BATCH_NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
AVG_POOL = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
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


def avg_pool(rank: int, kernel: int, *, stride: int = 1) -> nn.Module:
    """Average pooling; positions outside the map do not count."""
    return AVG_POOL[rank](kernel, stride=stride, padding=(kernel - 1) // 2, count_include_pad=False)


class Classifier(nn.Module):
    """Global average pool, then a linear layer: [B, channels, *spatial] → logits [B, outputs]."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, outputs)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(x.flatten(2).mean(2))
        return logits


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

"""Blocks of convolutions between maps [B, C, *spatial].

Source: He et al., CVPR 2016 (basic, bottleneck); Xie et al., ResNeXt, CVPR 2017; Sandler et al., MobileNetV2, 2018;
Tan and Le, EfficientNet, ICML 2019, and EfficientNetV2, ICML 2021 (fused); Liu et al., ConvNeXt, CVPR 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from eproxyctl.networks.blocks.layers import (
    ChannelGate,
    LayerScale,
    activated,
    composed,
    convolution,
    normalised,
)
from eproxyctl.networks.operations import AVG_POOL, MAX_POOL


@dataclass(frozen=True)
class Style:
    """How a block normalises and activates, by name."""

    normalisation: str
    activation: str

    @property
    def bias(self) -> bool:
        """Whether its convolutions have biases, which a normalisation would take away."""
        return self.normalisation == "none"


def unit(
    style: Style,
    rank: int,
    inputs: int,
    outputs: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    active: bool = True,
    bias: bool = False,
) -> list[nn.Module]:
    """Convolution, normalisation, activation."""
    layers = [convolution(rank, inputs, outputs, kernel, stride=stride, groups=groups, bias=bias or style.bias)]
    layers += normalised(style.normalisation, rank, outputs)
    return layers + (activated(style.activation) if active else [])


class Summed(nn.Module):
    """A main branch and a way around it, added; `after` is applied to the sum."""

    def __init__(self, main: nn.Module, shortcut: nn.Module | None, after: list[nn.Module], *, residual: bool) -> None:
        super().__init__()
        self.main = main
        self.shortcut = shortcut
        self.after = composed(after) if after else None
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.main(x)
        if self.residual:
            y = y + (x if self.shortcut is None else self.shortcut(x))
        return y if self.after is None else self.after(y)


class ResidualUnit(Summed):
    """Convolutions, to which the input is added, projected where its shape differs; then the activation."""

    def __init__(
        self, style: Style, rank: int, layers: list[nn.Module], inputs: int, outputs: int, stride: int
    ) -> None:
        same = inputs == outputs and stride == 1
        around = None if same else nn.Sequential(*unit(style, rank, inputs, outputs, 1, stride=stride, active=False))
        super().__init__(nn.Sequential(*layers), around, activated(style.activation), residual=True)


class InvertedResidual(Summed):
    """Expansion, depthwise convolution, gate, projection; or, fused, a full convolution instead of the first two."""

    def __init__(
        self,
        style: Style,
        rank: int,
        inputs: int,
        outputs: int,
        *,
        stride: int,
        kernel: int,
        hidden: int,
        squeezed: int,
        fused: bool,
        residual: bool,
    ) -> None:
        layers: list[nn.Module] = []
        if fused and hidden == inputs:
            layers += unit(style, rank, inputs, outputs, kernel, stride=stride)
        else:
            if fused:
                layers += unit(style, rank, inputs, hidden, kernel, stride=stride)
            else:
                if hidden != inputs:
                    layers += unit(style, rank, inputs, hidden, 1)
                layers += unit(style, rank, hidden, hidden, kernel, stride=stride, groups=hidden)
            if squeezed:
                layers.append(ChannelGate(rank, hidden, squeezed, style.activation))
            layers += unit(style, rank, hidden, outputs, 1, active=False)
        super().__init__(nn.Sequential(*layers), None, [], residual=residual)


class ConvNeXtUnit(nn.Module):
    """Depthwise convolution, normalisation, 1×1 expansion, activation, 1×1 projection, layer scale; plus the input.

    Where the shape changes, a normalised convolution comes first, its kernel as large as the stride.
    """

    def __init__(
        self,
        style: Style,
        rank: int,
        inputs: int,
        outputs: int,
        *,
        stride: int,
        kernel: int,
        hidden: int,
        scale: float | None,
    ) -> None:
        super().__init__()
        self.change: nn.Module | None = None
        if inputs != outputs or stride != 1:
            change = normalised(style.normalisation, rank, inputs)
            self.change = composed([*change, convolution(rank, inputs, outputs, stride, stride=stride, bias=True)])
        layers = [convolution(rank, outputs, outputs, kernel, groups=outputs, bias=True)]
        layers += normalised(style.normalisation, rank, outputs)
        layers += [convolution(rank, outputs, hidden, 1, bias=True), *activated(style.activation)]
        layers.append(convolution(rank, hidden, outputs, 1, bias=True))
        if scale is not None:
            layers.append(LayerScale(outputs, scale, 1, rank + 2))
        self.main = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        if self.change is not None:
            x = self.change(x)
        y: Tensor = self.main(x)
        return x + y


def pooling(operation: str, rank: int, kernel: int, stride: int) -> nn.Module:
    """Max or average pooling by an odd kernel, after which a side s is ⌈s / stride⌉."""
    around = (kernel - 1) // 2
    if operation == "max":
        largest: nn.Module = MAX_POOL[rank](kernel, stride=stride, padding=around)
        return largest
    mean: nn.Module = AVG_POOL[rank](kernel, stride=stride, padding=around, count_include_pad=False)
    return mean

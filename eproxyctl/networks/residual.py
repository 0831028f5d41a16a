"""Networks of three stages of equal blocks: the NDS families Vanilla, ResNet and ResNeXt.

Source: Radosavovic et al., "On Network Design Spaces for Visual Recognition", ICCV 2019 (pycls, `anynet.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import relu

from eproxyctl.networks.counting.residual import BlockKind, StageShape, stem_widths
from eproxyctl.networks.operations import Classifier, batch_norm, conv, conv_bn


class ResidualBlock(nn.Module):
    """Two or three convolutions; `basic` and `bottleneck` add the input, projected where its shape differs.

    Args:
        inputs: channels before; `shape.width` are those after.
        stride: of the block.
    """

    def __init__(self, rank: int, kind: BlockKind, inputs: int, shape: StageShape, stride: int) -> None:
        super().__init__()
        width, inner = shape.width, shape.inner
        if kind == "bottleneck":
            self.main = nn.Sequential(
                conv_bn(rank, inputs, inner, 1),
                nn.ReLU(),
                conv(rank, inner, inner, 3, stride=stride, groups=shape.groups),
                batch_norm(rank, inner),
                nn.ReLU(),
                conv_bn(rank, inner, width, 1),
            )
        else:
            self.main = nn.Sequential(
                conv_bn(rank, inputs, width, 3, stride=stride), nn.ReLU(), conv_bn(rank, width, width, 3)
            )
        self.residual = kind != "plain"
        self.shortcut: nn.Module | None = None
        if self.residual and (inputs != width or stride != 1):
            self.shortcut = conv_bn(rank, inputs, width, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.main(x)
        if self.residual:
            y = y + (x if self.shortcut is None else self.shortcut(x))
        return relu(y)


class ResidualNetwork(nn.Module):
    """Stem, stages, classifier; `features`: ends of the stages, the last first.

    Args:
        shape: (channels, *spatial) of one input.
        stem_width: channels of the stem.
        stem_stride: 1, 2, 4 or 8: at most one convolution of stride 1, else as many of stride 2 as make it.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        *,
        kind: BlockKind,
        stem_width: int,
        stem_stride: int,
        stages: Sequence[StageShape],
    ) -> None:
        super().__init__()
        rank = len(shape) - 1
        self.stem = _stem(rank, shape[0], stem_width, stem_stride)
        self.stages = nn.ModuleList()
        inputs = stem_width
        for stage in stages:
            blocks = [ResidualBlock(rank, kind, inputs, stage, stage.stride)]
            blocks += [ResidualBlock(rank, kind, stage.width, stage, 1) for _ in range(stage.blocks - 1)]
            self.stages.append(nn.Sequential(*blocks))
            inputs = stage.width
        self.channels = tuple(stage.width for stage in reversed(stages))
        self.classifier = Classifier(inputs, outputs)

    def features(self, batch: Tensor) -> list[Tensor]:
        """Maps [B, channels[i], *spatial], deepest first."""
        x = self.stem(batch)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps[::-1]

    def forward(self, batch: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(batch)[0])
        return logits


def _stem(rank: int, inputs: int, width: int, stride: int) -> nn.Sequential:
    """Convolutions 3×3 with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for channels in stem_widths(width, stride):
        layers += [conv_bn(rank, inputs, channels, 3, stride=min(2, stride)), nn.ReLU()]
        inputs = channels
    return nn.Sequential(*layers)

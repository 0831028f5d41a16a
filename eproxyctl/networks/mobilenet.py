"""Networks of inverted residual blocks (MBConv): MobileNetV2, MnasNet, ProxylessNAS.

Source: Sandler et al., "MobileNetV2", CVPR 2018; Tan et al., "MnasNet", CVPR 2019 (squeeze-excite, ratio 1/4 of the
block's input); Cai et al., "ProxylessNAS", ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from eproxyctl.networks.counting.mobilenet import MobileStage
from eproxyctl.networks.operations import Classifier, SqueezeExcite, batch_norm, conv, conv_bn


class MBConv(nn.Module):
    """1×1 expansion (none at 1), depthwise convolution, squeeze-excite if asked for, 1×1 projection without activation;
    plus the input where the shape stays the same.
    """

    def __init__(self, rank: int, inputs: int, stage: MobileStage, *, stride: int) -> None:
        super().__init__()
        hidden = inputs * stage.expansion
        layers: list[nn.Module] = []
        if stage.expansion != 1:
            layers += [conv_bn(rank, inputs, hidden, 1), nn.ReLU6()]
        depthwise = conv(rank, hidden, hidden, stage.kernel, stride=stride, groups=hidden)
        layers += [depthwise, batch_norm(rank, hidden), nn.ReLU6()]
        if stage.squeeze:
            layers.append(SqueezeExcite(rank, hidden, max(1, inputs // 4)))
        layers.append(conv_bn(rank, hidden, stage.channels, 1))
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class MobileNet(nn.Module):
    """Stem, stages of MBConv, a 1×1 convolution to `head` channels, classifier.

    Args:
        shape: (channels, *spatial) of one input.
        stem: channels of the 3×3 stem.
        stem_stride: of the stem; 2 is official.
        stages: the first is MobileNetV2's single block without expansion.
        head: channels before the classifier.

    `features`: ends of the last stage, of the middle one and of the first after the block without expansion.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        *,
        stem: int,
        stem_stride: int,
        stages: Sequence[MobileStage],
        head: int,
    ) -> None:
        super().__init__()
        rank = len(shape) - 1
        self.stem = nn.Sequential(conv_bn(rank, shape[0], stem, 3, stride=stem_stride), nn.ReLU6())
        self.stages = nn.ModuleList()
        inputs = stem
        for stage in stages:
            blocks = []
            for block in range(stage.depth):
                blocks.append(MBConv(rank, inputs, stage, stride=1 if block else stage.stride))
                inputs = stage.channels
            self.stages.append(nn.Sequential(*blocks))
        self.shown = (len(stages) - 1, (len(stages) + 1) // 2, 1)
        self.channels = tuple(stages[i].channels for i in self.shown)
        self.head = nn.Sequential(conv_bn(rank, inputs, head, 1), nn.ReLU6())
        self.classifier = Classifier(head, outputs)

    def _maps(self, batch: Tensor) -> list[Tensor]:
        maps = [self.stem(batch)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[1:]

    def features(self, batch: Tensor) -> list[Tensor]:
        """Maps [B, channels[i], *spatial], deepest first."""
        maps = self._maps(batch)
        return [maps[i] for i in self.shown]

    def forward(self, batch: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.head(self._maps(batch)[-1]))
        return logits

"""A network of blocks: stem, stages, head."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from eproxyctl.networks.blocks.layers import activated, convolution, normalised
from eproxyctl.networks.operations import Linear

Views = Sequence[nn.Module | None]


class PooledHead(nn.Module):
    """Maps or tokens → logits [B, outputs].

    Args:
        rank: of the maps; 0 for tokens.
        channels: of its input.
        hidden: channels of a 1×1 convolution (of tokens: a linear layer) before the pooling; None: there is none.
        norm: `layer` normalises tokens before the pooling and the means of maps behind it, as ViT and ConvNeXt do.
        token: the class token is read instead of the mean.
    """

    def __init__(
        self,
        rank: int,
        channels: int,
        outputs: int,
        *,
        hidden: int | None,
        normalisation: str,
        activation: str,
        norm: str,
        token: bool,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if hidden is not None and rank:
            layers.append(convolution(rank, channels, hidden, 1, bias=normalisation == "none"))
            layers += [*normalised(normalisation, rank, hidden), *activated(activation)]
        elif hidden is not None:
            layers += [Linear(channels, hidden), *activated(activation)]
        width = channels if hidden is None else hidden
        normed = [nn.LayerNorm(width, eps=1e-6)] if norm == "layer" else []
        self.maps, self.token = bool(rank), token
        self.before = nn.Sequential(*layers, *([] if rank else normed))
        self.after = nn.Sequential(*(normed if rank else []))
        self.linear = Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        x = x.flatten(2).mean(2) if self.maps else x[:, 0] if self.token else x.mean(1)
        logits: Tensor = self.linear(self.after(x))
        return logits


class BlockNetwork(nn.Module):
    """Stem, stages of blocks, head.

    Args:
        stem: blocks before the stages.
        stages: the blocks of each.
        shown: stages whose ends are the feature maps, deepest first.
        views: for each shown stage, what makes maps of tokens, None where there are maps.
        channels: of the shown maps.
    """

    def __init__(
        self,
        stem: Sequence[nn.Module],
        stages: Sequence[Sequence[nn.Module]],
        head: nn.Module,
        *,
        shown: tuple[int, ...],
        views: Views,
        channels: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(*stem)
        self.stages = nn.ModuleList(nn.Sequential(*blocks) for blocks in stages)
        self.shown, self.channels = shown, channels
        self.views = nn.ModuleList(nn.Identity() if view is None else view for view in views)
        self.head = head

    def _ends(self, batch: Tensor) -> list[Tensor]:
        x = self.stem(batch)
        ends = []
        for stage in self.stages:
            x = stage(x)
            ends.append(x)
        return ends

    def features(self, batch: Tensor) -> list[Tensor]:
        """Maps [B, channels[i], *spatial], deepest first."""
        ends = self._ends(batch)
        return [view(ends[i]) for i, view in zip(self.shown, self.views, strict=True)]

    def forward(self, batch: Tensor) -> Tensor:
        logits: Tensor = self.head(self._ends(batch)[-1])
        return logits

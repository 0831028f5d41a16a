"""Parameters and multiply-adds of an architecture from those of its blocks, without building it."""

from __future__ import annotations

import math

from eproxyctl.contracts import Block, BlockSize, Spot
from eproxyctl.spaces.blocks.costs import NOTHING, convolved, linear, normed, total
from eproxyctl.spaces.declared.architecture import Built, Standing
from eproxyctl.spaces.declared.sections import HeadOptions

MOST_KNOWN = 65_536


class Sizes:
    """Sizes of blocks in their places; what was counted once is looked up."""

    def __init__(self) -> None:
        self._known: dict[tuple[Block, int, int, int, tuple[int, ...], bool, float], BlockSize] = {}

    def of(self, built: Built, outputs: int, head: HeadOptions) -> BlockSize:
        """Of the network that is assembled of `built`."""
        params = macs = 0
        for group in (built.stem, *built.stages):
            for standing in group:
                size = self._block(standing)
                params += size.params
                macs += size.macs
        behind = _head(built, outputs, head)
        return BlockSize(params + behind.params, macs + behind.macs)

    def _block(self, standing: Standing) -> BlockSize:
        block, spot = standing.made.block, standing.spot
        slot = (block, spot.inputs, spot.outputs, spot.stride, spot.spatial, spot.class_token, spot.width)
        size = self._known.get(slot)
        if size is None:
            if len(self._known) > MOST_KNOWN:
                self._known.clear()
            size = self._known[slot] = block.size(spot) or _counted(block, spot)
        return size


def _counted(block: Block, spot: Spot) -> BlockSize:
    """By building it."""
    from eproxyctl.networks.size import count

    shape = (spot.tokens, spot.inputs) if block.takes == "tokens" else (spot.inputs, *spot.spatial)
    return BlockSize(*count(lambda: block.build(spot), shape))


def _head(built: Built, outputs: int, head: HeadOptions) -> BlockSize:
    channels, spatial, class_token, tokens = built.ends[-1]
    sizes = []
    if head.channels is not None:
        if tokens:
            sizes.append(linear(channels, head.channels, math.prod(spatial) + class_token))
        else:
            sizes.append(convolved(channels, head.channels, 1, spatial, bias=head.normalisation == "none"))
            sizes.append(normed(head.normalisation, head.channels))
        channels = head.channels
    sizes.append(NOTHING if head.norm == "none" else BlockSize(2 * channels, 0))
    return total(*sizes, linear(channels, outputs, 1))

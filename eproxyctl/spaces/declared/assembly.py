"""The network of an architecture whose blocks have their places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eproxyctl.contracts import Fidelity
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.spaces.declared.architecture import Built, Standing
from eproxyctl.spaces.declared.sections import HeadOptions
from eproxyctl.spaces.mobilenet import scaled

if TYPE_CHECKING:
    from torch import nn

    from eproxyctl.contracts import Network

MAPS = 3
"""Feature maps of a network."""


def chunks(built: Built) -> tuple[list[list[Standing]], list[int]]:
    """Blocks in the groups whose ends may be shown, and which are, deepest first.

    The groups are the stages. Of a network with fewer than three, they are thirds of its blocks.
    """
    stages = [list(stage) for stage in built.stages]
    if len(stages) >= MAPS:
        last = len(stages) - 1
        return stages, sorted({last, (last + 1) // 2, last // 4}, reverse=True)
    blocks = [block for stage in stages for block in stage]
    if not blocks:
        raise InvalidArchitecture("a network without blocks", hint="no stage has any")
    cuts = sorted({-(-len(blocks) * third // MAPS) for third in range(1, MAPS + 1)})
    return [blocks[a:b] for a, b in zip([0, *cuts], cuts, strict=False)], list(range(len(cuts) - 1, -1, -1))


def assemble(built: Built, shape: tuple[int, ...], outputs: int, head: HeadOptions, fidelity: Fidelity) -> Network:
    """The network, its values not set.

    Args:
        built: blocks in their places.
        shape: (channels, *spatial) of one input.
        outputs: width of the classifier.
        head: what is behind the last block.
        fidelity: how far it is shrunk.
    """
    from eproxyctl.networks.blocks.network import BlockNetwork, PooledHead
    from eproxyctl.networks.blocks.tokens import ToMaps

    groups, shown = chunks(built)
    chain = _Chain(shape)
    stem = chain.extend(built.stem)
    stages: list[list[nn.Module]] = []
    ends: list[tuple[int, ToMaps | None]] = []
    for group in groups:
        stages.append(chain.extend(group))
        ends.append((chain.channels, ToMaps(chain.spatial, chain.class_token) if chain.tokens else None))
    return BlockNetwork(
        stem,
        stages,
        PooledHead(
            0 if chain.tokens else len(shape) - 1,
            chain.channels,
            outputs,
            hidden=None if head.channels is None else scaled(head.channels, fidelity.width),
            normalisation=head.normalisation,
            activation=head.activation,
            norm=head.norm,
            token=reads_token(head, tokens=chain.tokens, class_token=chain.class_token),
        ),
        shown=tuple(shown),
        views=[ends[i][1] for i in shown],
        channels=tuple(ends[i][0] for i in shown),
    )


class _Chain:
    """Modules one after another, with what makes tokens of maps, and maps of tokens, between them."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.channels, self.spatial = shape[0], tuple(shape[1:])
        self.tokens = self.class_token = False

    def extend(self, group: tuple[Standing, ...] | list[Standing]) -> list[nn.Module]:
        """The modules of some further blocks."""
        from eproxyctl.networks.blocks.tokens import ToMaps, ToTokens, mark_tokens

        modules: list[nn.Module] = []
        for standing in group:
            block, spot = standing.made.block, standing.spot
            wanted = block.takes == "tokens"
            if wanted and not self.tokens:
                modules.append(ToTokens())
            elif self.tokens and not wanted:
                modules.append(ToMaps(self.spatial, self.class_token))
            module = block.build(spot)
            if block.gives == "tokens":
                mark_tokens(module, spot.after, class_token=block.class_token(spot))
            modules.append(module)
            self.channels, self.spatial = spot.outputs, spot.after
            self.tokens, self.class_token = block.gives == "tokens", block.class_token(spot)
        return modules


def reads_token(head: HeadOptions, *, tokens: bool, class_token: bool) -> bool:
    """Whether the head reads the class token. Raises InvalidArchitecture where it should and there is none."""
    if head.pool == "class" and not (tokens and class_token):
        raise InvalidArchitecture("head.pool: class, and there is no class token", hint="stem: {class_token: true}")
    return head.pool == "class"

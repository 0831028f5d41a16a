"""What networks are put together from: a block, between two maps or two rows of tokens."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from eproxyctl.contracts.base import Options

if TYPE_CHECKING:
    from torch import nn

Layout = Literal["maps", "tokens"]
"""What passes between blocks: maps [B, C, *spatial], or tokens [B, places (and a class token first), C]."""


class BlockOptions(Options):
    """What a stage of a declared space may say of its block, beside channels, stride and depth."""


class BlockSize(NamedTuple):
    """Parameters, and multiply-adds of one input."""

    params: int
    macs: int


@dataclass(frozen=True)
class Spot:
    """Where a block stands.

    Attributes:
        inputs, outputs: channels before and after.
        stride: of the block; each spatial side s becomes ⌈s / stride⌉.
        spatial: sides before.
        class_token: whether a class token stands before the tokens of the places.
        width: share of the block's own inner channels that is kept, where a proxy shrinks the network.
    """

    inputs: int
    outputs: int
    stride: int
    spatial: tuple[int, ...]
    class_token: bool = False
    width: float = 1.0

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.spatial)

    @property
    def after(self) -> tuple[int, ...]:
        """Sides behind the block."""
        return tuple(-(-side // self.stride) for side in self.spatial)

    @property
    def places(self) -> int:
        """Positions of the map before."""
        return math.prod(self.spatial)

    @property
    def tokens(self) -> int:
        """Places, and the class token where there is one."""
        return self.places + self.class_token


class Block(ABC):
    """A part of a network that turns [B, inputs, *spatial] into [B, outputs, *⌈spatial / stride⌉], or tokens likewise.

    A spec names it by its `kind`, and every field of its Options may be a choice there.
    """

    kind: ClassVar[str]
    Options: ClassVar[type[BlockOptions]] = BlockOptions
    takes: ClassVar[Layout] = "maps"
    gives: ClassVar[Layout] = "maps"
    ranks: ClassVar[tuple[int, ...]] = (1, 2, 3)
    """Numbers of spatial axes it can have."""

    def __init__(self, options: BlockOptions) -> None:
        self.options = options

    @abstractmethod
    def build(self, spot: Spot) -> nn.Module:
        """The module, its values not set. Torch is imported inside."""

    def check(self, spot: Spot) -> None:  # noqa: B027 - most blocks fit everywhere
        """Raises InvalidArchitecture where the block does not fit."""

    @classmethod
    def may_fail(cls, given: Collection[str]) -> bool:
        """Whether `check` can raise, where a spec sets these options; if never, no key has to be checked."""
        return cls.check is not Block.check

    def vanishes(self, spot: Spot) -> bool:
        """Whether it returns its input unchanged: then it is left out of the network, and of what names it."""
        return False

    def stride(self) -> int | None:
        """The stride that the options imply; None: the stage says it."""
        return None

    def class_token(self, spot: Spot) -> bool:
        """Whether a class token stands before its tokens."""
        return spot.class_token and self.gives == "tokens"

    def size(self, spot: Spot) -> BlockSize | None:
        """What the built module has; None where that is counted by building it, which takes fifty times as long."""
        return None

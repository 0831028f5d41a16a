"""Parameters and multiply-adds of layers, from their shapes alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

Sides = tuple[int, ...]
"""Spatial sides of a map."""
Terms = Sequence[tuple[str, int]]
Sums = Sequence[Sequence[int]]
STEM_STRIDES = {4: (2, 2), 2: (2, 1), 1: (1, 1)}
"""Strides of the two convolutions of a stem, by how much it divides the resolution."""


class Size(NamedTuple):
    """Parameters, and multiply-adds of one input."""

    params: int
    macs: int


def strided(sides: Sides, stride: int) -> Sides:
    """Sides after a layer that keeps them at stride 1; a stride that does not divide them rounds up."""
    return sides if stride == 1 else tuple([-(-side // stride) for side in sides])


class Tally:
    """Adds up layers."""

    __slots__ = ("macs", "params")

    def __init__(self) -> None:
        self.params = 0
        self.macs = 0

    @property
    def size(self) -> Size:
        """What it has come to."""
        return Size(self.params, self.macs)

    def add(self, size: tuple[int, int], times: int = 1) -> None:
        """A part of known size, several times."""
        self.params += times * size[0]
        self.macs += times * size[1]

    def conv(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        sides: Sides,
        *,
        stride: int = 1,
        groups: int = 1,
        norm: bool = True,
        bias: bool = False,
    ) -> Sides:
        """A convolution of `kernel` along each axis, and the weights of the batch norm behind it; → sides after it."""
        if stride != 1:
            sides = strided(sides, stride)
        weights = inputs // groups * outputs * kernel ** len(sides)
        self.params += weights + (2 * outputs if norm else 0) + (outputs if bias else 0)
        self.macs += weights * math.prod(sides)
        return sides

    def linear(self, inputs: int, outputs: int) -> None:
        """A linear layer with a bias, of one vector."""
        self.params += (inputs + 1) * outputs
        self.macs += inputs * outputs

"""Ways through a graph of operations, from an input to the output, which spaces read their traits from.

A trait's name may have a group in front, up to the last dot: `paths.mean`, `count.skip_connect`. A model of few labels
gives each group one vote, so that twenty counts of operations do not outvote the depth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Ways(NamedTuple):
    """Ways from one place to another, and their lengths: how many operations of some kind lie on them.

    Attributes:
        number: of ways.
        total, least, most: lengths, summed, shortest and longest.
        chance: that a walk back from the end gets to the start, taking one term of each sum, all alike.
        walked: length of such a walk times its chance, summed over walks.
    """

    number: int = 0
    total: int = 0
    least: float = math.inf
    most: float = -math.inf
    chance: float = 0.0
    walked: float = 0.0

    def __add__(self, other: Ways) -> Ways:  # type: ignore[override]
        """Either way, the starts being different."""
        return Ways(
            self.number + other.number,
            self.total + other.total,
            min(self.least, other.least),
            max(self.most, other.most),
            self.chance + other.chance,
            self.walked + other.walked,
        )

    def then(self, other: Ways) -> Ways:
        """One after the other."""
        return Ways(
            self.number * other.number,
            self.total * other.number + other.total * self.number,
            self.least + other.least,
            self.most + other.most,
            self.chance * other.chance,
            self.walked * other.chance + other.walked * self.chance,
        )

    def longer(self, length: int) -> Ways:
        """The same as `then(step(length))`."""
        if not length:
            return self
        return Ways(
            self.number,
            self.total + length * self.number,
            self.least + length,
            self.most + length,
            self.chance,
            self.walked + length * self.chance,
        )

    @property
    def mean(self) -> float:
        """Length, each way counting once; 0 where there is no way."""
        return self.total / self.number if self.number else 0.0

    @property
    def walk(self) -> float:
        """Length of a walk that gets to the start, on average: a long way of many branches counts less."""
        return self.walked / self.chance if self.chance else 0.0

    def traits(self, group: str) -> dict[str, float]:
        """Number and lengths as traits of a group, all 0 where there is no way."""
        return {
            f"{group}.log_number": math.log(self.number + 1),
            f"{group}.mean": self.mean,
            f"{group}.walk": self.walk,
            f"{group}.shortest": float(self.least) if self.number else 0.0,
            f"{group}.longest": float(self.most) if self.number else 0.0,
        }


NOWHERE = Ways()


def step(length: int) -> Ways:
    """One way, `length` operations long."""
    return Ways(1, length, length, length, 1.0, float(length))


def shared(parts: Sequence[Ways]) -> Ways:
    """Any of the terms of a sum; the same to the last bit whatever their order."""
    if not parts:
        return NOWHERE
    if len(parts) == 1:
        return parts[0]
    number, total, least, most, chance, walked = zip(*parts, strict=True)
    count = len(parts)
    return Ways(sum(number), sum(total), min(least), max(most), math.fsum(chance) / count, math.fsum(walked) / count)


def through(
    sources: Sequence[int], lengths: Sequence[int], sums: Sequence[Sequence[int]], outputs: Sequence[int], inputs: int
) -> tuple[Ways, ...]:
    """The ways from each input to the output of a graph of sums.

    Args:
        sources, lengths: of each term, the value it is applied to and how much it adds to a way.
        sums: the terms each value is the sum of; values 0 to `inputs` − 1 are the inputs, the sums come after them,
            in any order, though in no circle.
        outputs: the values that make the output.
        inputs: how many there are.
    """
    known = {i: tuple(step(0) if i == j else NOWHERE for j in range(inputs)) for i in range(inputs)}

    def to(value: int) -> tuple[Ways, ...]:
        if value not in known:
            terms = [(to(sources[t]), lengths[t]) for t in sums[value - inputs]]
            known[value] = tuple([shared([before[i].longer(by) for before, by in terms]) for i in range(inputs)])
        return known[value]

    return tuple(shared([to(value)[i] for value in outputs]) for i in range(inputs))

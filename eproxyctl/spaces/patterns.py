"""How operations are arranged in a cell, as traits: path lengths over sets of operations, and degrees.

After GRAF (Kadlecová et al., Surprisingly Strong Performance Prediction with Neural Graph Features, ICML 2024): the
fewest and the most operations of a set on a way from the input to the output, and how many of them touch each end.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eproxyctl.ranking import Floats

INPUT = "input"
Lengths = tuple[Floats, Floats, Floats]
"""[sets] each: operations of a set on the way with the fewest, on the one with the most, on a walk back on average."""


@dataclass(frozen=True)
class Arrangement:
    """A graph of sums without dead parts.

    Attributes:
        terms: the operation and the value it is applied to; INPUT is the input itself, no operation.
        sums: the terms that each value from 1 on is the sum of; value 0 is the input, the last one the output.
    """

    terms: Sequence[tuple[str, int]]
    sums: Sequence[Sequence[int]]

    def traits(self, operations: Sequence[str]) -> dict[str, float]:
        """Traits in groups of their own; the same to the last bit for whatever order the parts are in.

        Args:
            operations: that the space has, few: there are five traits for each set of them.
        """
        sets = {
            "+".join(each): frozenset(each)
            for size in range(1, len(operations) + 1)
            for each in itertools.combinations(operations, size)
        }
        member = np.array([[float(name in each) for each in sets.values()] for name, _ in self.terms])
        member = member.reshape(len(self.terms), len(sets))
        first = [t for t, (_, source) in enumerate(self.terms) if self._is_input(source)]
        last = list(self._parts(len(self.sums)))
        columns = {
            **dict(zip(("least", "most", "walk"), self._lengths(member), strict=True)),
            "from_input": member[first].sum(axis=0),
            "to_output": member[last].sum(axis=0),
        }
        return {
            f"{group}.{name}": float(value)
            for group, values in columns.items()
            for name, value in zip(sets, values, strict=True)
        }

    def _parts(self, value: int) -> Sequence[int]:
        """The terms of a value, none of the input."""
        return self.sums[value - 1] if value else ()

    def _is_input(self, value: int) -> bool:
        """Whether a value is the input or has it as a term."""
        return value == 0 or any(self.terms[t][0] == INPUT for t in self._parts(value))

    def _lengths(self, member: Floats) -> Lengths:
        """Of ways from the input to the output, all 0 where there is none.

        Args:
            member: [terms, sets] 1 where a term's operation is in a set.
        """
        nothing = np.zeros(member.shape[1])
        ways: dict[int, Lengths | None] = {0: (nothing, nothing, nothing)}

        def to(value: int) -> Lengths | None:
            if value not in ways:
                before = [(to(self.terms[t][1]), member[t]) for t in self._parts(value)]
                ways[value] = _either([(a + on, b + on, c + on) for way, on in before if way for a, b, c in [way]])
            return ways[value]

        return to(len(self.sums)) or (nothing, nothing, nothing)


def _either(ways: Sequence[Lengths]) -> Lengths | None:
    """Any of several ways, the walk taking all alike; None of none."""
    if not ways:
        return None
    least, most, walk = (np.stack(each) for each in zip(*ways, strict=True))
    # Sorted, since the last bits of a sum depend on its order.
    return least.min(axis=0), most.max(axis=0), np.sort(walk, axis=0).sum(axis=0) / len(walk)

"""The costliest architecture of a space that is too large to be enumerated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eproxyctl.contracts import Choice
from eproxyctl.errors import InvalidArchitecture

ROUNDS = 4
Cost = Callable[[Mapping[str, Choice]], tuple[float, ...] | None]
"""Cost of choices, None where they make no architecture."""


def costliest(parameters: Mapping[str, tuple[Choice, ...]], cost: Cost) -> dict[str, Choice]:
    """Choices from the largest values, each in turn moved to what costs most until no change of one helps.

    Where sizes of blocks grow with each of their choices, as in all built-in ones, no architecture costs more.
    """
    chosen: dict[str, Choice] = {name: values[-1] for name, values in parameters.items()}
    best = cost(chosen) or (-1.0,)
    for _ in range(ROUNDS):
        before = best
        for name, values in parameters.items():
            for value in values:
                if value != chosen[name]:
                    trial = cost({**chosen, name: value})
                    if trial is not None and trial > best:
                        chosen[name], best = value, trial
        if best == before:
            break
    return chosen


def admitted(parameters: Mapping[str, tuple[Choice, ...]], start: dict[str, Choice], excess: Any) -> dict[str, Choice]:
    """From `start`, the change of one choice that brings it nearest to the limits, until they are kept.

    Args:
        parameters: of the space.
        start: choices that exceed them.
        excess: how far choices are beyond the limits, 0 where they keep them, infinite where they make no architecture.

    Raises:
        InvalidArchitecture: no change helps.
    """
    chosen, distance = dict(start), excess(start)
    while distance > 0:
        moves = [(name, value) for name, values in parameters.items() for value in values if value != chosen[name]]
        trials = [(excess({**chosen, name: value}), i) for i, (name, value) in enumerate(moves)]
        nearest = min(trials, default=(distance, 0))
        if nearest[0] >= distance:
            raise InvalidArchitecture("no architecture was found that keeps to limits", hint="raise space.limits")
        distance = nearest[0]
        name, value = moves[nearest[1]]
        chosen[name] = value
    return chosen

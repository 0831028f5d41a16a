"""Which architectures to label: that is, to train for `benchmark`, or to take from the metric table for `dps`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eproxyctl import fewshot
from eproxyctl.contracts import Space
from eproxyctl.errors import UsageError


def spread(space: Space, keys: Sequence[str], n: int, seed: int) -> list[str]:
    """Architectures that differ in function, spread over the traits of their space: see `fewshot.pick`.

    Args:
        space: whose traits are read from the keys; nothing is built.
        keys: to choose from; of those equal in function the first is taken.
        n: how many; fewer come back where fewer differ in function.
        seed: of the first; the others follow, so that n are a prefix of more than n.

    Raises:
        UsageError: the space has no traits.
    """
    first: dict[str, str] = {}
    for key in keys:
        first.setdefault(space.canonical(key), key)
    distinct = list(first.values())
    traits = [space.traits(key) for key in distinct]
    if traits and not traits[0]:
        raise UsageError(f"space '{space.kind}' has no traits to spread a choice over", hint="pick: random")
    if not traits:
        return []
    features = {name: np.array([each[name] for each in traits], dtype=np.float64) for name in traits[0]}
    return [distinct[i] for i in fewshot.pick(features, min(n, len(distinct)), seed)]

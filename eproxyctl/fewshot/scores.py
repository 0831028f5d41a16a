"""Features as normal scores of their ranks, and the choice of architectures that are spread over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field

from eproxyctl.contracts import Options
from eproxyctl.errors import DataError, UsageError
from eproxyctl.ranking import Floats

Features = Mapping[str, Floats]
"""Name → [n] values, one for each architecture. Not finite: unknown, taken as the middle."""
KNOTS = 65
"""Points kept of a feature's distribution."""
DECIMALS = 5
"""Kept of normal scores, so that a model of many labels stays a small file."""
EMPHASIS = 4.0
"""Votes of a group that a Gaussian process trusts more than the others."""


def group(name: str) -> str:
    """A feature's group: its name up to the last dot; those without one are a group together."""
    return name.rpartition(".")[0]


def normal_scores(values: Floats) -> Floats:
    """[n] standard normal quantiles of mid-ranks, (rank − ½) / n; ties share their mean rank."""
    from scipy import stats

    return np.asarray(stats.norm.ppf((stats.rankdata(values) - 0.5) / len(values)), dtype=np.float64)


class Scale(Options):
    """A feature's values and their normal scores, of mean 0 and variance 1 over the architectures it was made from."""

    name: str
    values: tuple[float, ...] = Field(description="ascending")
    scores: tuple[float, ...] = Field(description="of each value; between them linear, outside as at the ends")

    def __call__(self, features: Features) -> Floats:
        """[n] scores. Raises DataError where the feature is missing."""
        if self.name not in features:
            raise DataError(f"the model needs the feature '{self.name}', which the architectures lack")
        values = np.asarray(features[self.name], dtype=np.float64)
        known = np.isfinite(values)
        return np.where(known, np.interp(np.where(known, values, 0.0), self.values, self.scores), 0.0)


def scales(features: Features) -> tuple[Scale, ...]:
    """A scale for each feature that is not the same for all architectures."""
    found = []
    for name, column in features.items():
        values = np.asarray(column, dtype=np.float64)
        values = values[np.isfinite(values)]
        distinct, first, counts = np.unique(values, return_index=True, return_counts=True)
        if len(distinct) < 2:
            continue
        scores = normal_scores(values)[first]
        mean = np.average(scores, weights=counts)
        scores = ((scores - mean) / np.sqrt(np.average((scores - mean) ** 2, weights=counts))).round(DECIMALS)
        kept = np.unique(np.linspace(0, len(distinct) - 1, min(KNOTS, len(distinct))).round().astype(int))
        found.append(Scale(name=name, values=tuple(distinct[kept].tolist()), scores=tuple(scores[kept].tolist())))
    return tuple(found)


def matrix(used: Sequence[Scale], features: Features) -> Floats:
    """[n, d] scores."""
    if not used:
        return np.zeros((max((len(column) for column in features.values()), default=0), 0))
    return np.column_stack([scale(features) for scale in used])


def votes(names: Sequence[str], emphasis: str | None) -> Floats:
    """[d] weights of features, summing to 1: one vote a group, EMPHASIS for the group that is trusted more."""
    groups = [group(name) for name in names]
    weights = np.array([(EMPHASIS if g == emphasis else 1.0) / groups.count(g) for g in groups])
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def pick(features: Features, n: int, seed: int = 0) -> list[int]:
    """Architectures to label, spread over the features: greedy k-centre (Gonzalez 1985) on their normal scores.

    The first is drawn from `seed`; each further one is the farthest from all before, the lowest index of equals. So
    the first k of `pick(…, n)` are `pick(…, k)`. Every feature counts alike.

    Returns:
        n different indices.

    Raises:
        UsageError: there are fewer than n architectures.
    """
    sizes = {len(column) for column in features.values()}
    total = sizes.pop() if len(sizes) == 1 else 0
    if not 1 <= n <= total:
        raise UsageError(f"cannot pick {n} of {total} architectures", hint="ask for fewer")
    used = scales(features)
    points = matrix(used, features) if used else np.zeros((total, 1))
    chosen = [int(np.random.default_rng(seed).integers(total))]
    distance = np.full(total, np.inf)
    while len(chosen) < n:
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        distance[chosen] = -1.0
        chosen.append(int(distance.argmax()))
    return chosen

"""How well scores rank a few labelled architectures: what DPS makes large, and which read-out does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from eproxyctl.ranking import STATISTICS, Floats, difference

REPEATS = 4
"""Ways of dividing the labels into folds, averaged over: with 20 labels one way tells little."""
UNDEFINED = -1.0
"""Fitness of settings that rank nothing: all scores equal, or none finite."""
RESAMPLES, LOWER = 200, 0.1
Statistic = Callable[[Floats, Floats], float]


def statistic(objective: str) -> Statistic:
    """What correlations are reported in: `quantile` is one of Spearman's ρ."""
    return STATISTICS["spearman" if objective == "quantile" else objective]


def fitness(objective: str) -> Statistic:
    """What is made large; UNDEFINED where there is nothing to rank."""
    compute: Statistic = lower_quantile if objective == "quantile" else STATISTICS[objective]

    def defined(scores: Floats, metric: Floats) -> float:
        value = compute(scores, metric)
        return value if np.isfinite(value) else UNDEFINED

    return defined


def lower_quantile(scores: Floats, metric: Floats) -> float:
    """The tenth percentile of Spearman's ρ over bootstrap resamples of the architectures; NaN where ρ is.

    Of two rankings with the same ρ, the one that hangs on a few architectures has the lower one. All rankings of the
    same number of architectures are resampled alike.
    """
    from scipy import stats

    n = len(scores)
    drawn = np.random.default_rng(n).integers(n, size=(RESAMPLES, n))
    a, b = (stats.rankdata(side[drawn], axis=1) for side in (scores, metric))
    a, b = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (a, b))
    norms = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    defined = norms > 0
    if np.ptp(scores) == 0 or np.ptp(metric) == 0 or not defined.any():
        return float("nan")
    return float(np.quantile((a * b).sum(axis=1)[defined] / norms[defined], LOWER))


def best(columns: Sequence[Floats], metric: Floats, fit: Statistic) -> tuple[int, float]:
    """(place, fitness) of the column, one a read-out, that ranks best; the first (simplest) of equals."""
    place, value = 0, UNDEFINED
    for i, column in enumerate(columns):
        found = fit(column, metric)
        if found > value + 1e-12:
            place, value = i, found
    return place, value


def validated(columns: Sequence[Floats], metric: Floats, fit: Statistic, folds: int, seed: int = 0) -> float:
    """Fitness of scores whose read-out was chosen without the architecture in question.

    Args:
        columns: [n] scores, one a read-out, higher is better.
        metric: [n], higher is better.
        fit: see `fitness`.
        folds: parts the architectures are divided into. The scores of each part are ranks, among all n, by the
            read-out that is best on the other parts.
        seed: of the division.
    """
    from scipy import stats

    if len(columns) == 1:
        return best(columns, metric, fit)[1]
    n, generator = len(metric), np.random.default_rng(seed)
    ranks = [stats.rankdata(column) for column in columns]
    values = []
    for _ in range(REPEATS):
        found = np.zeros(n)
        for part in np.array_split(generator.permutation(n), min(folds, n)):
            rest = np.setdiff1d(np.arange(n), part)
            place, _ = best([column[rest] for column in columns], metric[rest], fit)
            found[part] = ranks[place][part]
        values.append(fit(found, metric))
    return float(np.mean(values))


def standard_error(compute: Statistic, a: Floats, b: Floats, metric: Floats, seed: int = 0) -> float:
    """Of compute(a, metric) − compute(b, metric), by a paired bootstrap over architectures; 0 where there is none."""
    gap = difference(compute, a, b, metric, seed=seed)
    return 0.0 if gap.low is None or gap.high is None else (gap.high - gap.low) / (2 * 1.96)

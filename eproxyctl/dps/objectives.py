"""How well scores rank a few labelled architectures: what DPS makes large, and which read-out does it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from eproxyctl.ranking import STATISTICS, Floats, difference
from eproxyctl.ranking.statistics import pearson

REPEATS = 4
"""Ways of dividing the labels into folds, averaged over: with 20 labels one way tells little."""
UNDEFINED = -1.0
"""Fitness of settings that rank nothing: all scores equal, or none finite."""
RESAMPLES, LOWER = 200, 0.1
Statistic = Callable[[Floats, Floats], float]
Judge = Callable[[Floats, Floats], Floats]


def statistic(objective: str) -> Statistic:
    """What correlations are reported in: `quantile` is one of Spearman's ρ."""
    return STATISTICS["spearman" if objective == "quantile" else objective]


def fitness(objective: str) -> Judge:
    """What is made large: of [r, n] scores, a row a read-out, and [n] metric → [r]; or UNDEFINED."""
    compute: Statistic = lower_quantile if objective == "quantile" else STATISTICS[objective]

    def judge(scores: Floats, metric: Floats) -> Floats:
        if objective == "spearman":
            values = row_correlations(scores, np.broadcast_to(metric, scores.shape))
        else:
            values = np.array([compute(row, metric) for row in scores], dtype=np.float64)
        return np.where(np.isfinite(values), values, UNDEFINED)

    return judge


def row_correlations(x: Floats, y: Floats) -> Floats:
    """[r] Spearman's ρ of the rows of two [r, n] arrays; NaN where one side is constant."""
    from scipy import stats

    return pearson(stats.rankdata(x, axis=1), stats.rankdata(y, axis=1))


def lower_quantile(scores: Floats, metric: Floats) -> float:
    """The tenth percentile of Spearman's ρ over bootstrap resamples of the architectures; NaN where ρ is.

    Of two rankings with the same ρ, the one that hangs on a few architectures has the lower one. All rankings of the
    same number of architectures are resampled alike.
    """
    n = len(scores)
    if np.ptp(scores) == 0 or np.ptp(metric) == 0:
        return float("nan")
    drawn = np.random.default_rng(n).integers(n, size=(RESAMPLES, n))
    values = row_correlations(scores[drawn], metric[drawn])
    defined = values[np.isfinite(values)]
    return float(np.quantile(defined, LOWER)) if len(defined) else float("nan")


def best(scores: Floats, metric: Floats, judge: Judge) -> tuple[int, float]:
    """(place, fitness) of the read-out, a row of [r, n] scores, that ranks best; the first (simplest) of equals."""
    values = judge(scores, metric)
    place = int((values > values.max() - 1e-12).argmax())
    return place, float(values[place])


def validated(scores: Floats, metric: Floats, judge: Judge, folds: int, seed: int = 0) -> float:
    """Fitness of scores whose read-out was chosen without the architecture in question.

    Args:
        scores: [r, n], one row a read-out, higher is better.
        metric: [n], higher is better.
        judge: see `fitness`.
        folds: parts the architectures are divided into. The scores of each part are ranks, among all n, by the
            read-out that is best on the other parts.
        seed: of the division.
    """
    from scipy import stats

    if len(scores) == 1:
        return best(scores, metric, judge)[1]
    n, generator = len(metric), np.random.default_rng(seed)
    ranks = stats.rankdata(scores, axis=1)
    found = np.zeros((REPEATS, n))
    for repeat in found:
        for part in np.array_split(generator.permutation(n), min(folds, n)):
            rest = np.setdiff1d(np.arange(n), part)
            place, _ = best(scores[:, rest], metric[rest], judge)
            repeat[part] = ranks[place][part]
    return float(judge(found, metric).mean())


def standard_error(compute: Statistic, a: Floats, b: Floats, metric: Floats, seed: int = 0) -> float:
    """Of compute(a, metric) − compute(b, metric), by a paired bootstrap over architectures; 0 where there is none."""
    gap = difference(compute, a, b, metric, seed=seed)
    return 0.0 if gap.low is None or gap.high is None else (gap.high - gap.low) / (2 * 1.96)


def reachable(scores: Floats, metric: Floats) -> float:
    """The highest Spearman's ρ with the metric that scores can come to, whatever those of the other architectures are.

    Without ties of either side, the others are best ranked in the order of the metric, and what is left is where among
    the known ones each is put: the least sum of squared rank differences, by dynamic programming. Where scores tie,
    breaking ties in the order of the metric never lowers a positive ρ, so the bound holds.

    Args:
        scores: [k] of the first k architectures, higher is better.
        metric: [n] of all.

    Returns:
        1 where the metric has ties.
    """
    from scipy import stats

    n, k = len(metric), len(scores)
    if len(set(metric.tolist())) < n:
        return 1.0
    ranks = stats.rankdata(metric) - 1
    known = ranks[:k][np.lexsort((metric[:k], scores))].tolist()
    others = sorted(ranks[k:].tolist())
    least = [math.inf] * (n - k + 1)
    for i in range(k + 1):
        for j in range(n - k + 1):
            found = [0.0] if i == j == 0 else []
            if i:
                found.append(least[j] + (i + j - 1 - known[i - 1]) ** 2)
            if j:
                found.append(least[j - 1] + (i + j - 1 - others[j - 1]) ** 2)
            least[j] = min(found)
    return 1 - 6 * least[-1] / (n * (n * n - 1))

"""How well scores rank architectures: rank correlations, top-k overlap, and bootstrap intervals, all by scipy.

One failure policy, here: an architecture without a finite score (diverged or failed) ranks last, tied with the others
of its kind; it is counted, never dropped.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RESAMPLES = 1000
BATCH = 1 << 20
"""Values in memory at once while resampling."""
MIN_INTERVAL = 5
"""Below this many architectures an interval would mean nothing."""


@dataclass(frozen=True)
class Estimate:
    """A statistic and its 95 % percentile bootstrap interval over architectures.

    Attributes:
        value: NaN where it is undefined (constant scores, fewer than two rows).
        low, high: None without an interval.
        n: architectures it is computed on.
        undefined: resamples in which it was undefined, left out of the interval.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    undefined: int = 0


def ranked(scores: Sequence[float | None], *, higher_is_better: bool) -> Floats:
    """Scores turned so that higher is better; missing, NaN and infinite ones just below the worst.

    Returns:
        [n] float64, finite.
    """
    values = np.array([np.nan if s is None else s for s in scores], dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    values = values if higher_is_better else -values
    finite = values[np.isfinite(values)]
    worst = float(finite.min()) if finite.size else 0.0
    return np.where(np.isnan(values), np.nextafter(worst, -np.inf), values)


def spearman(x: Floats, y: Floats) -> float:
    """Spearman's ρ, ties by mean rank; NaN where one side is constant."""
    return float(_spearman(x, y))


def _spearman(x: Floats, y: Floats, axis: int = -1) -> Floats:
    """ρ along an axis, Pearson's correlation of ranks, for all resamples of a bootstrap at once."""
    from scipy import stats

    a, b = (np.moveaxis(stats.rankdata(side, axis=axis), axis, -1) for side in (x, y))
    a, b = (ranks - ranks.mean(axis=-1, keepdims=True) for ranks in (a, b))
    with np.errstate(invalid="ignore"):
        return np.asarray((a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1)), dtype=np.float64)


def kendall(x: Floats, y: Floats) -> float:
    """Kendall's τ-b."""
    from scipy import stats

    return _quiet(lambda: stats.kendalltau(x, y).statistic)


def weighted_tau(x: Floats, y: Floats) -> float:
    """Weighted τ (Vigna 2015): hyperbolic weights, the mean of weighing by either side's ranks."""
    from scipy import stats

    return _quiet(lambda: stats.weightedtau(x, y).statistic) if len(set(x)) > 1 and len(set(y)) > 1 else float("nan")


def top_overlap(x: Floats, y: Floats, share: float = 0.1) -> float:
    """Share of the truly best `share` of the architectures that are among the best by score.

    A tie at the edge is not decided by the order of rows: tied architectures count by their chance of being in.
    """
    k = max(1, round(len(x) * share))
    return float((_membership(x, k) * _membership(y, k)).sum() / k)


def _membership(values: Floats, k: int) -> Floats:
    edge = np.sort(values)[-k]
    above, tied = values > edge, values == edge
    return np.asarray(above + tied * ((k - above.sum()) / tied.sum()), dtype=np.float64)


STATISTICS: dict[str, Callable[[Floats, Floats], float]] = {
    "spearman": spearman,
    "kendall": kendall,
    "weighted tau": weighted_tau,
    "top 10%": top_overlap,
}


def estimate(
    statistic: Callable[[Floats, Floats], float], scores: Floats, metric: Floats, *, seed: int = 0
) -> Estimate:
    """A statistic with its interval: percentile bootstrap over architectures, 1,000 resamples.

    Args:
        statistic: of (scores, metric).
        scores, metric: [n], both higher is better, finite.
        seed: of the resampling.

    Weighted τ above 5,000 architectures takes 200 resamples: scipy needs milliseconds for each.
    """
    n = len(scores)
    value = statistic(scores, metric) if n >= 2 else float("nan")
    if n < MIN_INTERVAL or not np.isfinite(value):
        return Estimate(value, None, None, n)
    from scipy import stats

    resamples = 200 if statistic is weighted_tau and n > 5000 else RESAMPLES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = stats.bootstrap(
            (scores, metric),
            _spearman if statistic is spearman else statistic,
            paired=True,
            vectorized=statistic is spearman,
            n_resamples=resamples,
            batch=max(1, BATCH // n) if statistic is spearman else None,
            method="percentile",
            rng=np.random.default_rng(seed),
        )
    distribution = np.asarray(result.bootstrap_distribution)
    defined = distribution[np.isfinite(distribution)]
    if not defined.size:
        return Estimate(value, None, None, n, len(distribution))
    low, high = np.percentile(defined, [2.5, 97.5])
    return Estimate(value, float(low), float(high), n, int(len(distribution) - len(defined)))


def _quiet(compute: Callable[[], float]) -> float:
    """scipy warns about constant input and answers NaN; the NaN says enough."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(compute())

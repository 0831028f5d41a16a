"""How well scores rank architectures: rank correlations, top-k overlap, and bootstrap intervals, all by scipy.

One failure policy, here: an architecture without a finite score (diverged or failed) ranks last, tied with the others
of its kind; it is counted, never dropped.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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


TOP = 10
"""How many of the best by score a person would train: the k of the statistics below."""


def top_regret(x: Floats, y: Floats, k: int = TOP) -> float:
    """Best metric of all − best metric among the k best by score, in the metric's units; 0 is perfect.

    Architectures tied at the edge of the k are drawn at random: the value is the expectation over the draws.
    """
    return float(y.max() - _best_of_top(x, y, k))


def top_rank(x: Floats, y: Floats, k: int = TOP) -> float:
    """True rank (1 is best) of the truly best among the k best by score, expected over ties at the edge."""
    from scipy import stats

    return float(-_best_of_top(x, -stats.rankdata(-y, method="min"), k))


def _best_of_top(x: Floats, y: Floats, k: int) -> float:
    """E max y over the k largest x, those tied at the edge drawn without replacement."""
    k = min(k, len(x))
    edge = np.sort(x)[-k]
    above, tied = y[x > edge], np.sort(y[x == edge])[::-1]
    drawn = k - len(above)
    best, left, expected = (above.max() if len(above) else -np.inf), 1.0, 0.0
    for j, value in enumerate(tied):
        if value <= best or left <= 0:
            break
        chance = left * min(1.0, drawn / (len(tied) - j))  # the best of the tied not drawn so far is drawn
        expected += chance * value
        left -= chance
    return float(expected + left * best) if left > 1e-12 else float(expected)


def ndcg(x: Floats, y: Floats, k: int = TOP) -> float:
    """nDCG@k with the metric scaled to 0 … 1 as linear gain; ties by scikit-learn's average."""
    from sklearn.metrics import ndcg_score

    spread = y.max() - y.min()
    if len(x) < 2 or spread == 0:
        return float("nan")
    return float(ndcg_score([(y - y.min()) / spread], [x], k=k))


def partial_spearman(x: Floats, y: Floats, size: Floats) -> float:
    """Spearman's ρ of x and y given size: (ρxy − ρxs·ρys) / √((1 − ρxs²)(1 − ρys²)); NaN where size explains a side."""
    xy, xs, ys = spearman(x, y), spearman(x, size), spearman(y, size)
    rest = (1 - xs * xs) * (1 - ys * ys)
    return (xy - xs * ys) / rest**0.5 if rest > 1e-12 else float("nan")


PARTIAL = "spearman given params"
STATISTICS: dict[str, Callable[[Floats, Floats], float]] = {
    "spearman": spearman,
    "kendall": kendall,
    "weighted tau": weighted_tau,
    "top 10%": top_overlap,
    "regret@10": top_regret,
    "rank@10": top_rank,
    "ndcg@10": ndcg,
}
RESAMPLED_AT_ONCE: dict[Callable[..., Any], Callable[..., Any]] = {spearman: _spearman}


def estimate(
    statistic: Callable[..., float], scores: Floats, metric: Floats, *others: Floats, seed: int = 0
) -> Estimate:
    """A statistic with its interval: percentile bootstrap over architectures, 1,000 resamples.

    Args:
        statistic: of (scores, metric, *others).
        scores, metric, others: [n], higher is better, finite.
        seed: of the resampling.

    Above 5,000 architectures all but Spearman's ρ take 200 resamples: scipy needs milliseconds for each.
    """
    n = len(scores)
    value = statistic(scores, metric, *others) if n >= 2 else float("nan")
    if n < MIN_INTERVAL or not np.isfinite(value):
        return Estimate(value, None, None, n)
    at_once = RESAMPLED_AT_ONCE.get(statistic)
    return _interval(at_once or statistic, (scores, metric, *others), value, seed, vectorized=at_once is not None)


def difference(
    statistic: Callable[[Floats, Floats], float], a: Floats, b: Floats, metric: Floats, *, seed: int = 0
) -> Estimate:
    """statistic(a, metric) − statistic(b, metric), both on the same resampled architectures: a paired bootstrap.

    Args:
        statistic: of (scores, metric).
        a, b, metric: [n], higher is better, finite.
        seed: of the resampling.
    """
    n = len(a)
    at_once = RESAMPLED_AT_ONCE.get(statistic)

    def gap(x: Floats, y: Floats, truth: Floats, **axis: int) -> Any:
        compute = at_once or statistic
        return compute(x, truth, **axis) - compute(y, truth, **axis)

    value = float(gap(a, b, metric)) if n >= 2 else float("nan")
    if n < MIN_INTERVAL or not np.isfinite(value):
        return Estimate(value, None, None, n)
    return _interval(gap, (a, b, metric), value, seed, vectorized=at_once is not None)


def _interval(
    compute: Callable[..., Any], columns: tuple[Floats, ...], value: float, seed: int, *, vectorized: bool
) -> Estimate:
    from scipy import stats

    n = len(columns[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = stats.bootstrap(
            columns,
            compute,
            paired=True,
            vectorized=vectorized,
            n_resamples=RESAMPLES if vectorized or n <= 5000 else 200,
            batch=max(1, BATCH // n) if vectorized else None,
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

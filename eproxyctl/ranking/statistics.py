"""How well scores rank architectures: rank correlations and what the top k are worth, by scipy and scikit-learn.

One failure policy, here: an architecture without a finite score (diverged or failed) ranks last, tied with the others
of its kind; it is counted, never dropped.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def shared_ranks(best_first: Sequence[float | None]) -> list[int]:
    """[n] ranks of scores that are in order, 1 the first; equal ones share the rank of the first of them."""
    ranks: list[int] = []
    for place, score in enumerate(best_first):
        ranks.append(ranks[-1] if place and score == best_first[place - 1] else place + 1)
    return ranks


def ranked(scores: Sequence[float | None] | Floats, *, higher_is_better: bool) -> Floats:
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
    from scipy import stats

    return float(pearson(stats.rankdata(x), stats.rankdata(y)))


def pearson(a: Floats, b: Floats) -> Floats:
    """Pearson's correlation along the last axis; NaN where one side is constant."""
    a, b = (side - side.mean(axis=-1, keepdims=True) for side in (a, b))
    with np.errstate(invalid="ignore"):
        covariance = np.einsum("...i,...i", a, b)
        return np.asarray(covariance / np.sqrt(np.einsum("...i,...i", a, a) * np.einsum("...i,...i", b, b)))


def kendall(x: Floats, y: Floats) -> float:
    """Kendall's τ-b."""
    from scipy import stats

    return _quiet(lambda: stats.kendalltau(x, y).statistic)


def weighted_tau(x: Floats, y: Floats) -> float:
    """Weighted τ (Vigna 2015): hyperbolic weights, the mean of weighing by either side's ranks."""
    from scipy import stats

    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    value = _quiet(lambda: stats.weightedtau(x, y).statistic)
    gc.collect(0)  # scipy's leaves a cycle behind that holds arrays, 0.7 MB for 15,625 architectures
    return value


def top_overlap(x: Floats, y: Floats, share: float = 0.1) -> float:
    """Share of the truly best `share` of the architectures that are among the best by score.

    A tie at the edge is not decided by the order of rows: tied architectures count by their chance of being in.
    """
    k = max(1, round(len(x) * share))
    return float((_membership(x, k) * _membership(y, k)).sum() / k)


def _edge(values: Floats, k: int) -> float:
    """The k-th largest value."""
    return float(np.partition(values, -k)[-k])


def _membership(values: Floats, k: int) -> Floats:
    edge = _edge(values, k)
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
    edge = _edge(x, k)
    above, tied = y[x > edge], y[x == edge]
    best = above.max() if len(above) else -np.inf
    better = np.sort(tied[tied > best])[::-1]
    odds = np.minimum(1, (k - len(above)) / (len(tied) - np.arange(len(better))))  # the best not drawn so far is drawn
    left = np.append(1.0, np.cumprod(1 - odds))
    expected = float((left[:-1] * odds) @ better)
    return expected + float(left[-1] * best) if left[-1] > 1e-12 else expected


def ndcg(x: Floats, y: Floats, k: int = TOP) -> float:
    """nDCG@k with the metric scaled to 0 … 1 as linear gain; ties by scikit-learn's average.

    Only architectures that may be among the k best by score or by metric count, so scikit-learn sorts no others.
    """
    from sklearn.metrics import ndcg_score

    spread = y.max() - y.min()
    if len(x) < 2 or spread == 0:
        return float("nan")
    least = min(max(k, 2), len(x))  # scikit-learn refuses a single one
    seen = (x >= _edge(x, least)) | (y >= _edge(y, least))
    return float(ndcg_score([(y[seen] - y.min()) / spread], [x[seen]], k=k))


def partial_spearman(x: Floats, y: Floats, size: Floats) -> float:
    """Spearman's ρ of x and y given size: (ρxy − ρxs·ρys) / √((1 − ρxs²)(1 − ρys²)); NaN where size explains a side."""
    return float(partial(spearman(x, y), spearman(x, size), spearman(y, size)))


def partial(xy: Any, xs: Any, ys: Any) -> Floats:
    """The correlation of x and y given s from those of the pairs; NaN where s explains a side."""
    rest = np.asarray((1 - xs * xs) * (1 - ys * ys))
    with np.errstate(invalid="ignore"):
        return np.where(rest > 1e-12, (xy - xs * ys) / np.sqrt(np.maximum(rest, 1e-12)), np.nan)


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


def _quiet(compute: Callable[[], float]) -> float:
    """scipy warns about constant input and answers NaN; the NaN says enough."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(compute())

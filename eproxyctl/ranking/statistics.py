"""How well scores rank architectures: rank correlations and what the top k are worth.

One failure policy, here: an architecture without a finite score (diverged or failed) ranks last, tied with the others
of its kind; it is counted, never dropped. Each statistic is defined once, on many resamples at once (see `Paired`); on
the architectures themselves it is that of one resample that has each of them once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from eproxyctl.ranking import top
from eproxyctl.ranking.concordance import Concordance
from eproxyctl.ranking.order import Column, Counts, Drawn, Floats, Places, correlation, harmonic, running, summed

Statistic = Callable[..., float]


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


class Pairing:
    """Two columns of the same rows, and what of them does not depend on the resample."""

    def __init__(self, x: Column, y: Column) -> None:
        self.x, self.y = x, y

    @cached_property
    def concordance(self) -> Concordance:
        return Concordance(self.x, self.y)

    def descending(self, by: Column) -> Places:
        """Rows from the highest of one side to the lowest, ties by the other side."""
        return self._by_x if by is self.x else self._by_y

    @cached_property
    def _by_x(self) -> Places:
        return np.lexsort((self.y.group, self.x.group))

    @cached_property
    def _by_y(self) -> Places:
        return np.lexsort((self.x.group, self.y.group))


class Paired:
    """Two columns, and a third where a statistic takes one, on r resamples.

    Args:
        pairing: of the two.
        x, y: both on the same resamples.
        given: the third.
    """

    def __init__(self, pairing: Pairing, x: Drawn, y: Drawn, given: Drawn | None = None) -> None:
        self.pairing, self.x, self.y, self.given = pairing, x, y, given
        self.n = len(x.column)

    @classmethod
    def once(cls, *columns: Floats) -> Paired:
        """Each architecture once: r = 1."""
        x, y, *others = (Column(values) for values in columns)
        copies = np.ones((len(x), 1), dtype=np.float32)
        return cls(Pairing(x, y), Drawn(x, copies), Drawn(y, copies), *(Drawn(other, copies) for other in others))

    @cached_property
    def concordance(self) -> Counts:
        """[n, r] see `Concordance.sums`."""
        return self.pairing.concordance.sums(self.x.copies)


Vectorised = Callable[[Paired], Floats]


def _spearman(pair: Paired) -> Floats:
    return correlation(pair.x, pair.y)


def _partial(pair: Paired) -> Floats:
    assert pair.given is not None, "a partial correlation has a third column"
    xy, xs, ys = (correlation(*sides) for sides in ((pair.x, pair.y), (pair.x, pair.given), (pair.y, pair.given)))
    rest = (1 - xs * xs) * (1 - ys * ys)
    with np.errstate(invalid="ignore"):
        return np.where(rest > 1e-12, (xy - xs * ys) / np.sqrt(np.maximum(rest, 1e-12)), np.nan)


def _kendall(pair: Paired) -> Floats:
    untied = [(pair.n * pair.n - summed(side.counts, side.counts)) / 2 for side in (pair.x, pair.y)]
    with np.errstate(invalid="ignore", divide="ignore"):
        value = summed(pair.x.copies, pair.concordance) / 2 / np.sqrt(untied[0]) / np.sqrt(untied[1])
    return np.asarray(np.clip(value, -1, 1))


def _weighted_tau(pair: Paired) -> Floats:
    return (_weighted_by(pair, pair.x, pair.y) + _weighted_by(pair, pair.y, pair.x)) / 2


def _weighted_by(pair: Paired, first: Drawn, second: Drawn) -> Floats:
    """Weighted τ, a row at rank k from 0, by one side and then the other, weighing 1 / (k + 1).

    Copies of a row are at ranks one behind the other, so what they weigh is a difference of harmonic numbers.
    """
    rows = pair.pairing.descending(first.column)
    of_groups = first.harmonic
    weights = of_groups if first.column.untied else harmonic(running(first.copies.take(rows, axis=0)))
    alike = summed(weights, pair.concordance.take(rows, axis=0))
    untied = pair.n * of_groups.sum(axis=0) - summed(of_groups, first.counts)
    tied = second.counts.take(second.column.group[rows], axis=0)
    others = pair.n * weights.sum(axis=0) - summed(weights, tied)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.clip(alike / np.sqrt(untied) / np.sqrt(others), -1, 1)
    return np.where((first.squares > 0) & (second.squares > 0), value, np.nan)


TOP = 10
"""How many of the best by score a person would train: the k of the statistics below."""


def _overlap(pair: Paired) -> Floats:
    return top.overlap(pair.x, pair.y, _share(pair.n, 0.1))


def _share(n: int, share: float) -> int:
    return max(1, round(n * share))


def _regret(pair: Paired) -> Floats:
    return top.regret(pair.x, pair.y, TOP)


def _rank(pair: Paired) -> Floats:
    return top.rank(pair.x, pair.y, TOP)


def _ndcg(pair: Paired) -> Floats:
    return top.gain(pair.x, pair.y, TOP)


def spearman(x: Floats, y: Floats) -> float:
    """Spearman's ρ, ties by mean rank; NaN where one side is constant."""
    return float(_spearman(Paired.once(x, y))[0])


def pearson(a: Floats, b: Floats) -> Floats:
    """Pearson's correlation along the last axis; NaN where one side is constant."""
    a, b = (side - side.mean(axis=-1, keepdims=True) for side in (a, b))
    with np.errstate(invalid="ignore"):
        covariance = np.einsum("...i,...i", a, b)
        return np.asarray(covariance / np.sqrt(np.einsum("...i,...i", a, a) * np.einsum("...i,...i", b, b)))


def kendall(x: Floats, y: Floats) -> float:
    """Kendall's τ-b; NaN where one side is constant."""
    return float(_kendall(Paired.once(x, y))[0])


def weighted_tau(x: Floats, y: Floats) -> float:
    """Weighted τ (Vigna 2015): hyperbolic weights, the mean of weighing by either side's ranks; NaN as the others."""
    return float(_weighted_tau(Paired.once(x, y))[0])


def top_overlap(x: Floats, y: Floats, share: float = 0.1) -> float:
    """Share of the truly best `share` of the architectures that are among the best by score.

    A tie at the edge is not decided by the order of rows: tied architectures count by their chance of being in.
    """
    pair = Paired.once(x, y)
    return float(top.overlap(pair.x, pair.y, _share(pair.n, share))[0])


def top_regret(x: Floats, y: Floats, k: int = TOP) -> float:
    """Best metric of all − best metric among the k best by score, in the metric's units; 0 is perfect.

    Architectures tied at the edge of the k are drawn at random: the value is the expectation over the draws.
    """
    pair = Paired.once(x, y)
    return float(top.regret(pair.x, pair.y, k)[0])


def top_rank(x: Floats, y: Floats, k: int = TOP) -> float:
    """True rank (1 is best) of the truly best among the k best by score, expected over ties at the edge."""
    pair = Paired.once(x, y)
    return float(top.rank(pair.x, pair.y, k)[0])


def ndcg(x: Floats, y: Floats, k: int = TOP) -> float:
    """nDCG@k with the metric scaled to 0 … 1 as linear gain; tied architectures have their mean gain.

    The value is that of `sklearn.metrics.ndcg_score`; NaN where the metric is constant.
    """
    pair = Paired.once(x, y)
    return float(top.gain(pair.x, pair.y, k)[0])


def partial_spearman(x: Floats, y: Floats, size: Floats) -> float:
    """Spearman's ρ of x and y given size: (ρxy − ρxs·ρys) / √((1 − ρxs²)(1 − ρys²)); NaN where size explains a side."""
    return float(_partial(Paired.once(x, y, size))[0])


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
VECTORISED: dict[Any, Vectorised] = {
    spearman: _spearman,
    kendall: _kendall,
    weighted_tau: _weighted_tau,
    top_overlap: _overlap,
    top_regret: _regret,
    top_rank: _rank,
    ndcg: _ndcg,
    partial_spearman: _partial,
}
"""The statistics, on many resamples at once."""

"""What the best rows by score are worth, on many resamples at once; see `order`.

A tie at the edge of the k best is not decided by the order of rows: every value is the expectation over the ways of
drawing as many of the tied rows as there is room for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from eproxyctl.ranking.order import Drawn, Floats, Places, summed


def overlap(x: Drawn, y: Drawn, k: int) -> Floats:
    """[r] the share of the k best by y that are among the k best by x."""
    rows = _candidates(x, k)
    inside = _membership(x, rows, k) * _membership(y, rows, k)
    return np.asarray(summed(x.copies.take(rows, axis=0), inside) / k)


def _membership(side: Drawn, rows: Places, k: int) -> Floats:
    """[rows, r] the chance that a row is among the k best."""
    before, size = side.place(rows)
    return np.asarray(np.clip((k - before) / np.maximum(size, 1), 0, 1))


def regret(x: Drawn, y: Drawn, k: int) -> Floats:
    """[r] the highest y of all less the highest y among the k best by x."""

    def value(rows: Places) -> Floats:
        return y.column.values[rows][:, None]

    return y.highest - _best(x, y, k, value)


def rank(x: Drawn, y: Drawn, k: int) -> Floats:
    """[r] the rank by y, from 1, of the best by y among the k best by x."""

    def value(rows: Places) -> Floats:
        return -1 - y.place(rows)[0]

    return -_best(x, y, k, value)


def _best(x: Drawn, y: Drawn, k: int, value: Callable[[Places], Floats]) -> Floats:
    """[r] E max value over the k best by x.

    Args:
        value: of rows, [rows, r] or [rows, 1]; ordered as y is.
    """
    k = min(k, len(x.column))
    rows = _candidates(x, k)
    rows = rows[np.lexsort((y.column.group[rows], x.column.group[rows]))]
    values, copies = value(rows), x.copies[rows].astype(np.float64)
    start, size = x.place(rows)
    within = copies.cumsum(axis=0) - copies - start
    whole = np.where((copies > 0) & (start + size <= k), values, -np.inf).max(axis=0)
    room = k - start
    edge = (room > 0) & (room < size)
    chance = np.where(edge, _missed(size, within, room, k) - _missed(size, within + copies, room, k), 0)
    drawn = np.where(chance > 0, chance * np.maximum(values, whole), 0).sum(axis=0)
    return np.asarray(np.where(edge.any(axis=0), drawn, whole))


def _candidates(side: Drawn, k: int) -> Places:
    """The rows that are among the k best of at least one resample."""
    groups = side.reaching(k)
    starts = side.column.starts
    return side.column.order[: starts[groups] if groups < len(starts) else len(side.column)]


def _missed(size: Floats, first: Floats, room: Floats, k: int) -> Floats:
    """The chance that none of the `first` of `size` rows is among `room` < k drawn without replacement."""
    chance = np.ones_like(size)
    for drawn in range(k):
        left = np.clip(size - first - drawn, 0, None) / np.maximum(size - drawn, 1)
        chance = np.where(drawn < room, chance * left, chance)
    return chance


def gain(x: Drawn, y: Drawn, k: int) -> Floats:
    """[r] nDCG@k, y scaled to 0 … 1 being the linear gain; tied rows have the mean gain. NaN where y is constant."""
    rows = _candidates(x, k)
    spread = y.highest - y.lowest
    with np.errstate(invalid="ignore", divide="ignore"):
        gains = (y.column.values[rows][:, None] - y.lowest) / spread
        found = (x.copies[rows] * gains * _discount(x, k)[x.column.group[rows]]).sum(axis=0)
        groups = y.reaching(k)
        best = (y.column.levels[:groups, None] - y.lowest) / spread * y.counts[:groups] * _discount(y, k)[:groups]
        return np.asarray(found / best.sum(axis=0))


def _discount(side: Drawn, k: int) -> Floats:
    """[g, r] the mean discount of the rows of each group that holds one of the k best."""
    table = _discounts(k)
    groups = side.reaching(k)
    start, size = (part[:groups].astype(np.float64) for part in (side.before, side.counts))
    ends = table[np.minimum(start + size, k).astype(np.intp)] - table[np.minimum(start, k).astype(np.intp)]
    return np.asarray(ends / np.maximum(size, 1))


@lru_cache(maxsize=8)
def _discounts(k: int) -> Floats:
    """[k + 1] the summed discounts of the first 0 to k places, 1 / log₂(place + 1)."""
    return np.append(0.0, np.cumsum(1 / np.log2(np.arange(k) + 2)))

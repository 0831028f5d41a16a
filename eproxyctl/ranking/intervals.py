"""Percentile bootstrap intervals over architectures, of any number of statistics and columns on the same resamples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from eproxyctl.ranking.order import Column, Counts, Drawn, Floats
from eproxyctl.ranking.statistics import (
    PARTIAL,
    STATISTICS,
    VECTORISED,
    Paired,
    Pairing,
    Statistic,
    Vectorised,
    kendall,
    partial_spearman,
    weighted_tau,
)

RESAMPLES = 1000
MANY = 50_000
FEWER: dict[Statistic, int] = {kendall: 200, weighted_tau: 200}
"""Resamples of the dear statistics above MANY architectures."""
BATCH = 1 << 19
"""Values of a column in memory at once while resampling."""
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
        resamples: drawn for the interval; 0 without one.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    undefined: int = 0
    resamples: int = 0


@dataclass(frozen=True)
class Sampled:
    """A statistic of n architectures, and of each resample of them; those of equal n and seed are the same resamples.

    Attributes:
        values: [r]; empty where there is no interval.
    """

    value: float
    values: Floats
    n: int

    def minus(self, other: Sampled) -> Sampled:
        """The difference, resample by resample: a paired bootstrap."""
        return Sampled(self.value - other.value, self.values - other.values, self.n)

    @property
    def estimate(self) -> Estimate:
        """The value and its interval."""
        if not len(self.values) or not np.isfinite(self.value):
            return Estimate(self.value, None, None, self.n)
        defined, count = self.values[np.isfinite(self.values)], len(self.values)
        if not defined.size:
            return Estimate(self.value, None, None, self.n, count, count)
        low, high = np.percentile(defined, [2.5, 97.5])
        return Estimate(self.value, float(low), float(high), self.n, count - len(defined), count)


def resamples(statistic: Statistic, n: int) -> int:
    """How many are drawn for a statistic of n architectures: 1,000, fewer for the dear ones where n is large."""
    if n < MIN_INTERVAL:
        return 0
    return min(FEWER.get(statistic, RESAMPLES), RESAMPLES) if n > MANY else RESAMPLES


def estimate(statistic: Statistic, scores: Floats, metric: Floats, *others: Floats, seed: int = 0) -> Estimate:
    """A statistic with its interval: percentile bootstrap over architectures.

    Args:
        statistic: of (scores, metric, *others); at most one of those.
        scores, metric, others: [n], higher is better, finite.
        seed: of the resampling.
    """
    found = _sampled({"": _Job.of(statistic, len(metric), 2 + len(others))}, {"": scores}, (metric, *others), seed)
    return found["", ""].estimate


def difference(statistic: Statistic, a: Floats, b: Floats, metric: Floats, *, seed: int = 0) -> Estimate:
    """statistic(a, metric) − statistic(b, metric), both on the same resampled architectures: a paired bootstrap.

    Args:
        statistic: of (scores, metric).
        a, b, metric: [n], higher is better, finite.
        seed: of the resampling.
    """
    found = sampled({"a": a, "b": b}, metric, statistics={"": statistic}, seed=seed)
    return found["a", ""].minus(found["b", ""]).estimate


def estimates(
    columns: Mapping[str, Floats],
    metric: Floats,
    *,
    statistics: Mapping[str, Statistic] = STATISTICS,
    given: Floats | None = None,
    seed: int = 0,
) -> dict[tuple[str, str], Estimate]:
    """Every statistic of every column, by their names: the values of `estimate`, on resamples ranked once for all.

    Args:
        columns: by name, [n] each, higher is better, finite.
        metric: [n], higher is better, finite.
        statistics: by name, of (scores, metric).
        given: [n]; where it is there, PARTIAL is one more statistic of every column.
        seed: of the resampling.
    """
    jobs = {name: _Job.of(statistic, len(metric), 2) for name, statistic in statistics.items()}
    if given is not None:
        jobs[PARTIAL] = _Job.of(partial_spearman, len(metric), 3)
    sides = (metric,) if given is None else (metric, given)
    return {name: one.estimate for name, one in _sampled(jobs, columns, sides, seed).items()}


def sampled(
    columns: Mapping[str, Floats], metric: Floats, *, statistics: Mapping[str, Statistic] = STATISTICS, seed: int = 0
) -> dict[tuple[str, str], Sampled]:
    """As `estimates`, resample by resample, for differences between columns."""
    jobs = {name: _Job.of(statistic, len(metric), 2) for name, statistic in statistics.items()}
    return _sampled(jobs, columns, (metric,), seed)


@dataclass(frozen=True)
class _Job:
    """A statistic on many resamples at once, and on how many."""

    compute: Vectorised
    resamples: int

    @classmethod
    def of(cls, statistic: Statistic, n: int, takes: int) -> _Job:
        """One that is not of this package is computed resample by resample, of the first `takes` columns."""

        def one_by_one(pair: Paired) -> Floats:
            sides = [side.column.values for side in (pair.x, pair.y, pair.given) if side is not None][:takes]
            rows = np.arange(pair.n)
            drawn = (np.repeat(rows, copies) for copies in pair.x.copies.astype(np.intp).T)
            return np.array([statistic(*(side[each] for side in sides)) for each in drawn])

        return cls(VECTORISED.get(statistic, one_by_one), resamples(statistic, n))


def _sampled(
    jobs: Mapping[str, _Job], columns: Mapping[str, Floats], sides: tuple[Floats, ...], seed: int
) -> dict[tuple[str, str], Sampled]:
    """Every statistic of (column, *sides)."""
    n = len(sides[0])
    names = [(column, statistic) for column in columns for statistic in jobs]
    if n < 2:
        return {name: Sampled(float("nan"), np.empty(0), n) for name in names}
    others = [Column(side) for side in sides]
    pairings = {name: Pairing(Column(values), others[0]) for name, values in columns.items()}
    parts: dict[tuple[str, str], list[Floats]] = {name: [] for name in names}
    drawn = -1  # the first batch is no resample
    with threadpool_limits(1):  # threads of BLAS that wait for a busy core take a hundred times as long
        for copies in _batches(n, max((job.resamples for job in jobs.values()), default=0), seed):
            shared = [Drawn(other, copies) for other in others]
            for column, pairing in pairings.items():
                pair = Paired(pairing, Drawn(pairing.x, copies), *shared)
                for statistic, job in jobs.items():
                    if drawn < job.resamples:
                        parts[column, statistic].append(job.compute(pair)[: job.resamples - drawn])
            drawn += copies.shape[1]
    found = {name: np.concatenate(part) for name, part in parts.items()}
    return {name: Sampled(float(values[0]), values[1:], n) for name, values in found.items()}


def _batches(n: int, count: int, seed: int) -> Iterator[Counts]:
    """[n, r] how often each resample has each architecture: first each once, r = 1; then `count` resamples in batches.

    Rows are drawn with replacement, in the order in which `scipy.stats.bootstrap` draws them.
    """
    yield np.ones((n, 1), dtype=np.float32)
    generator = np.random.default_rng(seed)
    while count > 0:
        batch = min(count, max(1, BATCH // n))
        rows = generator.integers(0, n, (batch, n))
        rows *= batch
        rows += np.arange(batch)[:, None]
        yield np.bincount(rows.ravel(), minlength=n * batch).astype(np.float32).reshape(n, batch)
        count -= batch

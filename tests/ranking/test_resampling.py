"""Every statistic on every resample, beside scipy, scikit-learn and plain definitions, on columns with ties."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import ndcg_score

from eproxyctl.ranking import PARTIAL, STATISTICS, Floats, estimate, estimates, partial_spearman, sampled, spearman
from eproxyctl.ranking.order import running

SIZES = (5, 40, 129, 300)
"""Rows: up to one block, and in several blocks."""


def column(kind: str, n: int, seed: int) -> Floats:
    """A column: all different, few different, two values, or two fifths tied last, as failed rows are."""
    generator = np.random.default_rng([seed, n])
    values = generator.normal(size=n)
    match kind:
        case "few":
            return generator.integers(0, 6, n).astype(float)
        case "two":
            return (np.arange(n) % 2).astype(float)
        case "failed":
            return np.where(generator.permutation(n) < 0.4 * n, -9.0, values)
    return values


KINDS = ("different", "few", "two", "failed")


def _rank_in(x: Floats, y: Floats) -> float:
    return _regret(x, -stats.rankdata(-y, method="min"), best=0.0)


def _regret(x: Floats, y: Floats, best: float | None = None, k: int = 10) -> float:
    """What the rows tied at the edge of the k best are worth, the best of them first: each is drawn or is not."""
    k = min(k, len(x))
    edge = np.sort(x)[-k]
    above, tied = y[x > edge], np.sort(y[x == edge])[::-1]
    room = k - len(above)
    top = above.max() if len(above) else -np.inf
    total, left = 0.0, 1.0
    for i, value in enumerate(tied):
        chance = left * min(1.0, room / (len(tied) - i))
        total += chance * max(value, top)
        left -= chance
    return (y.max() if best is None else best) - total


def _overlap(x: Floats, y: Floats) -> float:
    k = max(1, round(len(x) * 0.1))
    inside = []
    for side in (x, y):
        edge = np.sort(side)[-k]
        inside.append((side > edge) + (side == edge) * (k - (side > edge).sum()) / (side == edge).sum())
    return float((inside[0] * inside[1]).sum() / k)


def _ndcg(x: Floats, y: Floats) -> float:
    return float(ndcg_score([(y - y.min()) / np.ptp(y)], [x], k=10)) if np.ptp(y) else np.nan


def _weighted(x: Floats, y: Floats) -> float:
    return float(stats.weightedtau(x, y).statistic) if np.ptp(x) and np.ptp(y) else np.nan


ORACLES: dict[str, Callable[[Floats, Floats], float]] = {
    "spearman": lambda x, y: float(stats.spearmanr(x, y).statistic),
    "kendall": lambda x, y: float(stats.kendalltau(x, y).statistic),
    "weighted tau": _weighted,
    "top 10%": _overlap,
    "regret@10": _regret,
    "rank@10": _rank_in,
    "ndcg@10": _ndcg,
}


@pytest.mark.filterwarnings("ignore::scipy.stats.ConstantInputWarning")
@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("n", SIZES)
def test_the_value_is_that_of_the_libraries(name: str, n: int) -> None:
    for kinds in itertools.product(KINDS, repeat=2):
        x, y = (column(kind, n, seed) for seed, kind in enumerate(kinds))
        assert STATISTICS[name](x, y) == pytest.approx(ORACLES[name](x, y), abs=1e-12, rel=1e-12, nan_ok=True), kinds


@pytest.mark.filterwarnings("ignore::scipy.stats.ConstantInputWarning")
@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize(("n", "count"), [(12, 40), (300, 12)])
def test_each_resample_has_the_value_of_the_libraries(
    name: str, n: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eproxyctl.ranking.intervals.RESAMPLES", count)
    monkeypatch.setattr("eproxyctl.ranking.intervals.BATCH", 7 * n)
    for kinds in (("different", "failed"), ("few", "different"), ("failed", "few"), ("two", "few")):
        x, y = (column(kind, n, seed) for seed, kind in enumerate(kinds))
        found = sampled({"x": x}, y, statistics={name: STATISTICS[name]}, seed=4)["x", name]
        drawn = np.random.default_rng(4).integers(0, n, (count, n))
        expected = [ORACLES[name](x[rows], y[rows]) for rows in drawn]
        assert found.values == pytest.approx(expected, abs=1e-12, rel=1e-12, nan_ok=True), kinds


def test_all_columns_at_once_are_each_alone() -> None:
    metric, size = column("different", 150, 0), column("few", 150, 1)
    columns = {kind: column(kind, 150, 2) for kind in KINDS}
    together = estimates(columns, metric, given=size, seed=5)
    assert together == {
        (name, statistic): estimate(compute, values, metric, seed=5)
        for name, values in columns.items()
        for statistic, compute in STATISTICS.items()
    } | {(name, PARTIAL): estimate(partial_spearman, values, metric, size, seed=5) for name, values in columns.items()}
    assert together == estimates(columns, metric, given=size, seed=5)
    assert together["different", "spearman"] != estimates(columns, metric, seed=6)["different", "spearman"]


def test_a_statistic_of_ones_own_is_resampled_like_the_others() -> None:
    x, metric = column("few", 30, 0), column("different", 30, 1)

    def covariance(x: Floats, y: Floats) -> float:
        return float(np.cov(x, y)[0, 1])

    found = estimates({"x": x}, metric, statistics={"covariance": covariance, "rho": spearman}, given=x, seed=3)
    drawn = np.random.default_rng(3).integers(0, 30, (1000, 30))
    low, high = np.percentile([covariance(x[rows], metric[rows]) for rows in drawn], [2.5, 97.5])
    one = found["x", "covariance"]
    assert (one.value, one.low, one.high) == pytest.approx((covariance(x, metric), low, high))
    assert found["x", "rho"] == estimate(spearman, x, metric, seed=3)


def test_differences_are_taken_resample_by_resample() -> None:
    metric, a, b = (column(kind, 60, i) for i, kind in enumerate(("different", "few", "failed")))
    both = sampled({"a": a, "b": b}, metric, statistics={"rho": spearman})
    gap = both["a", "rho"].minus(both["b", "rho"])
    assert gap.value == spearman(a, metric) - spearman(b, metric)
    assert np.array_equal(gap.values, both["a", "rho"].values - both["b", "rho"].values)
    assert gap.estimate.low is not None


def test_running_sums_are_exact() -> None:
    generator = np.random.default_rng(0)
    for n in (1, 2, 3, 5, 16, 17, 1000):
        counts = generator.integers(0, 9, (n, 3)).astype(np.float32)
        assert np.array_equal(running(counts), counts.cumsum(axis=0))


def test_statistics_need_neither_scipy_nor_scikit_learn() -> None:
    program = (
        "import sys, numpy as np; from eproxyctl.ranking import estimates; x = np.arange(200.0) % 31;"
        "found = estimates({'x': x}, np.sin(x), given=x[::-1].copy());"
        "assert len(found) == 8; print([name for name in ('scipy', 'sklearn', 'torch') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"

"""Statistics against scipy, hand-worked values and hostile input."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import ndcg_score

from eproxyctl.ranking import (
    PARTIAL,
    STATISTICS,
    difference,
    estimate,
    kendall,
    ndcg,
    partial_spearman,
    ranked,
    spearman,
    top_overlap,
    top_rank,
    top_regret,
    weighted_tau,
)
from eproxyctl.ranking.intervals import resamples

scores = st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=30)


def test_missing_and_infinite_scores_rank_last_and_tie() -> None:
    values = ranked([3.0, None, 1.0, math.nan, math.inf, 2.0], higher_is_better=True)
    assert np.isfinite(values).all()
    assert values[1] == values[3] == values[4] < values[2] < values[5] < values[0]


def test_lower_is_better_is_turned_round() -> None:
    values = ranked([0.1, 0.3, None], higher_is_better=False)
    assert values[0] > values[1] > values[2]


def test_hand_worked_values() -> None:
    x, y = np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4])
    assert spearman(x, y) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert kendall(x, y) == pytest.approx((5 - 1) / 6)
    assert top_overlap(x, y, 0.5) == 0.5


def test_a_tie_at_the_edge_counts_by_chance() -> None:
    assert top_overlap(np.array([1.0, 1, 1, 1]), np.array([1.0, 2, 3, 4]), 0.5) == pytest.approx(0.5)


@given(scores, st.randoms(use_true_random=False))
def test_they_are_scipys(x: list[float], random: object) -> None:
    a, b = np.array(x), np.array(sorted(x, key=lambda _: random.random()))  # type: ignore[attr-defined]
    if len(set(x)) > 1:
        assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, nan_ok=True)
        assert kendall(a, b) == pytest.approx(stats.kendalltau(a, b).statistic, nan_ok=True)
        assert weighted_tau(a, b) == pytest.approx(stats.weightedtau(a, b).statistic, nan_ok=True)


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("rows", [0, 1, 2, 4])
def test_few_rows_have_no_interval(name: str, rows: int) -> None:
    values = np.arange(rows, dtype=float)
    found = estimate(STATISTICS[name], values, values)
    assert (found.low, found.high, found.n) == (None, None, rows)
    assert math.isnan(found.value) == (rows < 2)


@pytest.mark.parametrize("name", ["spearman", "kendall", "weighted tau"])
def test_constant_scores_are_undefined_and_warn_of_nothing(name: str) -> None:
    found = estimate(STATISTICS[name], np.zeros(20), np.arange(20.0))
    assert math.isnan(found.value)
    assert found.low is None


def test_a_perfect_ranking_has_an_interval() -> None:
    found = estimate(spearman, np.arange(20.0), np.arange(20.0))
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))


def test_undefined_resamples_are_counted() -> None:
    scores = np.zeros(6)
    scores[0] = 1
    found = estimate(spearman, scores, np.arange(6.0))
    assert found.undefined > 0
    assert found.low is not None


def test_the_interval_is_repeatable_and_holds_the_value() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=50)
    y = x + generator.normal(size=50)
    first, second = estimate(spearman, x, y, seed=3), estimate(spearman, x, y, seed=3)
    assert first == second
    assert first.low is not None
    assert first.high is not None
    assert first.low < first.value < first.high


def test_top_k_by_hand() -> None:
    scores, metric = np.array([5.0, 4, 3, 2, 1]), np.array([70.0, 90, 80, 95, 60])
    assert top_regret(scores, metric, 2) == pytest.approx(5)
    assert top_rank(scores, metric, 2) == 2
    assert (top_regret(scores, metric, 4), top_rank(scores, metric, 4)) == (0, 1)
    gains = [1 / 3.5, 3 / 3.5]
    best = [1, 3 / 3.5]
    discounts = [1, 1 / math.log2(3)]
    assert ndcg(scores, metric, 2) == pytest.approx(np.dot(gains, discounts) / np.dot(best, discounts))


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), min_size=1, max_size=6),
    st.integers(1, 6),
)
def test_ties_at_the_edge_are_expectations_over_every_draw(rows: list[tuple[int, int]], k: int) -> None:
    scores, metric = (np.array(side, dtype=float) for side in zip(*rows, strict=True))
    found = []
    for order in itertools.permutations(range(len(rows))):
        top = sorted(order, key=lambda i: -scores[i])[:k]
        found.append(metric.max() - max(metric[i] for i in top))
    assert top_regret(scores, metric, k) == pytest.approx(np.mean(found))


def test_partial_correlation_is_that_of_the_residuals_of_ranks() -> None:
    generator = np.random.default_rng(1)
    size = generator.normal(size=60)
    x, y = size + generator.normal(size=60), size + generator.normal(size=60)
    a, b, s = (stats.rankdata(v) for v in (x, y, size))
    residual_a, residual_b = (v - np.polyval(np.polyfit(s, v, 1), s) for v in (a, b))
    assert partial_spearman(x, y, size) == pytest.approx(stats.pearsonr(residual_a, residual_b).statistic)
    assert math.isnan(partial_spearman(size, y, size))


def test_a_difference_is_resampled_in_pairs() -> None:
    generator = np.random.default_rng(2)
    metric = generator.normal(size=80)
    good, bad = metric + 0.3 * generator.normal(size=80), metric + 3 * generator.normal(size=80)
    found = difference(spearman, good, bad, metric)
    assert found.value == pytest.approx(spearman(good, metric) - spearman(bad, metric))
    assert found.low is not None
    assert 0 < found.low < found.value
    same = difference(spearman, good, good, metric)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert difference(kendall, good, bad, metric).value > 0
    assert difference(spearman, good[:3], bad[:3], metric[:3]).low is None
    assert math.isnan(difference(spearman, np.zeros(9), good[:9], metric[:9]).value)


@pytest.mark.parametrize("name", STATISTICS)
def test_hostile_columns(name: str) -> None:
    metric = ranked([0.0, 0.0, 90.0, 91.0, 92.0, 93.0], higher_is_better=True)
    for scores in ([math.nan] * 6, [None, math.inf, -math.inf, 1.0, 2.0, 2.0], [1.0] * 6):
        found = estimate(STATISTICS[name], ranked(scores, higher_is_better=True), metric)
        assert found.n == 6
        assert math.isnan(found.value) or found.low is None or found.low <= found.high  # type: ignore[operator]


@pytest.mark.parametrize("name", [*STATISTICS, PARTIAL])
def test_an_interval_is_that_of_scipys_bootstrap_of_the_statistic(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the resamples are computed: on columns with ties, one resample after the other by the definition."""
    monkeypatch.setattr("eproxyctl.ranking.intervals.RESAMPLES", 60)
    generator = np.random.default_rng(5)
    x, size = generator.integers(0, 12, 40).astype(float), generator.integers(0, 9, 40).astype(float)
    y = x + generator.integers(0, 20, 40)
    statistic = STATISTICS.get(name, partial_spearman)
    columns = (x, y, size) if name == PARTIAL else (x, y)
    rng = np.random.default_rng(3)
    one_by_one = stats.bootstrap(
        columns, statistic, paired=True, vectorized=False, n_resamples=60, method="percentile", rng=rng
    )
    values = one_by_one.bootstrap_distribution
    low, high = np.percentile(values[np.isfinite(values)], [2.5, 97.5])
    found = estimate(statistic, *columns, seed=3)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.undefined == np.sum(~np.isfinite(values))
    assert found.resamples == 60


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=2, max_size=40), st.integers(1, 10))
def test_ndcg_is_scikit_learns_on_all_architectures(rows: list[tuple[int, int]], k: int) -> None:
    x, y = (np.array(side, dtype=float) for side in zip(*rows, strict=True))
    spread = np.ptp(y)
    expected = ndcg_score([(y - y.min()) / spread], [x], k=k) if spread else math.nan
    assert ndcg(x, y, k) == pytest.approx(expected, nan_ok=True)


def test_only_very_many_architectures_are_resampled_less_and_by_the_dear_statistics() -> None:
    assert {resamples(compute, 15_625) for compute in STATISTICS.values()} == {1000}
    assert {name: resamples(compute, 50_001) for name, compute in STATISTICS.items()} == {
        **dict.fromkeys(STATISTICS, 1000),
        "kendall": 200,
        "weighted tau": 200,
    }


def test_weighted_tau_leaves_no_arrays_behind() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(2, 1000))
    weighted_tau(x, y)
    tracemalloc.start()
    try:
        for _ in range(3):
            weighted_tau(x, y)
        assert tracemalloc.get_traced_memory()[0] < x.nbytes
    finally:
        tracemalloc.stop()

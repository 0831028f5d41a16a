"""Statistics against scipy, hand-worked values and hostile input."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from eproxyctl.ranking import STATISTICS, estimate, kendall, ranked, spearman, top_overlap, weighted_tau

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

"""What DPS makes large: defined everywhere, and honest about read-outs that were chosen."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eproxyctl.dps.objectives import (
    UNDEFINED,
    best,
    fitness,
    lower_quantile,
    reachable,
    standard_error,
    validated,
)
from eproxyctl.ranking import spearman

N = 20
METRIC = np.arange(N, dtype=np.float64)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=N)


@pytest.mark.parametrize("objective", ["spearman", "kendall", "quantile"])
def test_perfect_and_undefined_rankings(objective: str) -> None:
    judge = fitness(objective)
    assert judge(np.exp(METRIC)[None], METRIC) == pytest.approx([1])
    assert judge(np.ones((1, N)), METRIC) == [UNDEFINED]


@given(seed=st.integers(0, 1000), weight=st.floats(0, 3))
@settings(max_examples=25, deadline=None)
def test_the_lower_quantile_is_below_rho_and_the_same_each_time(seed: int, weight: float) -> None:
    scores = weight * METRIC / N + noise(seed)
    assert -1 <= lower_quantile(scores, METRIC) <= max(spearman(scores, METRIC), 0) + 1e-9
    assert lower_quantile(scores, METRIC) == lower_quantile(np.exp(scores), METRIC)


def test_the_quantile_prefers_what_does_not_hang_on_a_few() -> None:
    broad, few = METRIC + 6 * noise(1), noise(2)
    few[-5:] += 40 * np.arange(1, 6)
    few[:5] -= 40 * np.arange(5, 0, -1)
    gap = spearman(few, METRIC) - spearman(broad, METRIC)
    assert (lower_quantile(few, METRIC) - lower_quantile(broad, METRIC)) < gap


def test_the_first_of_equal_read_outs_is_taken() -> None:
    assert best(np.stack([METRIC, 2 * METRIC, -METRIC]), METRIC, fitness("spearman")) == (0, pytest.approx(1))
    assert best(np.stack([-METRIC, METRIC]), METRIC, fitness("spearman"))[0] == 1


def test_read_outs_of_noise_look_good_until_they_are_validated() -> None:
    judge = fitness("spearman")
    chosen, honest = [], []
    for seed in range(12):
        columns = np.stack([noise(1000 * seed + i) for i in range(40)])
        chosen.append(best(columns, METRIC, judge)[1])
        honest.append(validated(columns, METRIC, judge, 5, seed))
    assert np.mean(chosen) > 0.4
    assert abs(np.mean(honest)) < 0.2


def test_with_one_read_out_there_is_nothing_to_validate() -> None:
    scores = METRIC + noise(0)
    assert validated(scores[None], METRIC, fitness("spearman"), 5) == pytest.approx(spearman(scores, METRIC))


def test_the_standard_error_of_a_difference_is_that_of_a_pair() -> None:
    scores = METRIC + 6 * noise(3)
    assert standard_error(spearman, scores, scores, METRIC) == 0
    assert 0.02 < standard_error(spearman, scores, noise(4), METRIC) < 0.6


@given(order=st.permutations(range(5)), known=st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_what_is_reachable_is_the_best_of_all_completions(order: list[int], known: int) -> None:
    metric = np.array(order, dtype=np.float64)
    orders = map(np.array, itertools.permutations(range(5)))
    completions = [ranks for ranks in orders if (np.diff(ranks[:known]) > 0).all()]
    found = max(spearman(ranks.astype(np.float64), metric) for ranks in completions)
    assert reachable(np.arange(known, dtype=np.float64), metric) == pytest.approx(found)


@given(scores=st.lists(st.integers(0, 3), min_size=6, max_size=6), order=st.permutations(range(6)))
@settings(max_examples=40, deadline=None)
def test_ties_of_scores_are_within_reach(scores: list[int], order: list[int]) -> None:
    metric, values = np.array(order, dtype=np.float64), np.array(scores, dtype=np.float64)
    for k in range(1, 7):
        reach = reachable(values[:k], metric)
        assert reach >= np.nan_to_num(spearman(values, metric)) - 1e-12 or spearman(values, metric) < 0


def test_with_ties_of_the_metric_everything_is_reachable() -> None:
    assert reachable(np.array([3.0, 2, 1]), np.array([1.0, 1, 2, 3])) == 1
    assert reachable(np.array([3.0, 2, 1]), np.array([1.0, 2, 3, 4])) < 1

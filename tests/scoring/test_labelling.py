"""The choice of architectures to label."""

from __future__ import annotations

import itertools

import pytest

from eproxyctl.errors import UsageError
from eproxyctl.scoring.labelling import pick_spread
from eproxyctl.spaces.nasbench201 import NasBench201Space

SPACE = NasBench201Space(NasBench201Space.Options())
KEYS = list(itertools.islice(SPACE.sample(0), 300))


class Bare(NasBench201Space):
    """A space without traits."""

    def traits(self, key: str) -> dict[str, float]:
        return {}


def test_a_spread_choice_differs_in_function_and_covers_the_extremes() -> None:
    chosen = pick_spread(SPACE, KEYS, 12, seed=3)
    assert len({SPACE.canonical(key) for key in chosen}) == 12
    assert set(chosen) <= set(KEYS)
    assert pick_spread(SPACE, KEYS, 5, seed=3) == chosen[:5]
    depths = [SPACE.traits(key)["paths.longest"] for key in KEYS]
    assert {min(depths), max(depths)} <= {SPACE.traits(key)["paths.longest"] for key in chosen}


def test_of_equal_ones_the_first_is_taken_and_there_may_be_fewer() -> None:
    assert pick_spread(SPACE, KEYS[:1] * 3, 2, seed=0) == KEYS[:1]
    assert pick_spread(SPACE, [], 2, seed=0) == []


def test_a_space_without_traits_is_refused() -> None:
    with pytest.raises(UsageError, match="has no traits"):
        pick_spread(Bare(Bare.Options()), KEYS, 3, seed=0)

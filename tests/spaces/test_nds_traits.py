"""Traits of NDS cells, worked by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_nds_cells import FAMILIES, draw, key, space


def test_traits_are_read_from_the_live_ways() -> None:
    chain = key("s30no0.s32no0.id3no0.no0no1_2345", "m30no1.no0no1.no0no1.no0no1_2345", size="8x6")
    traits = space().traits(chain)
    assert (traits["width"], traits["depth"]) == (8, 6)
    assert (traits["channels"], traits["normal.outputs"], traits["normal.kernel"]) == (8 * 4, 4, 3)
    # of four output nodes one is zero, one is a convolution of the input and two are a convolution of that
    assert traits["count.normal_sep_conv_3x3"] == traits["normal.parametric"] == 2
    assert "count.normal_none" not in traits
    assert (traits["normal.shortest"], traits["normal.longest"], traits["normal.from_last"]) == (1, 2, 0)
    assert traits["normal.mean"] == traits["normal.walk"] == pytest.approx((1 + 2 + 2) / 3)
    assert (traits["reduce.parametric"], traits["reduce.poolings"], traits["reduce.pooling"]) == (0, 1, 1)
    # every second cell is used: 1, 3 and 5; 0, 2 and 4 (a reduction) are dead to the last
    assert (traits["paths.shortest"], traits["paths.longest"], traits["paths.pooling"]) == (3, 6, 0)
    assert traits["paths.mean"] == traits["paths.walk"] == pytest.approx(3 * 5 / 3)
    assert traits["paths.log_number"] == pytest.approx(math.log(3**3 + 1))


def test_a_walk_shares_at_each_sum_and_a_mean_does_not() -> None:
    # node 2: a convolution and the last cell as it is; node 3 pools node 2 and adds the cell before
    cell = "s30id1.m32id0_3"
    traits = space("ENAS").traits(f"8x4-{_five(cell)}-{_five(cell)}")
    assert traits["normal.mean"] == pytest.approx(1 / 3)
    assert traits["normal.walk"] == pytest.approx(1 / 4)
    assert traits["normal.from_last"] == pytest.approx(1 / 4)
    assert traits["normal.pooling"] == pytest.approx(1 / 2)


def _five(cell: str) -> str:
    """A cell of two nodes as one of five, the other three dead."""
    nodes, concat = cell.split("_")
    return f"{nodes}.id0id0.id0id0.id0id0_{concat}"


@given(st.sampled_from(FAMILIES), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_traits_have_the_same_names_and_are_finite(family: str, seed: int) -> None:
    spaces = space(family)
    traits = spaces.traits(draw(spaces, seed))
    assert set(traits) == set(spaces.traits(spaces.largest()))
    assert all(abs(value) < 1e9 for value in traits.values())
    assert traits["paths.shortest"] <= traits["paths.mean"] <= traits["paths.longest"]
    assert traits["paths.shortest"] - 1e-9 <= traits["paths.walk"] <= traits["paths.longest"] + 1e-9

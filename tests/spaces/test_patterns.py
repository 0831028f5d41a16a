"""How operations are arranged: lengths over sets of them, by hand; the order of the parts changes no bit."""

from __future__ import annotations

import random

import pytest

from eproxyctl.spaces.patterns import INPUT, Arrangement

OPERATIONS = ("conv", "pool")
DIAMOND = Arrangement([("conv", 0), ("pool", 0), ("conv", 1), ("conv", 2)], [(0,), (1,), (0, 2, 3)])
"""The output is y + conv(y) + conv(z), of y = conv(x) and z = pool(x)."""


def test_lengths_and_ends() -> None:
    traits = DIAMOND.traits(OPERATIONS)
    assert len(traits) == 5 * 3
    assert [traits[f"{each}.conv"] for each in ("least", "most", "walk")] == [1, 2, pytest.approx(4 / 3)]
    assert [traits[f"{each}.pool"] for each in ("least", "most", "walk")] == [0, 1, pytest.approx(1 / 3)]
    assert [traits[f"{each}.conv+pool"] for each in ("least", "most")] == [1, 2]
    assert [traits[f"from_input.{name}"] for name in OPERATIONS] == [1, 1]
    assert [traits[f"to_output.{name}"] for name in OPERATIONS] == [3, 0]


def test_the_input_itself_is_no_operation() -> None:
    """conv(x) + x, written with the input as a term, and the convolution applied to a sum that is the input alone."""
    traits = Arrangement([(INPUT, 0), ("conv", 1)], [(0,), (0, 1)]).traits(OPERATIONS)
    assert [traits[f"{each}.conv"] for each in ("least", "most", "walk")] == [0, 1, 0.5]
    assert (traits["from_input.conv"], traits["to_output.conv"]) == (1, 1)


def test_where_there_is_no_way_all_are_zero() -> None:
    assert set(Arrangement([], [()]).traits(OPERATIONS).values()) == {0.0}
    assert set(Arrangement([("conv", 1)], [(), (0,)]).traits(OPERATIONS).values()) >= {0.0}


def test_the_order_of_the_parts_changes_no_bit() -> None:
    terms = [("conv" if i % 2 else "pool", i // 3) for i in range(12)]
    sums = [(0, 1, 2), (0, 3, 4, 5), (1, 4, 6, 7, 8), (2, 5, 7, 9, 10, 11)]
    expected = Arrangement(terms, sums).traits(OPERATIONS)
    for seed in range(10):
        place = random.Random(seed).sample(range(12), 12)
        moved = [terms[place.index(t)] for t in range(12)]
        mixed = [random.Random(seed + k).sample([place[t] for t in row], len(row)) for k, row in enumerate(sums)]
        assert Arrangement(moved, mixed).traits(OPERATIONS) == expected

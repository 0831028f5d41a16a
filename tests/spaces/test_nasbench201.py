"""NAS-Bench-201: counts, notations, equal functions."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eproxyctl.errors import InvalidArchitecture
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.networks.size import as_module, count, materialise
from eproxyctl.spaces.nasbench201 import OPERATIONS, NasBench201Space
from eproxyctl.spaces.node_cells import EDGES

SPACE = NasBench201Space(NasBench201Space.Options())
SMALL = NasBench201Space(NasBench201Space.Options.model_validate({"channels": 2, "cells": 1}))
cells = st.tuples(*[st.sampled_from(OPERATIONS)] * 6)


def key_of(cell: tuple[str, ...]) -> str:
    return SPACE.encode({f"{a}-{b}": op for (a, b), op in zip(EDGES, cell, strict=True)})


def test_all_keys_and_classes_of_equal_function() -> None:
    keys = list(SPACE.keys())
    assert len(keys) == len(set(keys)) == SPACE.size() == 15_625
    assert len({SPACE.canonical(key) for key in keys}) == 5_260


def test_the_worked_count_and_the_largest() -> None:
    key = "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|"
    shape = (3, 32, 32)
    assert count(lambda: SPACE.build(key, shape, 10, pruned=False), shape) == (129_306, 15_647_360)
    assert count(lambda: SPACE.build(SPACE.largest(), shape, 10, pruned=False), shape) == (1_531_546, 220_119_680)


def test_counts_of_published_architectures(benchmarks: Path) -> None:
    with (benchmarks / "peers" / "nasbench201-cifar10.csv").open() as stream:
        rows = list(itertools.islice(csv.DictReader(stream), 0, 9_000, 300))
    for row in rows:
        params, _ = count(lambda r=row: SPACE.build(r["key"], (3, 32, 32), 10, pruned=False), (3, 32, 32))
        assert params == round(float(row["params"]) * 1e6)


def test_three_notations_name_one_architecture() -> None:
    key = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    assert SPACE.parse(key) == key
    assert SPACE.parse([[3], [1, 0], [4, 2, 3]]) == key
    assert SPACE.parse("[[3], [1, 0], [4, 2, 3]]") == key
    # NASLib orders edges by their source: 0-1, 0-2, 0-3, 1-2, 1-3, 2-3.
    assert SPACE.parse((2, 0, 4, 1, 3, 2)) == key
    assert SPACE.parse("(2, 0, 4, 1, 3, 2)") == key


@pytest.mark.parametrize(
    "notation",
    [
        "",
        "x",
        "|none~0|",
        "|none~1|+|none~0|none~1|+|none~0|none~1|none~2|",
        3,
        None,
        [[1], [1], [1]],
        [[9], [0, 0], [0, 0, 0]],
        (1, 2),
        "[[1], [2",
        {"a": 1},
        "|conv~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        [[True], [0, 0], [0, 0, 0]],
    ],
)
def test_what_is_no_architecture_says_so(notation: object) -> None:
    with pytest.raises(InvalidArchitecture):
        SPACE.parse(notation)


def test_choices_that_make_no_cell_say_so() -> None:
    choices = SPACE.choices(SPACE.example)
    with pytest.raises(InvalidArchitecture, match="no choice for 0-1"):
        SPACE.encode({name: choice for name, choice in choices.items() if name != "0-1"})
    with pytest.raises(InvalidArchitecture, match="2-3 cannot be"):
        SPACE.encode(choices | {"2-3": "conv"})


@given(cells)
def test_round_trips(cell: tuple[str, ...]) -> None:
    key = key_of(cell)
    assert SPACE.parse(key) == key
    assert SPACE.encode(SPACE.choices(key)) == key


def test_node_order_skips_and_dead_edges_do_not_count() -> None:
    a = key_of(("nor_conv_3x3", "nor_conv_1x1", "none", "none", "skip_connect", "skip_connect"))
    b = key_of(("nor_conv_1x1", "nor_conv_3x3", "none", "none", "skip_connect", "skip_connect"))
    dead = key_of(("nor_conv_3x3", "none", "none", "skip_connect", "none", "none"))
    plain = key_of(("none", "none", "none", "skip_connect", "none", "none"))
    two_convolutions = key_of(("nor_conv_3x3", "nor_conv_3x3", "none", "none", "skip_connect", "skip_connect"))
    one_convolution_twice = key_of(("nor_conv_3x3", "skip_connect", "skip_connect", "none", "skip_connect", "none"))
    assert SPACE.canonical(a) == SPACE.canonical(b)
    assert SPACE.canonical(dead) == SPACE.canonical(plain)
    assert SPACE.canonical(two_convolutions) != SPACE.canonical(one_convolution_twice)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_sequences_images_and_volumes(rank: int) -> None:
    shape = (3, *(8,) * rank)
    network = materialise(lambda: SMALL.build(SMALL.largest(), shape, 5))
    initialise(as_module(network), "kaiming_normal", generator(0))
    assert network(torch.randn(2, *shape)).shape == (2, 5)


def test_the_public_table_maps_to_the_same_keys(benchmarks: Path) -> None:
    rows = json.loads((benchmarks / "nasbench201" / "cifar10valid.json").read_text())
    assert {SPACE.parse(notation) for notation, _ in rows} == set(SPACE.keys())


@pytest.mark.parametrize("shape", [(3, 25), (3, 1), (3, 15, 30), (2, 6, 7, 9), (1, 1, 2, 3)])
def test_sides_that_cannot_be_halved(shape: tuple[int, ...]) -> None:
    network = materialise(lambda: SMALL.build(SMALL.largest(), shape, 5))
    initialise(as_module(network), "kaiming_normal", generator(0))
    assert network.eval()(torch.randn(2, *shape)).isfinite().all()

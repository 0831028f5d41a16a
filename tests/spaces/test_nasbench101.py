"""NAS-Bench-101: notations, pruning, the benchmark's hash, and sizes equal to the official ones."""

from __future__ import annotations

import functools
import itertools
import json
import math
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eproxyctl.contracts import Fidelity
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.networks.counting.nasbench101 import vertex_channels
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.networks.size import as_module, count
from eproxyctl.spaces.nasbench101 import NasBench101Space

DATA = os.environ.get("EPROXYCTL_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="EPROXYCTL_DATA is not set")
SHAPE = (3, 16, 16)
SPACE = NasBench101Space(NasBench101Space.Options.model_validate({}))
SMALL = NasBench101Space(NasBench101Space.Options.model_validate({"channels": 10, "cells": 1}))
INCEPTION = (
    [
        [0, 1, 1, 1, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 0],
    ],
    ["input", "conv1x1-bn-relu", "conv3x3-bn-relu", "conv3x3-bn-relu", "conv3x3-bn-relu", "maxpool3x3", "output"],
)

HASHES = (
    "28cfc7874f6d200472e1a9dcd8650aa0",
    "043721b9c7fe8c5fad811d47d83132ec",
    "99e297f5fada30d669294070ed1df4a9",
)


def params(space: NasBench101Space, key: str, outputs: int = 10) -> int:
    with torch.device("meta"):
        network = space.build(key, (3, 32, 32), outputs, pruned=False)
    return sum(p.numel() for p in as_module(network).parameters())


def outputs(space: NasBench101Space, key: str, shape: tuple[int, ...] = SHAPE) -> list[torch.Tensor]:
    network = space.build(key, shape, 10)
    initialise(as_module(network), "default", generator(1))
    batch = torch.randn(2, *shape, generator=generator(0))
    maps = network.features(batch)
    assert [m.shape[1] for m in maps] == list(network.channels)
    return [*maps, network(batch)]


def isomorphic(space: NasBench101Space, key: str, order: tuple[int, ...]) -> str:
    """The key with its inner vertices renumbered; InvalidArchitecture where an edge would go back."""
    choices = space.choices(key)
    place = {0: 0, 6: 6} | dict(zip(range(1, 6), order, strict=True))
    matrix = [[0] * 7 for _ in range(7)]
    for a, b in itertools.combinations(range(7), 2):
        matrix[place[a]][place[b]] = int(choices[f"{a}-{b}"])
    operations = [str(choices[f"operation-{v}"]) for v in sorted(range(1, 6), key=place.__getitem__)]
    return space.parse([matrix, ["input", *operations, "output"]])


@st.composite
def keys(draw: st.DrawFn) -> str:
    return next(SPACE.sample(draw(st.integers(0, 10**9))))


def test_notations_of_one_cell_give_one_key() -> None:
    key = SPACE.parse(INCEPTION)
    assert key == "c1~0+c3~0+c3~0+c3~3+mp~0+out~1245"
    codes = [0, 3, 4, 4, 4, 2, 1]
    flat = [*itertools.chain(*INCEPTION[0]), *codes]
    record = {"module_adjacency": INCEPTION[0], "module_operations": INCEPTION[1], "trainable_parameters": 1}
    for notation in (key, flat, tuple(flat), str(tuple(flat)), json.dumps(INCEPTION), str(INCEPTION), record):
        assert SPACE.parse(notation) == key


def test_arrays_and_zero_padding_are_read() -> None:
    matrix = torch.tensor([[0, 1, 0], [0, 0, 1], [0, 0, 0]]).numpy()
    assert SPACE.parse((matrix, ["input", "maxpool3x3", "output"])) == "mp~0+out~1"
    flat = [0] * 56
    flat[1] = flat[7 + 2] = 1
    flat[50:52] = [2, 1]
    assert SPACE.parse(flat) == "mp~0+out~1"


def test_dead_vertices_are_pruned_as_the_benchmark_does() -> None:
    assert SPACE.parse("c3~0+c1~0+mp~2+out~1") == "c3~0+out~1"
    assert SPACE.parse("c3~0+out~0") == "out~0"
    # Ten edges, of which eight are live.
    assert SPACE.parse("c3~0+c3~01+c3~012+mp~012+out~23") == "c3~0+c3~01+c3~012+out~23"


def test_hash_is_the_benchmarks_own() -> None:
    # Computed by graph_util.hash_module of google-research/nasbench.
    assert SPACE.canonical(SPACE.parse(INCEPTION)) == HASHES[0]
    assert SPACE.canonical("out~0") == HASHES[1]
    assert SPACE.canonical("c3~0+c3~01+c3~02+c3~03+c3~4+out~5") == HASHES[2]


def test_vertex_channels_follow_the_benchmark() -> None:
    assert vertex_channels(128, [(0,), (0,), (0,), (1, 2, 3)]) == [43, 43, 42]
    assert vertex_channels(128, [(0,), (1,), (0,), (1, 2, 3)]) == [43, 43, 42]
    assert vertex_channels(128, [(0,), (1,), (1,), (2, 3)]) == [64, 64, 64]


def test_largest_has_the_parameters_of_the_benchmarks_largest() -> None:
    assert params(SPACE, SPACE.largest()) == 49_979_274
    largest = count(lambda: SPACE.build(SPACE.largest(), (3, 32, 32), 10), (3, 32, 32))
    for key in itertools.islice(SPACE.sample(0), 20):
        size = count(functools.partial(SPACE.build, key, (3, 32, 32), 10), (3, 32, 32))
        assert size[0] <= largest[0]
        assert size[1] <= largest[1]


@needs_data
def test_official_parameter_counts() -> None:
    table = json.loads(Path(DATA or "", "peers/nasbench101.json").read_text())["nasbench101"]["cifar10"]
    for notation, row in itertools.islice(table.items(), 0, None, 4):
        assert round(params(SPACE, SPACE.parse(notation)) / 1e6, 6) == row["params"], notation


@needs_data
@pytest.mark.slow
def test_all_official_parameter_counts() -> None:
    table = json.loads(Path(DATA or "", "peers/nasbench101.json").read_text())["nasbench101"]["cifar10"]
    wrong = [n for n, row in table.items() if round(params(SPACE, SPACE.parse(n)) / 1e6, 6) != row["params"]]
    assert wrong == []


@needs_data
def test_tables_are_read_and_have_no_equal_cells() -> None:
    names = []
    for file in ("nasbench1_20", "nasbench1_2500"):
        for notation, _ in json.loads(Path(DATA or "", f"nasbench101/{file}.json").read_text()):
            key = SPACE.parse(notation)
            assert SPACE.parse(key) == key == SPACE.encode(SPACE.choices(key))
            names.append(SPACE.canonical(key))
    assert len(names) == len(set(names)) == 2_520


@given(keys())
@settings(max_examples=30, deadline=None)
def test_a_sampled_cell_builds(key: str) -> None:
    assert SPACE.parse(key) == key
    assert SPACE.encode(SPACE.choices(key)) == key
    assert all(isinstance(value, float) for value in SPACE.traits(key).values())
    maps = outputs(SMALL, key)
    assert [m.shape[2:] for m in maps[:3]] == [(4, 4), (8, 8), (16, 16)]
    assert all(m.isfinite().all() for m in maps)


@given(keys(), st.permutations(range(1, 6)))
@settings(max_examples=40, deadline=None)
def test_isomorphic_cells_are_one_network(key: str, order: list[int]) -> None:
    try:
        other = isomorphic(SPACE, key, tuple(order))
    except InvalidArchitecture:
        return
    assert SPACE.canonical(other) == SPACE.canonical(key)
    for a, b in zip(outputs(SMALL, key), outputs(SMALL, other), strict=True):
        assert torch.equal(a, b)


def test_canonical_names_part_different_networks() -> None:
    sampled = list(itertools.islice(SPACE.sample(3), 300))
    sizes: dict[str, set[tuple[float, ...]]] = {}
    for key in sampled:
        sizes.setdefault(SPACE.canonical(key), set()).add(tuple(SPACE.traits(key).values()))
    assert all(len(traits) == 1 for traits in sizes.values())


@pytest.mark.parametrize("rank", [1, 3])
def test_sequences_and_volumes(rank: int) -> None:
    assert outputs(SMALL, SPACE.example, (2, *[8] * rank))[0].ndim == rank + 2


def test_odd_and_tiny_maps_pass_the_poolings() -> None:
    assert outputs(SMALL, SPACE.example, (3, 5, 1))[0].shape[2:] == (2, 1)


def test_fidelity_shrinks_channels_and_cells() -> None:
    network = SPACE.build(SPACE.example, SHAPE, 10, Fidelity.model_validate({"width": 0.25, "depth": 0.3}))
    assert network.channels == (128, 64, 32)
    assert len(as_module(network).stacks[0]) == 1  # type: ignore[index]


def test_traits_of_a_known_cell() -> None:
    traits = SPACE.traits(SPACE.parse(INCEPTION))
    assert traits["count.conv3x3-bn-relu"] == 3
    assert (traits["vertices"], traits["edges"], traits["width"]) == (7, 9, 4)
    # ways: a convolution; a convolution; two convolutions; a pooling
    assert (traits["depth"], traits["paths.shortest"], traits["paths.longest"]) == (2, 0, 2)
    assert traits["paths.log_number"] == math.log(4 + 1)
    assert traits["paths.mean"] == traits["paths.walk"] == 1
    assert traits["paths.pooling"] == 0.25


@pytest.mark.parametrize(
    ("notation", "words"),
    [
        ("nonsense", "not a NAS-Bench-101 key"),
        ("c9~0+out~1", "no operation 'c9'"),
        ("c3~1+out~1", "from vertex 1 to vertex 1"),
        ("c3~0+out~2", "from vertex 2 to vertex 2"),
        ("c3~0+c3~1+out~3", "does not go forward"),
        ("c3~0+out~", "not a NAS-Bench-101 key"),
        ("c3~0+c3~0+c3~0+c3~0+c3~0+c3~0+out~1", "not a NAS-Bench-101 key"),
        ("c3~0+c3~01+c3~012+c3~0123+out~1234", "9 edges|edges"),
        ([[[0, 1], [1, 0]], ["input", "output"]], "does not go forward"),
        ([[[0, 0], [0, 0]], ["input", "output"]], "no path"),
        ([[[0, 2], [0, 0]], ["input", "output"]], "0 and 1 only"),
        ([[[0, 1], [0]], ["input", "output"]], "square"),
        ([[[0, 0.5], [0, 0]], ["input", "output"]], "square"),
        ([[0, 1], ["input", "output"]], "square"),
        ([[], []], "square"),
        ([[[0, 1], [0, 0]], ["output", "input"]], "from 'input' to 'output'"),
        ([[[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["input", "conv5x5", "output"]], "no operation"),
        ([[[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["input", None, "output"]], "no operation"),
        ((0,) * 56, "not the operations"),
        ((9,) * 56, "not the operations"),
        ((*[0] * 42, 1, *[0] * 7, 2, 1, 0, 0, 0, 0), "after the output"),
        ("[[[0, 1], [0", "not a list"),
        ("[" * 5000, "not a list"),
        (None, "not a NAS-Bench-101 architecture"),
        (3, "not a NAS-Bench-101 architecture"),
        ({"matrix": []}, "not a NAS-Bench-101 architecture"),
        ("", "not a NAS-Bench-101 key"),
    ],
)
def test_what_is_no_cell_is_refused(notation: object, words: str) -> None:
    with pytest.raises(InvalidArchitecture, match=words):
        SPACE.parse(notation)


def test_choices_that_make_no_cell_are_refused() -> None:
    choices = SPACE.choices(SPACE.example)
    for wrong in ({"0-1": 2}, {"0-1": "yes"}, {"operation-1": "conv5x5"}, {"operation-1": 3}):
        with pytest.raises(InvalidArchitecture, match="cannot be"):
            SPACE.encode(choices | wrong)
    del choices["0-1"]
    with pytest.raises(InvalidArchitecture, match="no choice for 0-1"):
        SPACE.encode(choices)


def test_channels_too_few_to_share_are_refused() -> None:
    space = NasBench101Space(NasBench101Space.Options.model_validate({"channels": 2}))
    with pytest.raises(InvalidArchitecture, match="cannot be shared"):
        space.build("c3~0+c3~0+c3~0+out~123", SHAPE, 10)

"""TransNAS-Bench-101, micro and macro: keys, equal cells, and sizes equal to the official ones."""

from __future__ import annotations

import csv
import itertools
import json
import math
import os
import random
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eproxyctl.contracts import Fidelity
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.networks.size import as_module, count
from eproxyctl.spaces.transnasbench101 import TransNasBench101Space

DATA = os.environ.get("EPROXYCTL_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="EPROXYCTL_DATA is not set")
SHAPE = (3, 32, 32)


def space(**options: object) -> TransNasBench101Space:
    return TransNasBench101Space(TransNasBench101Space.Options.model_validate(options))


MICRO, MACRO = space(), space(level="macro")
SMALL = {"micro": space(channels=4), "macro": space(level="macro", channels=4)}
MICRO_KEYS, MACRO_KEYS = list(MICRO.keys()), list(MACRO.keys())
micro_keys, macro_keys = st.sampled_from(MICRO_KEYS), st.sampled_from(MACRO_KEYS)


def params(built: TransNasBench101Space, key: str, outputs: int) -> int:
    with torch.device("meta"):
        network = built.build(key, SHAPE, outputs, pruned=False)
    return sum(p.numel() for p in as_module(network).parameters())


def outputs(
    built: TransNasBench101Space, key: str, shape: tuple[int, ...] = SHAPE, *, pruned: bool = True
) -> list[torch.Tensor]:
    network = built.build(key, shape, 10, pruned=pruned)
    initialise(as_module(network), "kaiming_normal", generator(1))
    batch = torch.randn(2, *shape, generator=generator(0))
    maps = network.features(batch)
    assert [m.shape[1] for m in maps] == list(network.channels)
    return [*maps, network(batch)]


def peers() -> list[dict[str, str]]:
    with Path(DATA or "", "peers/transnasbench101-micro-class_scene.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("built", "size"), [(MICRO, 4_096), (MACRO, 3_256)])
def test_keys_are_as_many_as_the_benchmark_has(built: TransNasBench101Space, size: int) -> None:
    keys = list(built.keys())
    assert len(keys) == len(set(keys)) == built.size() == size
    for key in keys:
        assert built.parse(key) == key == built.encode(built.choices(key))


def test_micro_cells_compute_1376_different_functions() -> None:
    assert len({MICRO.canonical(key) for key in MICRO_KEYS}) == 1_376


def test_naslib_notations() -> None:
    assert MICRO.parse((3, 1, 2, 0, 2, 1)) == MICRO.parse("(3, 1, 2, 0, 2, 1)") == "64-41414-3_12_021"
    assert MACRO.parse((4, 1, 1, 1, 0, 0)) == MACRO.parse(" 64-4111-basic ") == "64-4111-basic"


@needs_data
@pytest.mark.parametrize("task", ["class_object", "jigsaw", "segmentsemantic"])
def test_tables_hold_the_enumerated_keys(task: str) -> None:
    for built, missing in ((MICRO, set()), (MACRO, {"64-113444-basic"})):
        rows = json.loads(Path(DATA or "", f"transnasbench101/{built.options.level}-{task}.json").read_text())
        assert set(built.keys()) - {built.parse(notation) for notation, _ in rows} == missing
        assert len(rows) == built.size() - len(missing)


@pytest.mark.parametrize(
    ("built", "key", "outputs", "official"),
    [
        (MICRO, "64-41414-2_32_323", 63, 22_372_959),
        (MICRO, "64-41414-3_33_333", 10, 41_416_746),
        (MICRO, "64-41414-0_00_000", 10, 24_618),
        (MACRO, "64-4111-basic", 10, 2_318_890),
        (MACRO, "64-222113-basic", 10, 39_630_634),
        (MACRO, "64-222331-basic", 10, 39_893_802),
    ],
)
def test_parameters_of_known_networks(built: TransNasBench101Space, key: str, outputs: int, official: int) -> None:
    assert params(built, key, outputs) == official


@needs_data
def test_official_parameter_counts() -> None:
    rows = peers()[::12]
    assert [row["key"] for row in rows if round(params(MICRO, row["key"], 63) / 1e6, 6) != float(row["params"])] == []


@needs_data
@pytest.mark.slow
def test_all_official_parameter_counts() -> None:
    rows = peers()
    assert len(rows) == 2_128
    assert [row["key"] for row in rows if round(params(MICRO, row["key"], 63) / 1e6, 6) != float(row["params"])] == []


@pytest.mark.parametrize("built", [MICRO, MACRO])
def test_no_network_costs_more_than_the_largest(built: TransNasBench101Space) -> None:
    largest = count(lambda: built.build(built.largest(), SHAPE, 10), SHAPE)[1]
    for key in [*itertools.islice(built.sample(0), 40), "64-222131-basic" if built is MACRO else built.example]:
        assert count(lambda key=key: built.build(key, SHAPE, 10, pruned=False), SHAPE)[1] <= largest


@given(st.one_of(micro_keys, macro_keys), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_network_builds(key: str, pruned: bool) -> None:
    built = SMALL["macro" if key.endswith("basic") else "micro"]
    assert all(isinstance(value, float) for value in built.traits(key).values())
    maps = outputs(built, key, pruned=pruned)
    assert len(maps) == 4
    assert all(m.isfinite().all() for m in maps)


def test_pruned_computes_what_the_official_network_does() -> None:
    # Weights depend on their shape only, so that the two may register them in different orders.
    batch = torch.randn(4, *SHAPE, generator=generator(0), dtype=torch.float64)
    built = space(channels=4, stem_stride=1)
    for key in itertools.islice(MICRO.sample(0), 40):
        results = []
        for pruned in (True, False):
            network = built.build(key, SHAPE, 10, pruned=pruned)
            module = as_module(network).double()
            for parameter in module.parameters():
                if parameter.ndim > 1:
                    drawn = torch.randn(parameter.shape, generator=generator(sum(parameter.shape)), dtype=torch.float64)
                    parameter.data = drawn / parameter[0].numel() ** 0.5
            results.append(network.features(batch)[0])
        torch.testing.assert_close(*results)


def test_the_projection_of_a_macro_block_has_the_benchmarks_epsilon() -> None:
    norms = [m for m in as_module(MACRO.build(MACRO.largest(), SHAPE, 10)).modules() if hasattr(m, "eps")]
    assert sum(norm.eps == 1.0 for norm in norms) == 4


def test_equal_canonical_names_are_equal_networks() -> None:
    groups: dict[str, list[str]] = {}
    for key in MICRO_KEYS:
        groups.setdefault(MICRO.canonical(key), []).append(key)
    several = [keys for keys in groups.values() if len(keys) > 1]
    for keys in random.Random(0).sample(several, 12):
        first, last = outputs(SMALL["micro"], keys[0]), outputs(SMALL["micro"], keys[-1])
        assert all(torch.equal(a, b) for a, b in zip(first, last, strict=True))


def test_a_skip_from_the_input_is_a_projection_where_shapes_change() -> None:
    # Twice the input in a plain cell; in one that halves the sum of two projections, or twice the same.
    one, two = (MICRO.canonical(key).split("/") for key in ("64-41414-1_10_011", "64-41414-1_01_011"))
    assert one[0] == two[0] == "skip_connect~0>1.1"
    assert one[1] == "factorized_reduce~0>1|factorized_reduce~0>1"
    assert two[1] == "factorized_reduce~0>1.1"
    single = {MICRO.canonical(key) for key in ("64-41414-1_00_010", "64-41414-0_10_001", "64-41414-0_00_100")}
    assert len(single) == 1


def test_a_dead_cell_is_zero_and_keeps_its_shape() -> None:
    for pruned in (True, False):
        maps = outputs(SMALL["micro"], "64-41414-0_00_000", pruned=pruned)
        assert [tuple(m.shape[1:]) for m in maps[:3]] == [(32, 1, 1), (16, 2, 2), (16, 2, 2)]
        assert not maps[0].any()


@given(st.one_of(micro_keys, macro_keys), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_one_mutated_choice_is_valid_or_refused(key: str, draw: random.Random) -> None:
    built = MACRO if key.endswith("basic") else MICRO
    choices = built.choices(key)
    name = draw.choice(list(choices))
    choices[name] = draw.choice(built.parameters()[name])
    try:
        mutant = built.encode(choices)
    except InvalidArchitecture:
        assert built is MACRO
        return
    assert mutant in set(built.keys())


@pytest.mark.parametrize(
    ("options", "sides"),
    [
        ({}, [1, 2, 2]),
        ({"stem_stride": 1}, [4, 8, 8]),
        ({"stem_stride": 2}, [2, 4, 4]),
        ({"stem_stride": 1, "halvings": 2}, [8, 8, 8]),
        ({"halvings": 0}, [8, 8, 8]),
    ],
)
def test_options_keep_maps_of_small_inputs(options: dict[str, int], sides: list[int]) -> None:
    for key in (MICRO.example, "64-41414-1_11_111"):
        maps = outputs(space(channels=4, **options), key)
        assert [m.shape[2] for m in maps[:3]] == sides


def test_halvings_leave_the_parameters_as_they_are() -> None:
    for level, key in (("micro", "64-41414-1_12_130"), ("macro", "64-3341-basic")):
        assert len({params(space(level=level, halvings=n), key, 10) for n in (None, 0, 1, 2)}) == 1


@pytest.mark.parametrize("rank", [1, 3])
def test_sequences_and_volumes(rank: int) -> None:
    for built, key in ((SMALL["micro"], "64-41414-1_21_031"), (SMALL["macro"], MACRO.largest())):
        assert outputs(built, key, (2, *[9] * rank))[0].ndim == rank + 2


def test_fidelity_shrinks_channels_and_blocks() -> None:
    fidelity = Fidelity.model_validate({"width": 0.25, "depth": 0.5})
    for built in (MICRO, MACRO):
        network = built.build(built.largest(), SHAPE, 10, fidelity)
        assert network.channels[0] == 128
        assert all(len(module) == 1 for module in as_module(network).modules_in_row)  # type: ignore[union-attr]
    assert outputs(space(channels=1), MICRO.example)[0].isfinite().all()


def test_traits_of_known_networks() -> None:
    # the output is x + conv1(y) + conv1(y), y = conv3(x)
    micro = MICRO.traits("64-41414-3_12_021")
    assert {name: value for name, value in micro.items() if name.startswith(("count", "paths")) or "." not in name} == {
        "operations": 4,
        "parametric": 3,
        "sums": 2,
        "paths.log_number": math.log(3 + 1),
        "paths.mean": 4 / 3,
        "paths.walk": pytest.approx(4 / 3),
        "paths.shortest": 0,
        "paths.longest": 2,
        "paths.pooling": 0,
        "count.skip_connect": 1,
        "count.nor_conv_1x1": 2,
        "count.nor_conv_3x3": 1,
    }
    assert micro["walk.nor_conv_1x1"] == pytest.approx(2 / 3)
    assert (micro["least.nor_conv_3x3"], micro["most.nor_conv_1x1+nor_conv_3x3"]) == (0, 2)
    assert (micro["from_input.nor_conv_3x3"], micro["to_output.nor_conv_1x1"]) == (1, 2)
    assert micro["to_output.skip_connect"] == 1
    assert micro["reducing.factorized_reduce"] == 1
    traits = MACRO.traits("64-1243-basic")
    assert [traits[f"work.{r}"] for r in range(5)] == [1 + 4, 4**2 / 4, 4**2 / 4**2, 0, 0]
    assert (traits["place.halve_first"], traits["place.after_halve"], traits["place.widen_mean"]) == (2, 0, 1.5)
    assert (traits["modules"], traits["width"], traits["count.halve"], traits["count.widen"]) == (4, 4, 2, 2)
    assert traits["mean_width"] == (1 + 2 + 4 + 4) / 4
    assert traits["mean_resolution"] == (1 + 1 + 0.5 + 0.25) / 4


@pytest.mark.parametrize(
    ("built", "notation"),
    [
        (MICRO, "64-41414-4_00_000"),
        (MICRO, "64-41412-0_00_000"),
        (MICRO, "32-41414-0_00_000"),
        (MICRO, "64-4111-basic"),
        (MICRO, "64-41414-basic"),
        (MICRO, "64-41414-٣_00_000"),
        (MICRO, (4, 0, 0, 0, 0, 0)),
        (MICRO, (1, 0, 0)),
        (MICRO, (-1, 0, 0, 0, 0, 0)),
        (MICRO, ()),
        (MICRO, "(1, 2"),
        (MICRO, None),
        (MICRO, 7),
        (MACRO, "64-41414-3_33_333"),
        (MACRO, "64-1111-basic"),
        (MACRO, "64-222-basic"),
        (MACRO, "64-2222222-basic"),
        (MACRO, "64-3333-basic"),
        (MACRO, "64-2222-basic"),
        (MACRO, "64-33331-basic"),
        (MACRO, "64-444431-basic"),
        (MACRO, (41, 1, 1)),
        (MACRO, ()),
        (MACRO, {"modules": 4}),
    ],
)
def test_what_is_no_architecture_is_refused(built: TransNasBench101Space, notation: object) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        built.parse(notation)
    assert caught.value.hint or "not a list" in caught.value.message


def test_choices_that_make_no_architecture_are_refused() -> None:
    for built, wrong in (
        (MICRO, {"0-1": "conv"}),
        (MICRO, {"0-1": 3}),
        (MACRO, {"modules": 7}),
        (MACRO, {"module-1": 0}),
    ):
        with pytest.raises(InvalidArchitecture, match="cannot be"):
            built.encode(built.choices(built.largest()) | wrong)
    with pytest.raises(InvalidArchitecture, match="no choice for"):
        MACRO.encode({"modules": 4})

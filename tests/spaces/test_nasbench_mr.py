"""NAS-Bench-MR: records, codes and keys, and sizes equal to the official ones."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eproxyctl.contracts import Fidelity
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.networks.size import as_module
from eproxyctl.spaces.nasbench_mr import NasBenchMrSpace

DATA = os.environ.get("EPROXYCTL_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="EPROXYCTL_DATA is not set")
SHAPE = (3, 32, 32)
RECORD = {
    "input_channel": [16, 16],
    "inverted_residual_setting": [
        [1, [1], [16]],
        [2, [2, 1], [32, 64]],
        [3, [1, 1, 1], [64, 56, 56]],
        [3, [1, 1, 1], [64, 56, 56]],
        [4, [2, 2, 2, 1], [8, 56, 40, 32]],
    ],
    "last_channel": 48,
}
CODE = [16, 16, 1, 1, 16, 1, 2, 1, 32, 64, 2, 1, 1, 1, 64, 56, 56, 1, 2, 2, 2, 1, 8, 56, 40, 32, 48]
KEY = "16_16-1_1_1_16-1_2_2_1_32_64-2_3_1_1_1_64_56_56-1_4_2_2_2_1_8_56_40_32-48"
OFFICIAL = {
    # Parameters of the benchmark's own records, with its 50 classes.
    "128_128-2_1_4_128-2_2_4_4_128_128-2_3_4_4_4_128_128_128-2_4_4_4_4_4_128_128_128_128-128": 28_290_994,
    "16_16-1_1_1_16-1_2_1_1_16_16-1_3_1_1_1_16_16_16-1_4_1_1_1_1_16_16_16_16-16": 82_658,
    "16_16-1_1_1_16-1_2_2_1_32_64-1_3_1_1_1_64_56_56-1_4_2_2_2_1_8_56_40_32-48": 753_570,
    "16_16-1_1_1_16-2_2_3_3_16_32-3_3_4_4_3_64_112_96-4_4_2_1_3_1_32_80_112_48-48": 11_291_874,
    "16_16-1_1_1_16-3_2_3_3_112_64-2_3_4_2_2_80_80_64-1_4_3_1_4_1_128_16_16_64-128": 6_623_138,
}


def space(**options: int) -> NasBenchMrSpace:
    return NasBenchMrSpace(NasBenchMrSpace.Options.model_validate(options))


SPACE = space()


def outputs(
    built: NasBenchMrSpace, key: str, shape: tuple[int, ...] = SHAPE, fidelity: Fidelity | None = None
) -> list[torch.Tensor]:
    network = built.build(key, shape, 10, fidelity or Fidelity.model_validate({}))
    initialise(as_module(network), "kaiming_normal", generator(1))
    batch = torch.randn(2, *shape, generator=generator(0))
    maps = network.features(batch)
    assert [m.shape[1] for m in maps] == list(network.channels)
    return [*maps, network(batch)]


@st.composite
def keys(draw: st.DrawFn) -> str:
    return next(SPACE.sample(draw(st.integers(0, 10**9))))


def changed(**parts: Any) -> dict[str, Any]:
    return RECORD | parts


def test_27_choices() -> None:
    assert len(SPACE.parameters()) == 27
    assert SPACE.size() == 16**13 * 4**14


def test_notations_of_one_network_give_one_key() -> None:
    other = changed(network_setting=RECORD["inverted_residual_setting"])
    del other["inverted_residual_setting"]
    for notation in (KEY, f" {KEY} ", RECORD, other, json.dumps(RECORD), str(RECORD), CODE, tuple(CODE), str(CODE)):
        assert SPACE.parse(notation) == KEY
    assert list(SPACE.choices(KEY).values()) == CODE
    assert SPACE.encode(SPACE.choices(KEY)) == KEY
    assert SPACE.parse(SPACE.example) == SPACE.example


@pytest.mark.parametrize(("key", "official"), OFFICIAL.items())
def test_official_parameter_counts(key: str, official: int) -> None:
    with torch.device("meta"):
        network = as_module(SPACE.build(key, (3, 224, 224), 50, pruned=False))
    assert sum(p.numel() for p in network.parameters()) == official


@needs_data
@pytest.mark.parametrize("task", ["cls-10c", "seg", "3ddet", "video"])
def test_every_record_is_read(task: str) -> None:
    rows = json.loads(Path(DATA or "", f"nasbenchmr/{task}.json").read_text())
    found = set()
    for record, _ in rows:
        key = SPACE.parse(record)
        assert SPACE.parse(key) == key == SPACE.encode(SPACE.choices(key))
        found.add(key)
    assert len(rows) == len(found) == 2_507
    for record, _ in rows[::900]:
        maps = outputs(SPACE, SPACE.parse(record))
        assert [m.shape[1:] for m in maps[:1]] == [(record["last_channel"], 8, 8)]
        assert all(m.isfinite().all() for m in maps)


@needs_data
@pytest.mark.slow
def test_every_third_record_builds() -> None:
    rows = json.loads(Path(DATA or "", "nasbenchmr/seg.json").read_text())
    with torch.device("meta"):
        for record, _ in rows[::3]:
            network = SPACE.build(SPACE.parse(record), SHAPE, 10)
            assert network.channels[0] == record["last_channel"]


@given(keys())
@settings(max_examples=12, deadline=None)
def test_a_sampled_network_builds(key: str) -> None:
    assert SPACE.parse(key) == key == SPACE.encode(SPACE.choices(key)) == SPACE.canonical(key)
    assert all(isinstance(value, float) for value in SPACE.traits(key).values())
    maps = outputs(SPACE, key, fidelity=Fidelity.model_validate({"width": 0.25, "depth": 0.5}))
    assert [m.shape[2:] for m in maps[:3]] == [(8, 8)] * 3
    assert all(m.isfinite().all() for m in maps)


@given(keys(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_any_mutated_choice_is_valid(key: str, draw: random.Random) -> None:
    choices = SPACE.choices(key)
    name = draw.choice(list(choices))
    choices[name] = draw.choice(SPACE.parameters()[name])
    assert SPACE.choices(SPACE.encode(choices)) == choices


@pytest.mark.parametrize(
    ("options", "sides"),
    [
        ({}, [8, 8, 8]),
        ({"join": 3}, [1, 2, 2]),
        ({"stem_stride": 1, "join": 2}, [8, 8, 8]),
        ({"stem_stride": 2, "join": 1}, [8, 8, 8]),
    ],
)
def test_options_choose_the_resolution_of_the_maps(options: dict[str, int], sides: list[int]) -> None:
    maps = outputs(space(**options), KEY)
    assert [m.shape[2] for m in maps[:3]] == sides


def test_maps_are_those_of_the_last_three_modules() -> None:
    assert SPACE.build(KEY, SHAPE, 10).channels == (48, 176, 176)


@pytest.mark.parametrize("shape", [(2, 40), (2, 8, 8, 8), (3, 17, 30), (1, 8, 8)])
def test_other_shapes(shape: tuple[int, ...]) -> None:
    assert outputs(SPACE, "8_8-1_1_1_8-1_2_1_1_8_8-1_3_1_1_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8", shape)[-1].shape == (2, 10)


def test_depth_is_taken_from_modules_then_from_blocks() -> None:
    key = "8_8-4_1_1_8-2_2_4_2_8_8-1_3_4_2_1_8_8_8-1_4_1_1_1_1_8_8_8_8-8"
    network = as_module(SPACE.build(key, SHAPE, 10, Fidelity.model_validate({"depth": 0.5})))
    blocks = [[len(branch) for branch in row.branches] for row in network.rows]  # type: ignore[union-attr]
    assert blocks == [[1], [1], [4, 2], [2, 1, 1], [1, 1, 1, 1]]


def test_traits_of_a_known_network() -> None:
    traits = SPACE.traits(KEY)
    assert [traits[f"blocks.{b}"] for b in (1, 2, 3, 4)] == [7, 5, 4, 1]
    assert (traits["width.4"], traits["width.3"]) == (32, (2 * 56 + 2 * 40) / 4)
    assert (traits["modules"], traits["depth"], traits["last"]) == (5, 2 * 7 + 5 + 3, 48)


@pytest.mark.parametrize(
    ("notation", "words"),
    [
        ("nonsense", "not a NAS-Bench-MR key"),
        ("", "not a NAS-Bench-MR key"),
        (KEY.replace("1_1_1_16", "1_2_1_16"), "no stage of 1 branches"),
        (KEY.replace("-1_1_1_16-", "-1_1_1-"), "no stage of 1 branches"),
        (KEY.replace("1_1_1_16", "5_1_1_16"), "5 modules or blocks"),
        (KEY.replace("1_1_1_16", "1_1_0_16"), "0 modules or blocks"),
        (KEY.replace("1_1_1_16", "1_1_1_0"), "0 channels"),
        (KEY.replace("16_16", "16_20"), "20 channels"),
        (KEY.replace("16_16-", "16-"), "27 numbers, not 26"),
        (KEY + "_8", "27 numbers, not 28"),
        (changed(input_channel=[16]), "not a NAS-Bench-MR record"),
        (changed(last_channel="48"), "not a NAS-Bench-MR record"),
        (changed(last_channel=136), "136 channels"),
        (changed(inverted_residual_setting=None), "not a NAS-Bench-MR record"),
        (changed(inverted_residual_setting=[]), "not four stages"),
        (changed(inverted_residual_setting=[[1, [1], [16]]] * 4), "not four stages"),
        (changed(inverted_residual_setting=[[2, [1], [16]]]), "not a module"),
        (changed(inverted_residual_setting=[[1, 1, 16]]), "not a module"),
        ({}, "not a NAS-Bench-MR record"),
        (CODE[:-1], "not a NAS-Bench-MR architecture"),
        ([*CODE[:-1], 1.5], "not a NAS-Bench-MR architecture"),
        (None, "not a NAS-Bench-MR architecture"),
        ("{'input_channel': [16", "not a list"),
    ],
)
def test_what_is_no_network_is_refused(notation: object, words: str) -> None:
    with pytest.raises(InvalidArchitecture, match=words):
        SPACE.parse(notation)


def test_choices_outside_the_space_are_refused() -> None:
    choices = SPACE.choices(KEY)
    for wrong in ({"stem-1": 0}, {"modules-1": 5}, {"width-2-1": 12}, {"last": "48"}):
        with pytest.raises(InvalidArchitecture, match="cannot be"):
            SPACE.encode(choices | wrong)

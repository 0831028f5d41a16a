"""NDS residual networks: published sizes, keys and networks."""

from __future__ import annotations

import functools
import itertools
import json
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from maps import check_maps
from published import flops, params, records

from eproxyctl.contracts import Fidelity
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.networks.size import count
from eproxyctl.spaces.nds_residual import FamilyName, NdsResidualSpace

FAMILIES = get_args(FamilyName)


def space(family: str = "ResNeXt-A", **options: Any) -> NdsResidualSpace:
    return NdsResidualSpace(NdsResidualSpace.Options(family=family, **options))


def net(ds: list[int], ws: list[int], bot_muls: list[float], num_gs: list[int], **changes: Any) -> dict[str, Any]:
    block = {"block_type": "res_bottleneck_block", "bot_muls": bot_muls, "num_gs": num_gs}
    return {**block, "ds": ds, "ws": ws, "ss": [8, 1, 2, 2], **changes}


WORKED = [
    (net([1, 2, 2, 2], [64, 16, 128, 128], [1.0, 0.25, 0.5, 0.25], [1, 2, 4, 2]), 277_592),
    (net([1, 1, 1, 4], [64, 1024, 128, 64], [1.0, 0.25, 1.0, 0.5], [1, 4, 4, 16]), 964_616),
]


@pytest.mark.parametrize(("record", "size"), WORKED)
def test_worked_counts(record: dict[str, Any], size: int) -> None:
    spaces = space("ResNeXt-B_in", stem="imagenet")
    assert params(spaces.build(spaces.parse(record), (3, 224, 224), 1000, pruned=False)) == size


def test_every_published_count_is_met() -> None:
    spaces = space("ResNeXt-A_in", stem="imagenet")
    keys = set()
    for i, record in enumerate(records("ResNeXt-A_in")):
        key = spaces.parse(record)
        keys.add(key)
        assert spaces.parse(key) == key == spaces.encode(spaces.choices(key))
        assert set(spaces.choices(key)) == set(spaces.parameters())
        with torch.device("meta"):
            network = spaces.build(key, (3, 224, 224), 1000, pruned=False)
        assert params(network) == record["params"]
        if i % 20 == 0:
            assert flops(network) == record["flops"]
    assert len(keys) == 130


@pytest.mark.parametrize("block", ["res_basic_block", "double_plain_block", "vanilla_block"])
@pytest.mark.parametrize("lists", [{"bot_muls": [], "num_gs": []}, {"bot_muls": [0.0] * 4, "num_gs": [1] * 4}, {}])
def test_records_of_simple_blocks(block: str, lists: dict[str, Any]) -> None:
    """Two 3×3 convolutions with batch norm a block; a residual one is projected where width or stride changes."""
    spaces = space("ResNet" if block == "res_basic_block" else "Vanilla")
    record = {"net": {"block_type": block, "ds": [1, 1, 2, 1], "ws": [16, 16, 32, 48], "ss": [1, 1, 2, 2], **lists}}
    key = spaces.parse(record)
    assert key == spaces.parse(json.dumps(record)) == spaces.parse(key)
    kernels = [(3, 16), (16, 16), (16, 16), (16, 32), (32, 32), (32, 32), (32, 32), (32, 48), (48, 48)]
    expected = sum(9 * a * b + 2 * b for a, b in kernels) + 48 * 10 + 10
    if block == "res_basic_block":
        expected += sum(a * b + 2 * b for a, b in ((16, 32), (32, 48)))
    assert params(spaces.build(key, (3, 32, 32), 10, pruned=False)) == expected


@given(st.sampled_from(FAMILIES), st.integers(0, 10**6), st.data())
@settings(max_examples=60, deadline=None)
def test_drawn_keys_round_trip_and_a_changed_choice_is_another(family: str, seed: int, data: st.DataObject) -> None:
    spaces = space(family)
    key = next(spaces.sample(seed))
    assert spaces.parse(key) == key == spaces.encode(spaces.choices(key)) == spaces.canonical(key)
    choices = spaces.choices(key)
    name = data.draw(st.sampled_from(sorted(spaces.parameters())))
    choices[name] = data.draw(st.sampled_from(spaces.parameters()[name]))
    assert spaces.choices(spaces.encode(choices)) == choices


def test_unusual_strides_and_stems_are_kept() -> None:
    spaces = space("ResNeXt-A_in", stem="imagenet")
    record = net([1, 2, 2, 2], [32, 16, 128, 128], [1.0, 0.25, 0.5, 0.25], [1, 2, 4, 2], ss=[4, 2, 1, 2])
    key = spaces.parse(record)
    assert key == "bottleneck-32s4-2x16b0.25g2s2-2x128b0.5g4s1-2x128b0.25g2"
    assert spaces.encode(spaces.choices(key)) == spaces.parse(key) == key
    sides = [m.shape[-1] for m in spaces.build(key, (3, 64, 64), 10).eval().features(torch.zeros(1, 3, 64, 64))]
    assert sides == [4, 8, 8]


def test_sizes_of_the_families() -> None:
    """Table 1 of the paper."""
    assert space("ResNet").size() == space("Vanilla").size() == 1_259_712
    assert space("ResNeXt-A").size() == 11_390_625
    assert space("ResNeXt-B").size() == 52_734_375


def test_every_draw_of_resnext_is_valid() -> None:
    for family in ("ResNeXt-A", "ResNeXt-B"):
        spaces = space(family)
        choices = spaces.choices(spaces.largest())
        values = spaces.parameters()
        for width, ratio, groups in itertools.product(values["width_1"], values["ratio_1"], values["groups_1"]):
            spaces.encode({**choices, "width_1": width, "ratio_1": ratio, "groups_1": groups})


@pytest.mark.parametrize(
    ("notation", "says"),
    [
        ("", "not a residual network"),
        (3, "not a residual network"),
        ("basic-16-1x16-1x16-1x16", "has bottleneck blocks, not basic"),
        ("bottleneck-16-1x16-1x16-1x16", "not a stage of bottleneck"),
        ("bottleneck-16-1x16b1g1-1x16b1g1", "2 stages"),
        ("bottleneck-16-1x16b1g1-1x16b1g1-1x16b1g1-1x16b1g1", "4 stages"),
        ("bottleneck-16-1x16b1g3-1x16b1g1-1x16b1g1", "3 groups of 16"),
        ("bottleneck-16-1x16b1g0-1x16b1g1-1x16b1g1", "0 groups"),
        ("bottleneck-16-1x16b0g1-1x16b1g1-1x16b1g1", "multiplier of 0"),
        ("bottleneck-16-1x0b1g1-1x16b1g1-1x16b1g1", "width 0"),
        ("bottleneck-16-0x16b1g1-1x16b1g1-1x16b1g1", "0 blocks"),
        ("bottleneck-16s3-1x16b1g1-1x16b1g1-1x16b1g1", "stem of stride 3"),
        ("bottleneck-0-1x16b1g1-1x16b1g1-1x16b1g1", "stem of width 0"),
        ({"net": None}, "net is no record"),
        ({"block_type": "res_block"}, "block_type"),
        (net([1, 2, 2], [64, 16, 128, 128], [1, 1, 1, 1], [1, 1, 1, 1]), "differ in length"),
        (net([1, 2, 2, 2.5], [64, 16, 128, 128], [1, 1, 1, 1], [1, 1, 1, 1]), "2.5"),
        (net([1, 2, 2, 2], [64, 16, 128, 128], [1, 1, 1, "x"], [1, 1, 1, 1]), "bot_muls has 'x'"),
        (net([1, 2, 2, 2], [64, 16, 128, 128], [1, 1, 1, float("nan")], [1, 1, 1, 1]), "bot_muls has nan"),
        (net([1, 2, 2, 2], [64, 16, 128, 128], [1, 1, 1, 1], []), "num_gs"),
    ],
)
def test_what_is_wrong_is_said(notation: object, says: str) -> None:
    with pytest.raises(InvalidArchitecture, match=says) as raised:
        space().parse(notation)
    assert raised.value.hint


@given(
    st.sampled_from(FAMILIES),
    st.sampled_from(("cifar", "imagenet")),
    st.integers(0, 10**6),
    st.sampled_from(
        (Fidelity(width=0.1, depth=0.1), Fidelity(width=0.3, depth=0.2), Fidelity(width=0.001, depth=0.05))
    ),
    st.sampled_from(((3, 17, 16), (2, 40), (1, 16, 16, 9))),
)
@settings(max_examples=20, deadline=None)
def test_features_are_as_stated(family: str, stem: str, seed: int, fidelity: Fidelity, shape: tuple[int, ...]) -> None:
    spaces = space(family, stem=stem)
    network = spaces.build(next(spaces.sample(seed)), shape, 7, fidelity)
    check_maps(network, shape, 7, [1, 2, 4] if stem == "cifar" else [8, 16, 32])


@pytest.mark.parametrize("family", ["ResNet", "Vanilla", "ResNeXt-A", "ResNeXt-B"])
def test_nothing_costs_more_than_the_largest(family: str) -> None:
    spaces, shape = space(family), (3, 32, 32)
    most = count(lambda: spaces.build(spaces.largest(), shape, 10), shape)
    for key in itertools.islice(spaces.sample(3), 8):
        costs = count(functools.partial(spaces.build, key, shape, 10), shape)
        assert costs[0] <= most[0]
        assert costs[1] <= most[1]


def test_traits() -> None:
    traits = space("ResNet").traits("basic-16-1x16-2x32-1x48")
    assert (traits["depth"], traits["blocks.2"], traits["width.3"], traits["width"]) == (4, 2, 48, 32)
    # stem; a block without, one with, one without, one with a projection beside its two convolutions
    assert (traits["paths.shortest"], traits["paths.mean"], traits["paths.longest"]) == (1 + 0 + 1 + 0 + 1, 6, 9)
    plain = space("Vanilla").traits("plain-16-1x16-2x32-1x48")
    assert plain["paths.shortest"] == plain["paths.mean"] == plain["paths.longest"] == 9

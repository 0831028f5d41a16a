"""Keys, records, limits and traits of declared spaces."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from declarations import choose, declared

from eproxyctl.contracts import Fidelity
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.networks.size import count

BLOCKWISE: dict[str, Any] = {
    "stem": {"block": "conv", "channels": 8, "stride": 2},
    "stages": [
        {
            "block": "mbconv",
            "channels": 8,
            "depth": choose(1, 2, 3),
            "expansion": choose(1, 4, 6),
            "kernel": choose(5, 3),
            "squeeze": choose(True, False),
            "each": "block",
        },
        {"block": choose("basic", "bottleneck"), "channels": choose(16, 24), "stride": 2, "ratio": choose(0.25, 0.5)},
    ],
}


def test_a_key_names_live_choices_only_and_does_not_depend_on_how_the_declaration_is_written() -> None:
    space = declared(BLOCKWISE)
    key = "d2:e4k3s0:e6k5s1-bbottleneck~c16r0.25"
    assert space.parse(key) == key
    stage = BLOCKWISE["stages"][0]
    shuffled = dict(reversed(stage.items())) | {"expansion": choose(6, 1, 4), "depth": {"from": 1, "to": 3}}
    again = declared({"stages": [shuffled, BLOCKWISE["stages"][1]], "stem": BLOCKWISE["stem"]})
    assert again.choices(key) == space.choices(key)
    assert list(itertools.islice(again.sample(3), 20)) == list(itertools.islice(space.sample(3), 20))
    assert space.choices(key)["stage1.block3.kernel"] == 3
    assert space.parse("d1:e1k3s0-bbasic~c16") == "d1:e1k3s0-bbasic~c16"


@pytest.mark.parametrize(
    "key",
    [
        "d2:e4k3s0-bbasic~c16",
        "d1:e4k3s0:e4k3s0-bbasic~c16",
        "d1:e5k3s0-bbasic~c16",
        "d1:e4k3-bbasic~c16",
        "d1:e4k3s0-bbasic~c16r0.25",
        "d1:e4k3s0",
        "d1:e4k3s0x-bbasic~c16",
        "",
    ],
)
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidArchitecture):
        declared(BLOCKWISE).parse(key)


def test_a_space_of_one_architecture_has_a_key() -> None:
    space = declared({"stages": [{"block": "conv", "channels": 8}]})
    assert list(space.sample(0)) == list(space.keys() or ()) == [space.largest()] == ["only"]
    assert space.size() == 1


def test_size_counts_what_can_be_listed() -> None:
    stages = [
        {"block": "mbconv", "depth": choose(1, 2), "kernel": choose(3, 5), "expansion": choose(2, 3), "each": "block"}
    ]
    space = declared({"stages": [*stages, {"block": "conv", "channels": choose(8, 16)}]})
    assert space.size() == (4 + 16) * 2 == len(set(space.keys() or ())) == len(list(space.sample(0)))


def test_a_space_of_ten_to_the_twenty_is_not_enumerated() -> None:
    stage = {
        "block": "mbconv",
        "depth": choose(1, 8),
        "kernel": choose(3, 5, 7),
        "expansion": choose(3, 6),
        "each": "block",
    }
    space = declared({"stages": [{**stage, "channels": c, "stride": 2} for c in (16, 32, 64, 128)]})
    assert (space.size() or 0) > 10**20
    assert space.keys() is None
    assert set(space.largest().replace("-", ":").split(":")) == {"d8", "e6k7"}


RECORD = {
    "stages": [
        {"depth": 2, "expansion": [4, 6, 1], "kernel": [3, 5, 3], "squeeze": [False, True, True]},
        {"block": "bottleneck", "channels": 16, "ratio": 0.25},
    ],
    "accuracy": 93.1,
}
FLAT = {
    "depth": [2],
    "expand": [4, 6],
    "kernel": [3, 5],
    "squeeze": [False, True],
    "block": "bottleneck",
    "channels": 16,
    "ratio": 0.25,
}


@pytest.mark.parametrize("record", [RECORD, FLAT, json.dumps(RECORD), {"stage1": RECORD["stages"][0], **FLAT}])
def test_records_of_tables_are_read(record: object) -> None:
    space = declared({**BLOCKWISE, "columns": {"expansion": "expand"}})
    assert space.parse(record) == "d2:e4k3s0:e6k5s1-bbottleneck~c16r0.25"


def test_a_record_that_lacks_a_choice_says_which() -> None:
    with pytest.raises(InvalidArchitecture, match=r"stage1: 'expansion' cannot be None"):
        declared(BLOCKWISE).parse({"stages": [{**RECORD["stages"][0], "expansion": [4]}, RECORD["stages"][1]]})


def test_a_shared_choice_is_one_choice_everywhere() -> None:
    space = declared(
        {
            "choices": {"width": choose(8, 16)},
            "stem": {"block": "conv", "channels": {"use": "width"}},
            "stages": [{"block": "basic", "channels": {"use": "width", "times": n}, "stride": 2} for n in (1, 2, 4)],
        }
    )
    assert dict(space.parameters()) == {"width": (8, 16)}
    assert sorted(space.sample(0)) == ["w16", "w8"]
    assert space.build("w16", (3, 16, 16), 4).channels == (64, 32, 16)


CONDITIONAL: dict[str, Any] = {
    "stages": [
        {
            "block": choose("mbconv", "identity"),
            "kernel": choose(3, 5),
            "expansion": {**choose(2, 3), "when": {"kernel": 5}, "otherwise": 6},
            "depth": choose(1, 2),
            "each": "block",
        }
    ]
}


def test_a_choice_is_made_only_where_its_condition_holds() -> None:
    space = declared(CONDITIONAL)
    keys = set(itertools.islice(space.sample(0), 4 + 4**2))
    assert keys >= {"d1:bmbconv~k3", "d1:bmbconv~k5e2", "d2:bidentity:bmbconv~k5e3"}
    assert keys == set(space.keys() or ())
    three = count(lambda: space.build("d1:bmbconv~k3", (3, 8, 8), 2), (3, 8, 8))
    six = declared({"stages": [{"block": "mbconv", "expansion": 6}]})
    assert three == count(lambda: six.build("only", (3, 8, 8), 2), (3, 8, 8))


def test_identities_vanish() -> None:
    space = declared(CONDITIONAL)
    assert space.canonical("d2:bidentity:bmbconv~k3") == space.canonical("d1:bmbconv~k3")
    assert space.canonical("d2:bmbconv~k3:bmbconv~k3") != space.canonical("d1:bmbconv~k3")
    assert space.canonical("d1:bmbconv~k5e2") != space.canonical("d1:bmbconv~k5e3")
    assert space.traits("d2:bidentity:bmbconv~k5e3")["depth"] == 1


LIMITED: dict[str, Any] = {
    "stages": [{"block": "basic", "channels": {"from": 8, "to": 64, "step": 8}, "stride": 2} for _ in range(3)],
    "limits": {
        "params": 60_000,
        "shape": [3, 32, 32],
        "outputs": 10,
        "rules": ["stage1.channels <= stage2.channels", "stage2.channels < stage3.channels", "stage1.channels > 8"],
    },
}


def test_limits_hold_for_all_that_is_drawn_parsed_and_largest() -> None:
    space = declared(LIMITED)
    keys = [*space.sample(0)]
    assert space.largest() in keys
    assert 3 < len(keys) < 8**3
    for key in keys:
        a, b, c = (int(term[1:]) for term in key.split("-"))
        assert 8 < a <= b < c
        assert space.params_and_macs(key, (3, 32, 32), 10)[0] <= 60_000
    for wrong in ("c64-c64-c64", "c16-c8-c24", "c8-c8-c16"):
        with pytest.raises(InvalidArchitecture, match="the limits of the space leave this architecture out"):
            space.parse(wrong)


def test_traits_add_up_over_blocks() -> None:
    traits = declared(BLOCKWISE).traits("d2:e4k3s0:e6k5s1-bbottleneck~c16r0.25")
    assert traits["depth"] == 3
    assert traits["depth.1"] == 2
    assert traits["width"] == pytest.approx((8 + 8 + 16) / 3)
    assert traits["sum.expansion"] == 10
    assert traits["count.expansion_6"] == traits["count.squeeze_1"] == 1
    assert traits["kind.bottleneck"] == 1
    assert traits["kind.basic"] == 0
    assert traits["channels.stage2"] == 16


def test_a_shrunk_network_has_fewer_blocks_and_channels() -> None:
    space = declared(BLOCKWISE)
    half = Fidelity.model_validate({"width": 0.5, "depth": 0.5})
    key = space.largest()
    full, less = (count(lambda f=f: space.build(key, (3, 16, 16), 4, f), (3, 16, 16)) for f in (Fidelity(), half))  # type: ignore[misc]
    assert less[0] < full[0]
    assert less[1] < full[1]


def test_a_block_that_does_not_fit_is_no_architecture() -> None:
    space = declared(
        {
            "stem": {"block": "patch", "size": 4, "channels": choose(12, 16)},
            "stages": [{"block": "vit", "depth": 2, "heads": choose(2, 3)}],
        }
    )
    assert set(space.sample(0)) == {"c12-h2", "c12-h3", "c16-h2"}
    with pytest.raises(InvalidArchitecture, match="3 heads do not divide 16 channels"):
        space.parse("c16-h3")

"""Declared networks are the published ones, to the parameter, and their sizes are known without building them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from declarations import KNOWN, choose, declared

from eproxyctl.networks.size import count

IMAGE = (3, 224, 224)


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_network_has_its_published_size(name: str) -> None:
    fields, params, macs = KNOWN[name]
    space = declared(fields)
    key = space.largest()
    found = count(lambda: space.build(key, IMAGE, 1000), IMAGE)
    assert found[0] == params
    assert found[1] == pytest.approx(macs, rel=0.02)
    assert space.params_and_macs(key, IMAGE, 1000) == found


MIXED: dict[str, dict[str, Any]] = {
    "convolutions": {
        "stem": {"block": "conv", "channels": choose(8, 16), "kernel": choose(2, 3), "stride": 2},
        "stages": [
            {
                "block": choose("mbconv", "fused_mbconv", "identity", "separable"),
                "expansion": choose(1, 2.5),
                "kernel": choose(3, 5),
                "squeeze": choose(False, 0.25),
                "normalisation": choose("batch", "layer", "group", "none"),
                "activation": choose("relu", "none", "gelu"),
                "depth": choose(1, 2),
                "each": "block",
            },
            {"block": "bottleneck", "channels": 24, "stride": 2, "group_width": choose(4, 8), "ratio": choose(0.5, 1)},
            {"block": choose("basic", "convnext"), "channels": 20, "stride": 2, "scale": choose(0, 1), "depth": 2},
        ],
        "head": {"channels": choose(16, 32), "norm": choose("none", "layer"), "normalisation": choose("none", "batch")},
    },
    "tokens": {
        "stem": {
            "block": "patch",
            "size": choose(4, 8),
            "channels": choose(12, 24),
            "class_token": choose(False, True),
        },
        "stages": [
            {
                "block": choose("vit", "mixer"),
                "heads": choose(1, 3),
                "head_width": 5,
                "ratio": choose(2, 3.5),
                "token_ratio": choose(0.5, 1),
                "depth": choose(1, 3),
                "scale": 0.1,
                "each": "block",
            },
            {"block": "patch", "size": 2, "channels": 16, "positions": choose(False, True)},
            {"block": choose("vit", "basic"), "heads": choose(2, 4), "qkv_bias": choose(False, True), "depth": 2},
        ],
        "head": {"norm": "layer", "channels": choose(8, 9)},
    },
}


@pytest.mark.parametrize("name", MIXED)
@pytest.mark.parametrize("shape", [(3, 21), (3, 16, 19), (1, 8, 9, 8)], ids=["1-D", "2-D", "3-D"])
def test_sizes_are_those_of_the_built_network(name: str, shape: tuple[int, ...]) -> None:
    space = declared(MIXED[name])
    for key in itertools.islice(space.sample(len(shape)), 25):
        assert space.params_and_macs(key, shape, 7) == count(lambda key=key: space.build(key, shape, 7), shape), key  # type: ignore[misc]

"""What holds of every built-in space, whatever its architectures are."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eproxyctl import plugins
from eproxyctl.contracts import Fidelity, Space
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.testing import SpaceConformance
from eproxyctl.testing.observed import SHAPES, built

REGISTRY = plugins.load_plugins(plugins.Sources(installed=False))
VARIANTS: dict[str, dict[str, Any]] = {
    "nasbench201": {"kind": "nasbench201", "channels": 8, "cells": 2},
    "nasbench101": {"kind": "nasbench101", "channels": 120},
    **{f"nds {f}": {"kind": "nds-cells", "family": f} for f in ("DARTS", "ENAS_in", "PNAS", "NASNet_in", "Amoeba")},
    **{f"nds {f}": {"kind": "nds-residual", "family": f} for f in ("Vanilla", "ResNet", "ResNeXt-A_in", "ResNeXt-B")},
    "darts": {"kind": "darts"},
    "transnasbench101 micro": {"kind": "transnasbench101", "level": "micro", "stem_stride": 1},
    "transnasbench101 macro": {"kind": "transnasbench101", "level": "macro", "stem_stride": 1},
    "nasbench-mr": {"kind": "nasbench-mr", "stem_stride": 1},
    "nasbench-nlp": {"kind": "nasbench-nlp", "width": 80, "embedding": 60},
    "mobilenet": {"kind": "mobilenet", "stem_stride": 1},
    "declared": {"kind": "declared"},
    "declared with identities": {
        "kind": "declared",
        "choices": {"wide": {"choose": [16, 24]}},
        "stem": {"block": "conv", "channels": {"use": "wide"}},
        "stages": [
            {
                "block": {"choose": ["mbconv", "basic", "identity"]},
                "kernel": {"choose": [3, 5]},
                "expansion": {"choose": [2, 4], "when": {"kernel": 3}},
                "depth": {"choose": [1, 2, 3]},
                "each": "block",
            },
            {
                "block": "bottleneck",
                "channels": {"use": "wide", "times": 2},
                "stride": 2,
                "ratio": {"choose": [0.5, 1]},
            },
            {"block": "mbconv", "depth": {"choose": [0, 2]}, "kernel": {"choose": [3, 5]}, "squeeze": True},
        ],
    },
    "declared transformers": {
        "kind": "declared",
        "stem": {"block": "patch", "size": 4, "channels": {"choose": [24, 48]}, "class_token": True},
        "stages": [
            {
                "block": {"choose": ["vit", "mixer"]},
                "depth": {"choose": [3, 4, 5]},
                "heads": {"choose": [2, 3]},
                "ratio": {"choose": [2, 3.5]},
                "each": "block",
            }
        ],
        "head": {"norm": "layer", "pool": "class"},
        "limits": {"params": 90_000, "shape": [3, 16, 16], "outputs": 5, "rules": ["depth >= 4"]},
    },
}
SPACES: dict[str, Space] = {
    name: REGISTRY.create("space", REGISTRY.get("space", fields["kind"]).options.model_validate(fields))
    for name, fields in VARIANTS.items()
}

NLP_TWINS = [
    ("lin.x.h0-tanh.1-lin.x.h1~2.3", "lin.x.h0-tanh.1~2"),
    ("lin.x.h0-tanh.1-tanh.1-sum.2.3~4", "lin.x.h0-tanh.1-sum.2.2~3"),
]
"""With a dead output; with one node twice."""


class TestEverySpace(SpaceConformance):
    examples = 2

    @pytest.fixture(autouse=True, params=SPACES)
    def _chosen(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param
        if self.name == "nasbench101":  # 60 channels: where vertices cannot share equally, their order matters
            self.small = Fidelity.model_validate({"width": 0.5, "depth": 0.2})

    def shape(self, rank: int) -> tuple[int, ...]:
        return (6, 5) if self.name == "nasbench-nlp" else super().shape(rank)

    def space(self) -> Space:
        return SPACES[self.name]

    def twins(self, space: Space) -> list[tuple[str, str]]:
        if self.name in ("transnasbench101 macro", "declared", "declared transformers"):
            return []  # every key is a network of its own
        if self.name == "nasbench-nlp":
            return NLP_TWINS
        if self.name.startswith("nds"):
            return [(key, exchanged(space, key)) for key in itertools.islice(space.sample(0), self.examples)]
        return super().twins(space)


def exchanged(space: Space, key: str) -> str:
    """The same cell, the two terms of its first node written the other way round."""
    choices = space.choices(key)
    turned = {name: choices[name.replace("2a", "2b") if "2a" in name else name.replace("2b", "2a")] for name in choices}
    return space.encode(turned)


@pytest.mark.parametrize("name", SPACES)
def test_a_network_for_scoring_draws_no_values(name: str) -> None:
    space = SPACES[name]
    before = torch.get_rng_state()
    built(space, space.largest(), SHAPES[space.ranks[0]], TestEverySpace.small)
    assert torch.get_rng_state().equal(before)


def test_no_built_in_space_is_left_out() -> None:
    assert {fields["kind"] for fields in VARIANTS.values()} == set(REGISTRY.kinds("space"))


@pytest.mark.parametrize("kind", REGISTRY.kinds("space"))
def test_the_example_is_an_architecture_of_the_space_as_it_is_by_default(kind: str) -> None:
    space = REGISTRY.create("space", REGISTRY.get("space", kind).options.model_validate({}))
    assert space.parse(space.example) == space.example


@pytest.mark.parametrize("name", SPACES)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_keys_of_any_seed_round_trip_and_may_have_space_around_them(name: str, seed: int) -> None:
    space = SPACES[name]
    key = next(space.sample(seed))
    assert space.parse(f" {key}\n") == key
    assert space.encode(space.choices(key)) == key


def test_where_one_choice_is_not_enough_several_are_changed() -> None:
    space = SPACES["nasbench101"]
    empty = space.parse("out~0")
    assert space.canonical(space.mutate(empty, random.Random(0))) != space.canonical(empty)


def test_a_space_of_one_has_no_mutation() -> None:
    options = REGISTRY.get("space", "nasbench201").options.model_validate({})

    class One(type(REGISTRY.create("space", options))):  # type: ignore[misc]
        def canonical(self, key: str) -> str:
            return ""

    space = One(options)
    with pytest.raises(InvalidArchitecture, match="no change of choices"):
        space.mutate(space.example, random.Random(0))

"""What holds of every built-in space, whatever its architectures are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eproxyctl import plugins
from eproxyctl.contracts import Fidelity, Space
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.networks.size import as_module, materialise

REGISTRY = plugins.load(plugins.Sources(installed=False))
IMAGE, SEQUENCE = (3, 16, 16), (6, 5)
TINY = Fidelity.model_validate({"width": 0.1, "depth": 0.2})
VARIANTS: dict[str, dict[str, Any]] = {
    "nasbench201": {"kind": "nasbench201"},
    "nasbench101": {"kind": "nasbench101"},
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
every_space = pytest.mark.parametrize("name", SPACES)
seeds = st.integers(0, 10**6)
few = settings(max_examples=6, deadline=None)


def shape_of(space: Space) -> tuple[int, ...]:
    return IMAGE if 2 in space.ranks else SEQUENCE


def outputs(space: Space, key: str) -> list[torch.Tensor]:
    """Feature maps, then logits, with the weights that a seed gives."""
    network = materialise(lambda: space.build(key, shape_of(space), 5, TINY))
    initialise(as_module(network), "default", generator(0))
    batch = torch.randn(2, *shape_of(space), generator=generator(1))
    with torch.no_grad():
        return [*network.features(batch), network(batch)]


def neighbours(space: Space, key: str, draw: random.Random) -> Iterator[str]:
    """Every valid change of one choice, in a random order."""
    chosen, parameters = space.choices(key), space.parameters()
    moves = [(name, value) for name, values in parameters.items() for value in values if value != chosen.get(name)]
    for name, value in draw.sample(moves, len(moves)):
        try:
            yield space.encode({**chosen, name: value})
        except InvalidArchitecture:
            continue


def test_no_built_in_space_is_left_out() -> None:
    assert {fields["kind"] for fields in VARIANTS.values()} == set(REGISTRY.kinds("space"))


@pytest.mark.parametrize("kind", REGISTRY.kinds("space"))
def test_the_example_is_an_architecture_of_the_space_as_it_is_by_default(kind: str) -> None:
    space = REGISTRY.create("space", REGISTRY.get("space", kind).options.model_validate({}))
    assert space.parse(space.example) == space.example


@every_space
@few
@given(seed=seeds)
def test_keys_are_printable_and_round_trip(name: str, seed: int) -> None:
    space = SPACES[name]
    key = next(space.sample(seed))
    assert key.isascii()
    assert key.isprintable()
    assert " " not in key
    assert space.parse(key) == space.parse(f" {key}\n") == key
    assert space.encode(space.choices(key)) == key
    assert set(space.choices(key)) == set(space.parameters())


@every_space
@few
@given(seed=seeds)
def test_features_have_the_stated_channels_and_finite_values(name: str, seed: int) -> None:
    space = SPACES[name]
    key = next(space.sample(seed))
    *maps, logits = outputs(space, key)
    network = space.build(key, shape_of(space), 5, TINY)
    assert tuple(m.shape[1] for m in maps) == network.channels
    assert all(m.dim() == 1 + len(shape_of(space)) and m.isfinite().all() for m in maps)
    assert logits.shape == (2, 5)
    assert logits.isfinite().all()


@every_space
@few
@given(seed=seeds)
def test_equal_canonical_keys_mean_equal_outputs(name: str, seed: int) -> None:
    space = SPACES[name]
    key = next(space.sample(seed))
    canonical, draw = space.canonical(key), random.Random(seed)
    near = (other for _, other in zip(range(100), neighbours(space, key, draw), strict=False))
    twin = next((other for other in near if other != key and space.canonical(other) == canonical), key)
    for one, two in zip(outputs(space, key), outputs(space, twin), strict=True):
        assert one.equal(two)


@every_space
@few
@given(seed=seeds)
def test_a_mutation_changes_one_choice_and_the_canonical_key(name: str, seed: int) -> None:
    space = SPACES[name]
    key = next(space.sample(seed))
    mutant = space.mutate(key, random.Random(seed))
    assert mutant == space.mutate(key, random.Random(seed))
    assert space.parse(mutant) == mutant
    assert space.canonical(mutant) != space.canonical(key)
    near = set(neighbours(space, key, random.Random(seed)))
    if any(space.canonical(other) != space.canonical(key) for other in near):
        assert mutant in near


@every_space
def test_a_network_for_scoring_draws_no_values(name: str) -> None:
    space = SPACES[name]
    before = torch.get_rng_state()
    materialise(lambda: space.build(space.largest(), shape_of(space), 5, TINY))
    assert torch.get_rng_state().equal(before)


def test_where_one_choice_is_not_enough_several_are_changed() -> None:
    space = SPACES["nasbench101"]
    empty = space.parse("out~0")
    assert {space.canonical(other) for other in neighbours(space, empty, random.Random(0))} == {space.canonical(empty)}
    assert space.canonical(space.mutate(empty, random.Random(0))) != space.canonical(empty)


def test_a_space_of_one_has_no_mutation() -> None:
    options = REGISTRY.get("space", "nasbench201").options.model_validate({})

    class One(type(REGISTRY.create("space", options))):  # type: ignore[misc]
        def canonical(self, key: str) -> str:
            return ""

    space = One(options)
    with pytest.raises(InvalidArchitecture, match="no change of choices"):
        space.mutate(space.example, random.Random(0))

"""Every space that is shipped as a declaration is scored, and so are transformers, by proxies that can."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
import torch

from eproxyctl import plugins
from eproxyctl.contracts import Batches, Fidelity, Seed, Space
from eproxyctl.errors import DataError
from eproxyctl.networks.size import materialise
from eproxyctl.spec.loading import load_spec

ROOT = Path(__file__).parents[3] / "specs" / "spaces"
SPECS = sorted(path.stem for path in ROOT.glob("*.yaml"))
REGISTRY = plugins.load_plugins(plugins.Sources(installed=False))
SMALL = Fidelity.model_validate({"width": 0.25, "depth": 0.25})
SMOOTH = ("autoformer-base", "autoformer-small", "autoformer-tiny", "convnext")
ZERO_COST = (
    "az-nas",
    "fisher",
    "grad_norm",
    "grasp",
    "jacob_cov",
    "l2_norm",
    "naswot",
    "snip",
    "synflow",
    "zen",
    "zico",
)
PROXIES = {"eproxy": {"iterations": 4, "branches": [{}, {}, {}]}} | {kind: {} for kind in ZERO_COST}


def space_of(name: str) -> Space:
    space: Space = REGISTRY.create("space", load_spec(ROOT / f"{name}.yaml", REGISTRY).spec.space)
    return space


@pytest.mark.parametrize("name", SPECS)
def test_what_is_shipped_is_scored_without_silent_divergence(name: str) -> None:
    space = space_of(name)
    shape = (1, 32) if name == "conv1d" else (3, 32, 32)
    values: dict[str, list[float]] = {}
    for kind, fields in PROXIES.items():
        proxy = REGISTRY.create("proxy", REGISTRY.get("proxy", kind).options.model_validate(fields))
        random = torch.Generator().manual_seed(0)
        count = 6 * proxy.needs.batches
        batches = Batches(torch.randn(count, *shape, generator=random), torch.arange(count) % 4)
        for key in itertools.islice(space.sample(0), 3):
            network = materialise(lambda key=key: space.build(key, shape, 4, SMALL))  # type: ignore[misc]
            if kind == "naswot" and name in SMOOTH:
                with pytest.raises(DataError, match="naswot counts rectified units, and this network has none"):
                    proxy.score(network, batches, Seed.of(0, key))
                continue
            values.setdefault(kind, []).append(proxy.score(network, batches, Seed.of(0, key)).value)
    assert {kind for kind, found in values.items() if not all(map(math.isfinite, found))} == set()
    assert {kind for kind, found in values.items() if len(set(found)) < 2} == set()
    assert all(value > -1e6 for value in values["az-nas"])


def test_a_record_of_autoformer_is_read() -> None:
    record = {"layer_num": 12, "embed_dim": [192] * 12, "num_heads": [3, 4] * 6, "mlp_ratio": [3.5, 4.0] * 6, "acc": 75}
    assert space_of("autoformer-tiny").parse(record) == "e192-d12" + ":h3r3.5:h4r4" * 6


@pytest.mark.parametrize(
    ("name", "choices", "params"),
    [
        ("mobilenetv2", {"depth": [2, 3, 4, 3, 3], "expansion": 6, "kernel": 3, "squeeze": False}, 3_504_872),
        ("resnet", {"depth": [3, 4, 6, 3], "ratio": 0.25}, 25_557_032),
        ("convnext", {"depth": [3, 3, 9, 3], "kernel": 7, "expansion": 4}, 28_589_128),
    ],
)
def test_the_network_that_a_spec_names_is_in_its_space(name: str, choices: dict[str, object], params: int) -> None:
    space = space_of(name)
    assert space.params_and_macs(space.parse(choices), (3, 224, 224), 1000)[0] == params  # type: ignore[attr-defined]


def test_nothing_drawn_from_regnets_is_beyond_its_limits() -> None:
    space = space_of("regnet")
    for key in itertools.islice(space.sample(0), 20):
        assert space.params_and_macs(key, (3, 224, 224), 1000)[0] <= 6e6  # type: ignore[attr-defined]


def test_features_of_transformers_are_maps_at_three_depths() -> None:
    space = space_of("autoformer-tiny")
    network = space.build(space.largest(), (3, 64, 48), 4, Fidelity.model_validate({"width": 0.25}))
    maps = network.features(torch.zeros(2, 3, 64, 48))
    assert [tuple(one.shape) for one in maps] == [(2, 64, 4, 3)] * 3
    assert network.channels == (64, 64, 64)

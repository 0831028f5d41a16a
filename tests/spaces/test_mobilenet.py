"""MobileNet: the published counts of three known networks, and the contract of a space."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eproxyctl.contracts import Fidelity
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.networks.counting.mobilenet import MobileStage
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.networks.mobilenet import MobileNet
from eproxyctl.networks.size import as_module, count, materialise
from eproxyctl.spaces.mobilenet import MobileNetSpace, scaled

MNASNET_B1 = "e3k3d3s0-e3k5d3s0-e6k5d3s0-e6k3d2s0-e6k5d4s0-e6k3d1s0"
MNASNET_A1 = "e6k3d2s0-e3k5d3s1-e6k3d4s0-e6k3d2s1-e6k5d3s1-e6k3d1s0"
MOBILENET_V2 = "e6k3d2s0-e6k3d3s0-e6k3d4s0-e6k3d3s0-e6k3d3s0-e6k3d1s0"
A1_CHANNELS = (24, 40, 80, 112, 160, 320)
V2_CHANNELS = (24, 32, 64, 96, 160, 320)
IMAGE = (3, 224, 224)
PARAMETERS = MobileNetSpace(MobileNetSpace.Options()).parameters()
CHOICES = {name: st.sampled_from(values) for name, values in PARAMETERS.items()}


def space(**options: Any) -> MobileNetSpace:
    return MobileNetSpace(MobileNetSpace.Options(**options))


def size(key: str, **options: Any) -> tuple[int, int]:
    return count(lambda: space(**options).build(key, IMAGE, 1000), IMAGE)


@pytest.mark.parametrize(
    ("key", "options", "params", "macs"),
    [
        (MOBILENET_V2, {"channels": V2_CHANNELS}, 3_504_872, 300_774_272),
        (MNASNET_B1, {}, 4_383_312, 314_415_872),
        (MNASNET_A1, {"channels": A1_CHANNELS}, 3_887_038, 311_579_072),
    ],
)
def test_published_networks_are_met_exactly(key: str, options: dict[str, Any], params: int, macs: int) -> None:
    """Sources: torchvision (mobilenet_v2, mnasnet1_0), timm (semnasnet_100); multiply-adds 300.8, 315, 312 million."""
    assert size(key, **options) == (params, macs)


@pytest.mark.parametrize(("width", "params"), [(0.5, 2_218_512), (0.75, 3_170_208)])
def test_width_multiplier_rounds_as_mnasnet_does(width: float, params: int) -> None:
    """torchvision's mnasnet0_5 and mnasnet0_75."""
    assert size(MNASNET_B1, width=width)[0] == params


def test_a_wider_network_has_a_wider_head() -> None:
    """MobileNetV2 1.4: 6.11 million parameters, 582 million multiply-adds (Sandler et al., table 4)."""
    params, macs = size(MOBILENET_V2, channels=V2_CHANNELS, width=1.4)
    assert (params, round(macs / 1e6)) == (6_108_776, 582)


def test_mobilenet_v2_from_its_block_list() -> None:
    table = [(16, 1, 1, 1), (24, 2, 6, 2), (32, 2, 6, 3), (64, 2, 6, 4), (96, 1, 6, 3), (160, 2, 6, 3), (320, 1, 6, 1)]
    stages = [MobileStage(c, stride, expansion, 3, depth) for c, stride, expansion, depth in table]
    built = count(lambda: MobileNet(IMAGE, 1000, stem=32, stem_stride=2, stages=stages, head=1280), IMAGE)
    assert built[0] == 3_504_872
    assert space(channels=V2_CHANNELS).stages(MOBILENET_V2) == stages


def test_size_is_the_product_of_the_choices() -> None:
    total = 1
    for values in space().parameters().values():
        total *= len(values)
    assert space().size() == total == 12_230_590_464


@settings(max_examples=50, deadline=None)
@given(st.fixed_dictionaries(CHOICES))
def test_round_trips(choices: dict[str, int]) -> None:
    key = space().encode(choices)
    assert space().choices(key) == choices
    assert space().parse(key) == space().parse(choices) == space().canonical(key) == key
    assert not set(key) & set(", \n\"'")
    assert space().traits(key)["depth"] == sum(choices[f"depth_{stage}"] for stage in range(1, 7))


@settings(max_examples=8, deadline=None)
@given(
    st.fixed_dictionaries(CHOICES),
    st.sampled_from([(1, 64), (3, 32, 32), (1, 16, 16, 16)]),
    st.sampled_from([1, 2]),
)
def test_features_have_the_stated_channels(choices: dict[str, int], shape: tuple[int, ...], stride: int) -> None:
    chosen = space(stem_stride=stride)
    fidelity = Fidelity(width=0.25, depth=0.5)
    network = materialise(lambda: chosen.build(chosen.encode(choices), shape, 7, fidelity))
    initialise(as_module(network), "kaiming_normal", generator(0))
    batch = torch.randn(2, *shape, generator=generator(1))
    maps = network.features(batch)
    assert tuple(m.shape[1] for m in maps) == network.channels
    assert [m.shape[2] for m in maps] == [max(1, shape[1] // stride // by) for by in (16, 8, 2)]
    assert all(torch.isfinite(m).all() for m in maps)
    assert network(batch).shape == (2, 7)


def test_fidelity_keeps_one_block_a_stage() -> None:
    small = space().stages(space().largest(), Fidelity(width=0.01, depth=0.01))
    assert [(stage.channels, stage.depth) for stage in small] == [(8, 1)] * 7


def test_channels_are_rounded_to_eight_and_lose_at_most_a_tenth() -> None:
    assert [scaled(c, 0.75) for c in (16, 24, 32, 320)] == [16, 24, 24, 240]
    assert all(scaled(c, s / 20) >= 0.9 * c * s / 20 for c in range(8, 400) for s in range(1, 40) if s != 20)


@pytest.mark.parametrize(
    "notation",
    [
        "",
        "e6k3d2s0",
        "-".join(["e6k3d2s0"] * 7),
        "-".join(["e5k3d2s0"] * 6),
        "-".join(["e6k3d0s0"] * 6),
        "e6k3d2s0," * 6,
        "{not json",
        "{}",
        {},
        {"expansion_1": 6},
        {"expansionn_1": 6},
        {None: 1},
        None,
        6,
        [6] * 24,
        b"e6k3d2s0",
    ],
)
def test_what_is_no_architecture_is_refused(notation: object) -> None:
    with pytest.raises(InvalidArchitecture):
        space().parse(notation)


@pytest.mark.parametrize("value", [0, 5, 6.0, "6", None, True, [], float("nan")])
def test_a_choice_outside_its_values_is_refused(value: Any) -> None:
    choices = space().choices(MNASNET_B1) | {"expansion_1": value}
    with pytest.raises(InvalidArchitecture, match="expansion_1"):
        space().encode(choices)


@pytest.mark.parametrize("options", [{"width": 0}, {"channels": (24, 40)}, {"channels": (0,) * 6}, {"stem_stride": 3}])
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        space(**options)

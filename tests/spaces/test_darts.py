"""DARTS: its notation, its published sizes, and its overlap with the NDS cells."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from published import params

from eproxyctl.errors import InvalidArchitecture
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.spaces.darts import DartsSpace
from eproxyctl.spaces.nds_cells import NdsCellsSpace

DARTS_V2 = """Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),
    ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5],
    reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0),
    ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))"""


def darts(**options: object) -> DartsSpace:
    return DartsSpace(DartsSpace.Options.model_validate(options))


def test_the_published_network_has_its_published_size() -> None:
    """DARTS (second order): 3,349,342 parameters on CIFAR-10; 4,718,752 on ImageNet."""
    cifar = darts()
    assert params(cifar.build(cifar.parse(DARTS_V2), (3, 32, 32), 10, pruned=False)) == 3_349_342
    imagenet = darts(widths=(48,), depths=(14,), stem="imagenet")
    with torch.device("meta"):
        assert params(imagenet.build(imagenet.parse(DARTS_V2), (3, 224, 224), 1000, pruned=False)) == 4_718_752


def test_notation_is_read_in_every_spelling_and_printed() -> None:
    space = darts()
    key = space.parse(DARTS_V2)
    assert key == DartsSpace.example
    assert space.parse(space.notation(key)) == key
    assert space.parse(DARTS_V2.replace("range(2, 6)", "list(range(2, 6))")) == key
    assert space.notation(key).startswith("Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1)")
    assert space.parse({"genotype": DARTS_V2, "width": 16, "depth": 8}) == key.replace("36x20", "16x8")


@pytest.mark.parametrize(
    "text",
    [
        "Genotype(",
        "Genotype()",
        "Genotype[0]",
        "Genotype(normal=__import__('os').system('false'))",
        "Genotype(normal=[('sep_conv_3x3', 0)] * 8, normal_concat=[2], reduce=[], reduce_concat=[2])",
        "Genotype(normal=[x for x in ()], normal_concat=[2], reduce=[], reduce_concat=[2])",
        "Genotype(**{'normal': 1})",
        "Genotype(normal=" + "[" * 5000,
        "Genotype(normal=[('a\x00', 0)])",
        DARTS_V2.replace("dil_conv_3x3", "dil_conv_9x9"),
        DARTS_V2.replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)"),
        DARTS_V2.replace("range(2, 6)", "range(2, 10**9)"),
        DARTS_V2.replace("range(2, 6)", "range(2, 900000000000)"),
        DARTS_V2.replace("range(2, 6)", "[]"),
    ],
)
def test_nothing_is_evaluated_and_the_rest_refused(text: str) -> None:
    with pytest.raises(InvalidArchitecture):
        darts().parse(text)


@given(st.integers(0, 10**6), st.sampled_from(("cifar", "imagenet")))
@settings(max_examples=10, deadline=None)
def test_networks_are_those_of_the_nds_cells(seed: int, stem: str) -> None:
    space = darts(widths=(8,), depths=(4,), stem=stem)
    cells = NdsCellsSpace(NdsCellsSpace.Options(family="DARTS", stem=stem))
    key = next(space.sample(seed))
    assert cells.parse(key) == key
    assert cells.canonical(key) == space.canonical(key)
    assert cells.choices(key) == {**space.choices(key), "width": 8, "depth": 4}
    networks = [s.build(key, (3, 32, 32), 10, pruned=pruned) for s in (space, cells) for pruned in (False, True)]
    for network in networks:
        initialise(network, "kaiming_uniform", generator(0))
    batch = torch.randn(4, 3, 32, 32, generator=generator(1))
    assert torch.equal(networks[0](batch), networks[2](batch))
    assert torch.equal(networks[1](batch), networks[3](batch))


def test_width_and_depth_are_choices_where_there_are_several() -> None:
    assert len(darts().parameters()) == 32
    space = darts(widths=(16, 36), depths=(8, 14, 20))
    assert space.parameters()["width"] == (16, 36)
    assert space.parameters()["depth"] == (8, 14, 20)
    key = next(space.sample(0))
    assert space.encode(space.choices(key)) == key
    other = darts().choices(key)
    assert darts().encode(other) == key


@pytest.mark.parametrize("options", [{"widths": ()}, {"widths": (0,)}, {"widths": (15,)}, {"depths": (2,)}])
def test_widths_and_depths_that_cannot_be_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        darts(**options)

"""The plugin is found, its keys round-trip, and its networks give the feature maps they promise."""

from pathlib import Path

import torch

from eproxyctl.plugins import Sources, load


def test_plain_is_a_space() -> None:
    registry = load(Sources((str(Path(__file__).parent),), installed=False))
    space = registry.create("space", registry.get("space", "plain").options())
    keys = list(space.keys())
    assert len(keys) == space.size()
    for key in keys:
        assert space.encode(space.choices(key)) == space.parse(key) == key
    network = space.build(space.largest(), (3, 16, 16), 10)
    maps = network.features(torch.zeros(2, 3, 16, 16))
    assert [m.shape[1] for m in maps] == list(network.channels)
    assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 10)

"""What every convolutional network's feature maps must be."""

import torch

from eproxyctl.networks.initialise import generator, initialise


def check_maps(network, shape: tuple[int, ...], outputs: int, divide: list[int]) -> None:  # type: ignore[no-untyped-def]
    """Maps are finite, have the stated channels, and the input's sides divided by `divide`, shallowest first."""
    initialise(network, "xavier_normal", generator(0))
    batch = torch.randn(4, *shape, generator=generator(1))
    maps = network.features(batch)
    assert tuple(m.shape[1] for m in maps) == network.channels
    assert [m.shape[2:] for m in maps[::-1]] == [tuple(-(-n // d) for n in shape[1:]) for d in divide]
    assert all(m.isfinite().all() for m in maps)
    assert network(batch).shape == (4, outputs)

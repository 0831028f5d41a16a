"""What a test sees of a network, of options and of the state that all code of a process shares."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from eproxyctl.contracts import FULL, Fidelity, Options, Space, derive
from eproxyctl.registry import Registry

if TYPE_CHECKING:
    import torch

    from eproxyctl.contracts import Network

SHAPES: Mapping[int, tuple[int, ...]] = {1: (4, 16), 2: (3, 16, 16), 3: (2, 8, 8, 8)}
"""(channels, *spatial) of a small input, by rank."""
OUTPUTS = 5
BATCH = 3


def built(space: Space, key: str, shape: tuple[int, ...], fidelity: Fidelity = FULL, *, pruned: bool = True) -> Network:
    """The network, its values unset."""
    from eproxyctl.networks.size import materialise

    return materialise(lambda: space.build(key, shape, OUTPUTS, fidelity, pruned=pruned))


def responses(network: Network, shape: tuple[int, ...]) -> list[torch.Tensor]:
    """Feature maps, then logits, on a random minibatch, in training mode as proxies see them."""
    import torch

    from eproxyctl.networks.initialise import generator
    from eproxyctl.networks.size import as_module

    kind = next((p.dtype for p in as_module(network).parameters()), torch.float32)
    batch = torch.randn(BATCH, *shape, generator=generator(1)).to(kind)
    as_module(network).train()
    with torch.no_grad():
        return [*network.features(batch), network(batch)]


def seeded(network: Network) -> Network:
    """The network with the weights that a seed gives, in the order in which layers were registered."""
    from eproxyctl.networks.initialise import generator, initialise
    from eproxyctl.networks.size import as_module

    initialise(as_module(network), "default", generator(0))
    return network


def tied(network: Network) -> Network:
    """The network in float64, with values that depend on a layer's kind and shape only and are equal for all inputs.

    A network and the same without its dead parts thus have the same weights, wherever those stand, and the order in
    which maps are joined does not matter.
    """
    import torch
    from torch import nn
    from torch.nn.modules.conv import _ConvNd

    from eproxyctl.networks.initialise import generator, initialise
    from eproxyctl.networks.size import as_module

    for layer in as_module(network).double().modules():
        shapes = [tuple(p.shape) for p in layer.parameters(recurse=False)]
        if isinstance(layer, _ConvNd | nn.Linear):
            out, _, *kernel = layer.weight.shape
            random = generator(derive(type(layer).__name__, out, kernel, getattr(layer, "groups", 1)))
            values = torch.rand(out, 1, *kernel, generator=random, dtype=torch.double) - 0.4
            layer.weight.data = values.expand_as(layer.weight).clone()
            if layer.bias is not None:
                layer.bias.data.zero_()
        elif shapes:
            initialise(layer, "default", generator(derive(type(layer).__name__, shapes)))
    return network


def same(one: list[torch.Tensor], two: list[torch.Tensor]) -> bool:
    """Whether two networks answered alike, bit for bit; NaN equals NaN."""
    import torch

    return len(one) == len(two) and all(
        a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(one, two, strict=True)
    )


@contextmanager
def global_state_unchanged(what: str) -> Iterator[None]:
    """Raises AssertionError where the body changed a global random state, torch's threads or its gradient mode."""
    import numpy as np
    import torch

    def state() -> tuple[object, ...]:
        numbers = np.random.get_state(legacy=False)
        return (
            random.getstate(),
            repr(numbers),
            torch.get_rng_state().numpy().tobytes(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
        )

    before = state()
    yield
    names = ("random's state", "numpy's random state", "torch's random state", "torch's threads")
    for name, old, new in zip((*names, "torch's gradient mode", "torch's dtype"), before, state(), strict=True):
        assert old == new, f"{what} changed {name}, which all code shares: use its own, or put it back"


def check_options(options: Options, registry: Registry) -> None:
    """Raises AssertionError where options do not come back from their JSON, as they must in every worker."""
    text = options.model_dump_json()
    again = type(options).model_validate_json(text, context=registry)
    same_values = again.model_dump() == options.model_dump()
    assert same_values, f"{type(options).__name__} comes back from its JSON as another: {text}"

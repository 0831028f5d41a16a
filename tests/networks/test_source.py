"""Networks written as source: only torch is needed, parameters keep their names, outputs are equal."""

from __future__ import annotations

import ast
from itertools import islice

import pytest
import torch
from torch import nn

from eproxyctl import plugins
from eproxyctl.contracts import Space
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.networks.size import as_module, materialise
from eproxyctl.networks.source import source
from eproxyctl.networks.tracing import Unsupported

SHAPES = {1: (3, 24), 2: (3, 32, 32), 3: (2, 8, 8, 8)}
REGISTRY = plugins.load_plugins(plugins.Sources((), installed=False))
CASES = [(kind, rank) for kind in REGISTRY.kinds("space") for rank in REGISTRY.get("space", kind).cls.ranks]


def written(network: nn.Module, shape: tuple[int, ...]) -> tuple[str, nn.Module]:
    text = source(network, shape, "A network.")
    space: dict[str, type[nn.Module]] = {"__name__": "written"}  # type: ignore[dict-item]
    exec(text, space)  # noqa: S102
    return text, space["Network"]().eval()


@pytest.mark.parametrize(("kind", "rank"), CASES)
def test_the_written_network_is_the_same_function(kind: str, rank: int) -> None:
    entry, shape = REGISTRY.get("space", kind), SHAPES[rank]
    space: Space = entry.cls(entry.options.model_validate({"kind": kind}))
    key = next(islice(space.sample(rank), 1))
    with torch.device("meta"):
        bare = as_module(space.build(key, shape, 7))
    text, copy = written(bare, shape)
    imported = {
        alias.name.split(".")[0] for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Import) for alias in n.names
    }
    assert imported <= {"torch"}
    assert "eproxyctl" not in text
    network = as_module(materialise(lambda: space.build(key, shape, 7)))
    initialise(network, "default", generator(0))
    network.eval()
    assert list(copy.state_dict()) == list(network.state_dict())
    copy.load_state_dict(network.state_dict())
    for size in (1, 3):
        inputs = torch.randn(size, *shape, generator=generator(size))
        with torch.no_grad():
            torch.testing.assert_close(copy(inputs), network(inputs), rtol=1e-4, atol=1e-5)


class Odd(nn.Module):
    """Parameters and buffers of its own, several outputs inside, a slice, numbers of the batch, a part never run."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(4))
        self.register_buffer("shift", torch.empty(4))
        self.parts = nn.ModuleDict({"a b": nn.Identity(), "0": nn.Conv2d(1, 4, (3, 1), padding="same")})
        self.never = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.parts["0"](self.parts["a b"](x))
        first, second = x.chunk(2, dim=1)
        joined = torch.cat([second, first - 2 * second], dim=1)[:, :, 1:, :-1]
        total = joined.reshape(len(x) * 4, -1).sum(1).view(x.shape[0], 4)
        return total * self.scale + (total.new_ones((2 * len(x), 4))[: len(x)] - self.shift) ** 2


def test_weights_of_its_own_slices_and_the_batch() -> None:
    with torch.device("meta"):
        bare = Odd()
    text, copy = written(bare, (1, 6, 6))
    network = Odd().eval()
    for value in network.state_dict().values():
        value.normal_(generator=generator(1))
    copy.load_state_dict(network.state_dict())
    for size in (1, 4):
        inputs = torch.randn(size, 1, 6, 6, generator=generator(2))
        torch.testing.assert_close(copy(inputs), network(inputs))
    assert "batch = x.shape[0]" in text


class Wild(nn.Module):
    """Draws a tensor from nowhere."""

    constant = torch.ones(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.constant.to(x.device)


def test_what_cannot_be_written_is_said() -> None:
    with pytest.raises(Unsupported, match="Wild uses a tensor that is none of its own"):
        source(Wild(), (3,), "")

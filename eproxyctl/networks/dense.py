"""A network with an output at every place of its input: its maps, decoded to the size of the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from eproxyctl.networks.operations import conv, conv_bn_relu
from eproxyctl.networks.size import as_module

if TYPE_CHECKING:
    from eproxyctl.contracts import Network

Size = tuple[int, ...]


class Decoder(nn.Module):
    """Maps, deepest first → [B, outputs, *size].

    The deepest is doubled in size step by step, with a convolution after each step; every other map is added where its
    size is reached, as in feature pyramids (Lin et al., CVPR 2017). Doubled by the nearest neighbour, whose gradient is
    the same bit for bit on a GPU too.

    Args:
        maps: shape (channels, *spatial) of each.
        outputs: channels of the output.
        size: its spatial sides.
        width: channels in between.
    """

    def __init__(self, maps: Sequence[Size], outputs: int, size: Size, width: int) -> None:
        super().__init__()
        rank = len(size)
        self.steps = tuple(_steps([shape[1:] for shape in maps], size))
        self.laterals = nn.ModuleList(conv(rank, shape[0], width, 1, bias=True) for shape in maps)
        self.blocks = nn.ModuleList(conv_bn_relu(rank, width, width, 3) for _ in self.steps)
        self.last = conv(rank, width, outputs, 1, bias=True)

    def forward(self, maps: list[Tensor]) -> Tensor:
        x = self.laterals[0](maps[0])
        for (size, joined), block in zip(self.steps, self.blocks, strict=True):
            if x.shape[2:] != size:
                x = interpolate(x, size)
            if joined:
                x = x + self.laterals[joined](maps[joined])
            x = block(x)
        outputs: Tensor = self.last(x)
        return outputs


def _steps(maps: Sequence[Size], size: Size) -> list[tuple[Size, int]]:
    """The sizes that are gone through, and which map is added at each; 0: none, the deepest is there already."""
    at, steps = maps[0], list[tuple[Size, int]]()
    for i, wanted in [*enumerate(maps[1:], start=1), (0, size)]:
        while at != wanted:
            at = tuple(min(2 * a, b) if a < b else b for a, b in zip(at, wanted, strict=True))
            steps.append((at, 0))
        if i and steps and steps[-1] == (at, 0):
            steps[-1] = (at, i)
        elif i:
            steps.append((at, i))
    return steps


class DenseNetwork(nn.Module):
    """A network without its classifier, and a decoder of its maps.

    Args:
        network: becomes part of this; on the CPU or on the meta device, its values may be unset.
        shape: (channels, *spatial) of one input.
        outputs: channels of the output [B, outputs, *spatial].
        width: of the decoder.
        deepest: use the deepest map only.
    """

    def __init__(self, network: Network, shape: Size, outputs: int, *, width: int = 32, deepest: bool = False) -> None:
        super().__init__()
        self.network, shapes = _backbone(network, shape)
        self.maps = 1 if deepest else len(shapes)
        self.decoder = Decoder(shapes[: self.maps], outputs, shape[1:], width)

    def forward(self, batch: Tensor) -> Tensor:
        outputs: Tensor = self.decoder(self.network(batch)[: self.maps])
        return outputs


def _backbone(network: Network, shape: Size) -> tuple[nn.Module, list[Size]]:
    """The network, which called gives its maps now, without parts that they do not need; and the maps' shapes."""
    module = as_module(network)
    called = set[nn.Module]()
    hooks = [part.register_forward_pre_hook(lambda part, _: called.add(part)) for part in module.modules()]
    training = module.training
    module.eval()
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    maps = network.features(torch.zeros(1, *shape, device=device))
    module.train(training)
    for hook in hooks:
        hook.remove()
    used = _parameters_of(maps, module)
    for name, child in list(module.named_children()):
        if called.isdisjoint(child.modules()) and used.isdisjoint(child.parameters()):
            delattr(module, name)
    module.forward = network.features  # for this one, so that its source has it as well
    return module, [tuple(one.shape[1:]) for one in maps]


def _parameters_of(maps: Sequence[Tensor], module: nn.Module) -> set[nn.Parameter]:
    """The parameters that maps depend on."""
    parameters = list(module.parameters())
    total = torch.stack([one.sum() for one in maps]).sum()
    if not parameters or not total.requires_grad:
        return set()
    gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    return {parameter for parameter, gradient in zip(parameters, gradients, strict=True) if gradient is not None}

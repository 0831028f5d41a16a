"""What the zero-cost proxies read from a network: weights, gradients, intermediate values. Imported inside methods."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.utils._python_dispatch import TorchDispatchMode

from eproxyctl.contracts import Batches
from eproxyctl.networks.blocks.layers import ChannelNorm

Layer = TypeVar("Layer", bound=nn.Module)
aten = torch.ops.aten
RECTIFIERS = {aten.relu.default, aten.relu_.default, aten.hardtanh.default, aten.hardtanh_.default}
SMOOTH = (nn.GELU, nn.SiLU, nn.Hardswish, nn.LeakyReLU)
"""Activations that do not rectify."""


def weighted(module: nn.Module) -> list[_ConvNd | nn.Linear]:
    """Convolutions and linear layers, in the order of registration: those the published saliencies sum over."""
    return [layer for layer in module.modules() if isinstance(layer, _ConvNd | nn.Linear)]


def weights(module: nn.Module) -> list[Tensor]:
    """The weights, not the biases, of `weighted`."""
    return [layer.weight for layer in weighted(module)]


def cross_entropy(module: nn.Module, batches: Batches) -> Tensor:
    """Mean cross-entropy of the logits, a scalar. ValueError where there are no labels."""
    if batches.labels is None:
        raise ValueError("this proxy needs labels, and the task gives none")
    return nn.functional.cross_entropy(module(batches.inputs), batches.labels.to(batches.inputs.device))


def gradients(value: Tensor, tensors: Sequence[Tensor], *, create_graph: bool = False) -> list[Tensor | None]:
    """∂value/∂tensor for each; None where the value does not depend on it. The networks' `grad` stay untouched."""
    return list(torch.autograd.grad(value, tensors, create_graph=create_graph, allow_unused=True))


def dot(a: Tensor, b: Tensor) -> float:
    """Σ aᵢbᵢ in float64."""
    return float((a.detach().double() * b.detach().double()).sum())


@contextmanager
def outputs_of(modules: Iterable[Layer]) -> Iterator[list[tuple[Layer, Tensor]]]:
    """Collects each module and the tensor it returns, in the order they run inside the block; its hooks end with it."""
    outputs: list[tuple[Layer, Tensor]] = []

    def keep(module: Layer, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            outputs.append((module, output))

    handles = [module.register_forward_hook(keep) for module in modules]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def passing(module: nn.Module) -> Iterator[None]:
    """Inside the block the layer and group norms of `module` return their input."""
    norms = [layer for layer in module.modules() if isinstance(layer, nn.LayerNorm | nn.GroupNorm | ChannelNorm)]
    handles = [layer.register_forward_hook(lambda _layer, inputs, _output: inputs[0]) for layer in norms]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class Agreement(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts, inside the block, the rectified units on which two images agree.

    Args:
        images: N, the size of the batch.
        device: where the network is.
        per_convolution: count a rectified map once for each convolution that reads it.

    Attributes:
        counts: [N, N] float64.
    """

    def __init__(self, images: int, device: torch.device, *, per_convolution: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts = torch.zeros(images, images, dtype=torch.float64, device=device)
        self._again = per_convolution
        self._maps: dict[int, tuple[weakref.ref[Tensor], Tensor]] = {}
        self._read: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if self._again and func is aten.convolution.default:
            self._reads(args[0])
        out = func(*args, **(kwargs or {}))
        if func in RECTIFIERS:
            signs = (out > 0).flatten(1).to(torch.float32) * 2 - 1
            agree = (signs.shape[1] + (signs @ signs.T).double()) / 2
            self.counts += agree
            # a map is known by its id, which another tensor may take over once the map is freed
            self._maps[id(out)] = (weakref.ref(out), agree)
            self._read.discard(id(out))
        return out

    def _reads(self, source: Tensor) -> None:
        reference, agree = self._maps.get(id(source), (None, None))
        if reference is None or agree is None or reference() is not source:
            return
        if id(source) in self._read:
            self.counts += agree
        self._read.add(id(source))


class Depth(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows, inside the block, how many multiply-add operations lie one after another before each tensor."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._depths: dict[int, int] = {}
        self._alive: list[Tensor] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        from torch.utils._pytree import tree_leaves
        from torch.utils.flop_counter import flop_registry

        out = func(*args, **(kwargs or {}))
        before = max((self.of(a) for a in tree_leaves((args, kwargs)) if isinstance(a, Tensor)), default=0)
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._depths[id(tensor)] = before + (func._overloadpacket in flop_registry)
                # kept, so that no other tensor takes over its id
                self._alive.append(tensor)
        return out

    def of(self, tensor: Tensor) -> int:
        """Operations on the longest path to `tensor`."""
        return self._depths.get(id(tensor), 0)

"""Parameters and multiply-adds of a network, counted on the meta device: no memory, no arithmetic."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from eproxyctl.networks.operations import values_unset

if TYPE_CHECKING:
    from eproxyctl.contracts import Network

aten = torch.ops.aten
LOOKED_UP = frozenset({aten.convolution.default, aten.relu.default, aten.add.Tensor, aten.avg_pool2d.default})
"""Operations that make a new tensor from shapes alone."""
Built = TypeVar("Built")
Operations = dict[tuple[Any, ...], tuple[Any, int]]
"""What an operation gives, and its flops, by its arguments' shapes."""
MOST_OPERATIONS = 100_000


class _Flops(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up torch's own formula for each operation (two floating-point operations a multiply-add).

    `FlopCounterMode` does the same per module. Here an operation that comes again on equal shapes, as in the equal
    cells of a stage, is looked up: torch's meta kernels are Python, and take most of the time.
    """

    def __init__(self, known: Operations) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0
        self._known = known

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is aten.native_batch_norm.default:
            # its meta kernel is slow, and the output is shaped as the input
            return args[0], args[1], args[1]
        if func not in LOOKED_UP or kwargs:
            return self._run(func, args, kwargs or {})[0]
        key = (func, *map(_shape, args))
        if key not in self._known:
            self._known[key] = self._run(func, args, {})
        else:
            self.total += self._known[key][1]
        return self._known[key][0]

    def _run(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, int]:
        out = func(*args, **kwargs)
        formula = flop_registry.get(func._overloadpacket)
        flops = formula(*args, **kwargs, out_val=out) if formula is not None else 0
        self.total += flops
        return out, flops


def _shape(argument: Any) -> Any:
    """What the shape of an operation's output depends on."""
    if isinstance(argument, torch.Tensor):
        return (argument.shape, argument.stride(), argument.dtype)
    return tuple(argument) if isinstance(argument, list) else argument


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Python's garbage collector, set off by every few layers, walks all of torch: a third of the time to build."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_collector_paused()
def count(
    build: Callable[[], Network | nn.Module], shape: tuple[int, ...], operations: Operations | None = None
) -> tuple[int, int]:
    """Size of the network that `build` makes.

    Multiply-adds are those of convolutions and linear layers. Published `flops` may count more: those of NDS are 1 to
    10 % higher, since their counter adds one for each ReLU and bias, the kernel's area for each pooled value, for
    residual networks four for each normalised value, and takes dilated kernels for undilated ones on a larger map.
    Counted that way, which the tests do, ours equal the published figures.

    Args:
        build: makes the network; called with the meta device as default.
        shape: (channels, *spatial) of one input.
        operations: known from networks counted before, in this process; is added to.

    Returns:
        (params, macs): parameters, classifier included, and multiply-adds of one input.
    """
    with torch.device("meta"), values_unset():
        network = as_module(build())
        inputs = torch.empty(1, *shape)
    network.eval()
    known = {} if operations is None else operations
    if len(known) > MOST_OPERATIONS:
        known.clear()
    with torch.no_grad(), _Flops(known) as flops:
        network(inputs)
    return sum(p.numel() for p in network.parameters()), flops.total // 2


@_collector_paused()
def materialise(build: Callable[[], Built]) -> Built:
    """What `build` makes, on the CPU, its values unset.

    The initialisation that would be overwritten anyway is left out.
    """
    with values_unset():
        return build()


def as_module(network: Network | nn.Module) -> nn.Module:
    """The same object, as the nn.Module it is."""
    if not isinstance(network, nn.Module):
        raise TypeError(f"{type(network).__name__} is not an nn.Module")
    return network

"""What a network does, call by call, for as many of its modules as are not torch's own.

The network is run on the meta device, which costs nothing; every call of a torch function or of a module is noted in
the frame of the module that makes it. Shapes are known while it runs, so any control flow is followed. It is run at two
batch sizes, and a number that changes with them becomes an expression of the batch.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode, resolve_name

SIZES = (5, 7)
"""Batch sizes of the two runs."""


@dataclass(frozen=True)
class Ref:
    """A value made before in the same frame; `item` where it is one of several."""

    step: int
    item: int | None = None


@dataclass(frozen=True)
class Weight:
    """A parameter or buffer, by its name in the frame's module."""

    name: str


@dataclass(frozen=True)
class Batch:
    """A number of `times` the batch size."""

    times: int


@dataclass
class Step:
    """A call: of a function by its full name, or of a submodule by its name in the frame's module."""

    function: str
    module: str | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass
class Frame:
    """One call of a module.

    Attributes:
        module: whose forward it is.
        inputs: shapes of the tensors it takes; they are the values -1, -2, …
        batch: the input and its axis that is the batch.
        steps: what it does, in order.
        output: a Ref, or a list of them.
    """

    module: nn.Module
    inputs: tuple[tuple[int, ...], ...]
    batch: tuple[int, int] = (0, 0)
    steps: list[Step] = field(default_factory=list)
    output: Any = None


class Unsupported(Exception):
    """A network that does what cannot be written down."""


def trace(network: nn.Module, shape: tuple[int, ...]) -> dict[nn.Module, Frame]:
    """The frame of every module that was called and is not torch's own, the network's among them.

    Args:
        network: on the meta device.
        shape: (channels, *spatial) of one input.
    """
    small, large = (_Tracer(network).run(size, shape) for size in SIZES)
    merged = {}
    for module, frame in small.items():
        other = large[module]
        if len(frame.steps) != len(other.steps):
            raise Unsupported(f"{type(module).__name__} does other things for another batch size")
        steps = [
            Step(a.function, a.module, _merge(a.args, b.args), _merge(a.kwargs, b.kwargs))
            for a, b in zip(frame.steps, other.steps, strict=True)
        ]
        merged[module] = Frame(module, frame.inputs, _batch(frame, other), steps, frame.output)
    return merged


def _batch(small: Frame, large: Frame) -> tuple[int, int]:
    """Where the batch size shows in a frame's inputs."""
    for i, shapes in enumerate(zip(small.inputs, large.inputs, strict=True)):
        for axis, sizes in enumerate(zip(*shapes, strict=True)):
            if sizes == SIZES:
                return i, axis
    return 0, 0


def _merge(a: Any, b: Any) -> Any:
    """What is equal in both runs, with numbers that follow the batch size replaced by it."""
    if isinstance(a, dict):
        return {name: _merge(value, b[name]) for name, value in a.items()}
    if isinstance(a, tuple | list) and len(a) == len(b):
        return type(a)(_merge(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, slice):
        return slice(*(_merge(getattr(a, part), getattr(b, part)) for part in ("start", "stop", "step")))
    if type(a) is int and a != b and a * SIZES[1] == b * SIZES[0]:
        return Batch(a // SIZES[0])
    if a != b:
        raise Unsupported(f"{a!r} depends on the batch")
    return a


def torch_base(module: nn.Module) -> type[nn.Module] | None:
    """The class of torch.nn that a module is, or of whose name and meaning it is."""
    for cls in type(module).__mro__:
        if cls.__module__.startswith("torch.nn.modules") and cls.__name__ == type(module).__name__:
            return None if cls is nn.Module else cls
    return None


class _Tracer(TorchFunctionMode):
    """Runs a network once and keeps a frame for each of its modules."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.frames: dict[nn.Module, Frame] = {}
        self.stack: list[tuple[Frame, dict[int, Any]]] = []
        self._names: dict[nn.Module, dict[nn.Module, str]] = {}
        self.kept: list[Any] = []
        self.leaf = 0

    def run(self, batch: int, shape: tuple[int, ...]) -> dict[nn.Module, Frame]:
        """Frames by module."""
        before = register_module_forward_pre_hook(self._enter)
        after = register_module_forward_hook(self._leave)
        try:
            with torch.no_grad(), self:
                self.network(torch.empty(batch, *shape, device="meta"))
        finally:
            before.remove()
            after.remove()
        return self.frames

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if self.stack and not self.leaf and _tensors(out):
            self._note(resolve_name(func) or func.__name__, None, args, _given(func, kwargs or {}), out)
        return out

    def _enter(self, module: nn.Module, args: Any) -> None:
        if self.leaf or self._is_leaf(module, args):
            self.leaf += 1
            return
        tensors = _tensors(args)
        self.kept.append(args)
        frame = Frame(module, tuple(tuple(tensor.shape) for tensor in tensors))
        self.stack.append((frame, {id(tensor): Ref(-1 - i) for i, tensor in enumerate(tensors)}))

    def _leave(self, module: nn.Module, args: Any, out: Any) -> None:
        if self.leaf:
            self.leaf -= 1
            if self.leaf:
                return
        else:
            frame, values = self.stack.pop()
            frame.output = [values[id(t)] for t in _tensors(out)] if isinstance(out, list | tuple) else values[id(out)]
            if module in self.frames and self.frames[module].steps != frame.steps:
                raise Unsupported(f"{type(module).__name__} is called twice and does different things")
            self.frames[module] = frame
        if self.stack:
            name = self._name(module)
            tensors = tuple(_tensors(args)) if module in self.frames else args
            self._note(name, name, tensors, {}, out)

    def _is_leaf(self, module: nn.Module, args: Any) -> bool:
        base = torch_base(module)
        if base is nn.AvgPool3d:  # ours takes maps that are smaller than the window, torch's does not
            return bool(min(args[0].shape[2:]) >= module.kernel_size)
        return base is not None and base is not nn.Sequential

    def _name(self, module: nn.Module) -> str:
        parent = self.stack[-1][0].module
        if parent not in self._names:
            self._names[parent] = {child: name for name, child in parent.named_modules()}
        return self._names[parent][module]

    def _note(self, function: str, module: str | None, args: Any, kwargs: Any, out: Any) -> None:
        frame, values = self.stack[-1]
        if isinstance(out, Tensor) and id(out) in values:
            return
        self.kept.append(out)
        step = Step(function, module, self._refer(tuple(args)), self._refer(kwargs))
        frame.steps.append(step)
        number = len(frame.steps) - 1
        if isinstance(out, Tensor):
            values[id(out)] = Ref(number)
        else:
            for i, tensor in enumerate(out):
                values[id(tensor)] = Ref(number, i)

    def _refer(self, value: Any) -> Any:
        frame, values = self.stack[-1]
        if isinstance(value, Tensor):
            if id(value) in values:
                return values[id(value)]
            owned = [*frame.module.named_parameters(), *frame.module.named_buffers()]
            for name, weight in owned:
                if weight is value:
                    return Weight(name)
            raise Unsupported(f"{type(frame.module).__name__} uses a tensor that is none of its own")
        if isinstance(value, dict):
            return {name: self._refer(item) for name, item in value.items()}
        if isinstance(value, torch.Size):
            return tuple(value)
        if isinstance(value, tuple | list):
            return type(value)(self._refer(item) for item in value)
        if value is None or isinstance(value, bool | int | float | str | slice | torch.dtype):
            return value
        raise Unsupported(f"{value!r} cannot be written down")


def _given(function: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments that are not at their default, which torch fills in."""
    try:
        known = inspect.signature(function).parameters
    except ValueError:
        return kwargs
    return {name: value for name, value in kwargs.items() if name not in known or value is not known[name].default}


def _tensors(value: Any) -> list[Tensor]:
    """The tensors in a value, in order."""
    if isinstance(value, Tensor):
        return [value]
    return [t for item in value for t in _tensors(item)] if isinstance(value, tuple | list) else []

"""A network as Python source that needs torch only: one class for each of its modules that is not torch's own.

Parameters keep their names, so that a state dict of the one fits the other.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from eproxyctl.networks.forward import Forward, call
from eproxyctl.networks.tracing import Frame, torch_base, trace

HEADER = '''"""{text}"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

'''


def source(network: nn.Module, shape: tuple[int, ...], text: str) -> str:
    """Source of a module with a class `Network`, which takes [B, *shape] and gives what `network` gives.

    Args:
        network: on the meta device.
        shape: (channels, *spatial) of one input.
        text: the module's docstring.

    Raises:
        Unsupported: the network does what cannot be written down.
    """
    writer = _Writer(trace(network, shape))
    writer.name(network, "Network")
    body = "\n\n".join(writer.classes.values())
    uses = {"import torch\n": r"\btorch\.", "import torch.nn.functional as F\n": r"\bF\.", "Tensor, ": r"\bTensor\b"}
    header = HEADER.format(text=text)
    for line, pattern in uses.items():
        if not re.search(pattern, body):
            header = header.replace(line, "")
    return header + "\n" + body


class _Writer:
    """Writes the classes of modules, the innermost first, equal ones once."""

    def __init__(self, frames: Mapping[nn.Module, Frame]) -> None:
        self.frames = frames
        self.classes: dict[str, str] = {}
        self._known: dict[tuple[str, str], str] = {}

    def name(self, module: nn.Module, wanted: str) -> str:
        """The name of the class of a module; it is written where it is new."""
        body = self._body(module)
        if (wanted, body) not in self._known:
            number = sum(known == wanted for known, _ in self._known) + 1
            name = wanted if number == 1 else f"{wanted}{number}"
            self._known[wanted, body] = name
            self.classes[name] = f"class {name}(nn.Module):\n{body}"
        return self._known[wanted, body]

    def _body(self, module: nn.Module) -> str:
        lines = ["super().__init__()"]
        for name, parameter in module.named_parameters(recurse=False):
            lines.append(f"self.{name} = nn.Parameter(torch.empty({', '.join(map(str, parameter.shape))}))")
        for name, buffer in module.named_buffers(recurse=False):
            lines.append(f'self.register_buffer("{name}", torch.zeros({", ".join(map(str, buffer.shape))}))')
        lines += [f"self.{name} = {self.constructor(child)}" for name, child in module.named_children()]
        body = "    def __init__(self) -> None:\n" + textwrap.indent("\n".join(lines), " " * 8) + "\n"
        if module in self.frames:
            body += "\n" + textwrap.indent(Forward(self.frames[module]).text(), " " * 4)
        return body

    def constructor(self, module: nn.Module) -> str:
        """The expression that makes a module."""
        children = list(module.children())
        if type(module) in (nn.Sequential, nn.ModuleList):
            items = _repeated([self.constructor(child) for child in children])
            if type(module) is nn.Sequential:
                return call("nn.Sequential", items)
            return call("nn.ModuleList", [call("", items, "[]")] if items else [])
        if type(module) is nn.ModuleDict:
            pairs = [f'"{name}": {self.constructor(child)}' for name, child in module.named_children()]
            return call("nn.ModuleDict", [call("", pairs, "{}")] if pairs else [])
        base = torch_base(module)
        if base is None or module in self.frames:
            return f"{self.name(module, type(module).__name__)}()"
        return call(f"nn.{base.__name__}", list(_arguments(base, module)))


def _repeated(items: list[str]) -> list[str]:
    """Items, with runs of equal ones written once."""
    shown: list[str] = []
    while items:
        run = next((i for i, item in enumerate(items) if item != items[0]), len(items))
        shown += [f"*({items[0]} for _ in range({run}))"] if run > 2 else items[:run]
        items = items[run:]
    return shown


def _arguments(base: type[nn.Module], module: nn.Module) -> Iterator[str]:
    """Arguments of a torch module's constructor; what is at its default is left out."""
    for name, parameter in list(inspect.signature(base.__init__).parameters.items())[1:]:
        if name in ("device", "dtype") or not hasattr(module, name):
            continue
        value = getattr(module, name)
        if name == "bias":
            value = value is not None
        if isinstance(value, tuple) and len(set(value)) == 1:
            value = value[0]
        if parameter.default is inspect.Parameter.empty:
            yield repr(value)
        elif value != parameter.default and not (parameter.default is None and value == _default(module, name)):
            yield f"{name}={value!r}"


def _default(module: nn.Module, name: str) -> Any:
    """What a setting left at None becomes: the stride of a pooling is its window."""
    return getattr(module, "kernel_size", None) if name == "stride" else None

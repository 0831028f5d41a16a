"""The forward method of a traced module, as source."""

from __future__ import annotations

import keyword
import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from eproxyctl.networks.tracing import Batch, Frame, Ref, Step, Weight

WIDTH = 110
OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "matmul": "@"}


def call(name: str, items: list[str], brackets: str = "()") -> str:
    """A call or a display, over several lines where one is not enough."""
    line = ", ".join(items)
    if len(name) + len(line) <= WIDTH - 30 and "\n" not in line:
        return f"{name}{brackets[0]}{line}{brackets[1]}"
    return f"{name}{brackets[0]}\n" + textwrap.indent("".join(f"{item},\n" for item in items), "    ") + brackets[1]


class Forward:
    """Writes a module's forward: a line for each step, short ones inside those that use them."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.needed = self._needed()
        steps = [frame.steps[number] for number in self.needed]
        self.uses = Counter(ref for step in steps for ref in _refs((step.args, step.kwargs)))
        self.uses.update(_refs(frame.output))
        self.text_of: dict[Ref, str] = {}
        self.names: set[str] = set()
        self.batch = False

    def _needed(self) -> list[int]:
        """The steps the output depends on."""
        needed = {ref.step for ref in _refs(self.frame.output)}
        for number in reversed(range(len(self.frame.steps))):
            if number in needed:
                step = self.frame.steps[number]
                needed |= {ref.step for ref in _refs((step.args, step.kwargs))}
        return sorted(number for number in needed if number >= 0)

    def text(self) -> str:
        """The method."""
        count = len(self.frame.inputs)
        inputs = [self._new("x" if count == 1 else f"x{i}") for i in range(count)]
        for i, name in enumerate(inputs):
            self.text_of[Ref(-1 - i)] = name
        lines = [line for number in self.needed for line in self._step(number)]
        several = isinstance(self.frame.output, list)
        outputs = self._value(self.frame.output)
        if self.batch:
            where, axis = self.frame.batch
            lines.insert(0, f"batch = {inputs[where]}.shape[{axis}]")
        returns = "list[Tensor]" if several else "Tensor"
        head = f"def forward(self, {', '.join(f'{name}: Tensor' for name in inputs)}) -> {returns}:\n"
        return head + textwrap.indent("\n".join([*lines, f"return {outputs}"]), "    ") + "\n"

    def _step(self, number: int) -> Iterator[str]:
        step, whole = self.frame.steps[number], Ref(number)
        text = self._expression(step)
        single = self.uses[whole]
        if single == 1 and len(text) <= WIDTH // 2:
            self.text_of[whole] = text
            return
        name = self._new(_base(step))
        self.text_of[whole] = name
        yield f"{name} = {text}"

    def _new(self, base: str) -> str:
        name, number = base, 1
        while name in self.names or keyword.iskeyword(name) or name in ("batch", "self"):
            number += 1
            name = f"{base}_{number}"
        self.names.add(name)
        return name

    def _expression(self, step: Step) -> str:
        args = [self._value(arg) for arg in step.args]
        named = [f"{name}={self._value(value)}" for name, value in step.kwargs.items()]
        if step.module is not None:
            return call(_path(self.frame.module, step.module), args)
        short = step.function.rpartition(".")[2]
        if step.function.startswith("torch.Tensor."):
            if short in OPERATORS and len(args) == 2 and not named:
                left = args[0] if short == "add" else _operand(args[0])
                return f"{left} {OPERATORS[short]} {_operand(args[1])}"
            if short == "__getitem__":
                return f"{_operand(args[0])}[{self._index(step.args[1])}]"
            return call(f"{_operand(args[0])}.{short}", [*args[1:], *named])
        module = "F" if step.function.startswith("torch.nn.functional.") else "torch"
        return call(f"{module}.{short}", [*args, *named])

    def _index(self, value: Any) -> str:
        if isinstance(value, tuple):
            return ", ".join(map(self._index, value))
        if isinstance(value, slice):
            parts = [value.start, value.stop] + ([value.step] if value.step is not None else [])
            return ":".join("" if part is None else self._value(part) for part in parts)
        return self._value(value)

    def _value(self, value: Any) -> str:
        if isinstance(value, Ref):
            return self.text_of[value] if value.item is None else f"{self.text_of[Ref(value.step)]}[{value.item}]"
        if isinstance(value, Weight):
            return _path(self.frame.module, value.name)
        if isinstance(value, Batch):
            self.batch = True
            return "batch" if value.times == 1 else f"{value.times} * batch"
        if isinstance(value, list):
            return call("", list(map(self._value, value)), "[]")
        if isinstance(value, tuple):
            return f"({', '.join(map(self._value, value))}{',' * (len(value) == 1)})"
        return str(value) if isinstance(value, torch.dtype) else f'"{value}"' if isinstance(value, str) else repr(value)


def _refs(value: Any) -> Iterator[Ref]:
    """Values of the frame inside arguments; one of several counts as the whole."""
    if isinstance(value, Ref):
        yield Ref(value.step)
    elif isinstance(value, dict):
        yield from _refs(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _refs(item)


def _path(module: nn.Module, name: str) -> str:
    """How a module reaches one of its parts: `stages.0.norm` → `self.stages[0].norm`."""
    text, at = "self", module
    for part in name.split("."):
        if isinstance(at, nn.ModuleDict):
            text += f'["{part}"]'
        else:
            text += f"[{part}]" if part.isdigit() else f".{part}"
        at = getattr(at, part)
    return text


def _is_operation(text: str) -> bool:
    """Whether an expression has an operator outside all brackets."""
    while (shorter := re.sub(r"[(\[{][^()\[\]{}]*[)\]}]", "", text)) != text:
        text = shorter
    return re.search(r" [-+*/@] ", text) is not None


def _operand(text: str) -> str:
    return f"({text})" if _is_operation(text) else text


def _base(step: Step) -> str:
    """A readable name for what a step makes."""
    if step.module is None:
        return re.sub(r"\W|^_+|_+$", "", step.function.rpartition(".")[2]) or "value"
    parts = step.module.split(".")
    last = max((i for i, part in enumerate(parts) if not part.isdigit()), default=0)
    return "_".join(parts[last:])

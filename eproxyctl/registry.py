"""Which spaces, tasks and proxies there are, and where each came from.

Built-ins and plugins are added by the same call, one module at a time. Two modules that claim one name are both refused
for as long as a spec asks for that name: nothing is ever silently replaced.
"""

from __future__ import annotations

import functools
import inspect
import json
import operator
from abc import ABC
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import BaseModel, Field, SerializeAsAny, ValidationInfo, WithJsonSchema, WrapValidator, create_model

from eproxyctl.contracts import (
    Block,
    Composite,
    Learner,
    Options,
    Proxy,
    ProxyOptions,
    Readable,
    Relative,
    Space,
    Task,
    Trainable,
    Tunable,
)
from eproxyctl.errors import PluginError, SpecError, did_you_mean

Section = Literal["space", "task", "proxy", "block"]
SECTIONS: tuple[Section, ...] = ("space", "task", "proxy")
"""Of a spec; blocks are named inside a declared space."""
CONTRACTS: dict[Section, type] = {"space": Space, "task": Task, "proxy": Proxy, "block": Block}
Model = TypeVar("Model", bound=BaseModel)


CAPABILITIES: dict[Section, tuple[type[ABC], ...]] = {
    "space": (),
    "block": (),
    "task": (Trainable,),
    "proxy": (Tunable, Readable, Composite, Relative, Learner),
}
"""What a class of a section may derive from besides."""


@dataclass(frozen=True)
class Origin:
    """Where a module came from: `eproxyctl`, an entry point, or a plugin file; sha256 is that of the file."""

    name: str
    path: str
    sha256: str
    builtin: bool = False


@dataclass(frozen=True)
class Entry:
    """One space, task, proxy or block that a spec can name."""

    section: Section
    kind: str
    cls: type[Any]
    options: type[Options]
    origin: Origin


@dataclass(frozen=True)
class Broken:
    """A plugin that could not be read: where (file:line), why, and the kinds its text seems to define."""

    origin: Origin
    where: str
    cause: str
    kinds: tuple[str, ...] = ()


@dataclass
class Registry:
    """The kinds known to one command.

    Attributes:
        moved: on another machine, where the copy of each file or folder is that options name.
    """

    entries: dict[tuple[Section, str], Entry] = field(default_factory=dict)
    clashes: dict[tuple[Section, str], tuple[Origin, ...]] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    moved: Mapping[str, str] = field(default_factory=dict)

    def add_module(self, module: ModuleType, origin: Origin) -> None:
        """Register every concrete Space, Task, Proxy and Block that `module` itself defines with a `kind`."""
        self.origins.append(origin)
        for cls in vars(module).values():
            if inspect.isclass(cls) and cls.__module__ == module.__name__ and "kind" in vars(cls):
                self._add(cls, origin)

    def _add(self, cls: type[Any], origin: Origin) -> None:
        section = next((s for s in CONTRACTS if issubclass(cls, CONTRACTS[s])), None)
        if section is None:
            return
        missing = sorted(getattr(cls, "__abstractmethods__", ()))
        if missing:
            raise TypeError(f"class {cls.__name__} lacks {', '.join(missing)}")
        _check_capabilities(section, cls)
        slot = (section, cls.kind)
        if slot in self.entries:
            self.clashes[slot] = (*self.clashes.get(slot, (self.entries[slot].origin,)), origin)
            return
        options = create_model(
            f"{cls.__name__}Options",
            __base__=cls.Options,
            __module__=cls.__module__,
            __doc__=inspect.getdoc(cls),
            kind=(Literal[cls.kind], cls.kind),  # type: ignore[arg-type]  # a literal made at run time
        )
        self.entries[slot] = Entry(section, cls.kind, cls, cast("type[Options]", options), origin)

    def kinds(self, section: Section) -> list[str]:
        """Sorted names of a section."""
        return sorted(kind for s, kind in self.entries if s == section)

    def of(self, section: Section) -> Iterator[Entry]:
        """Entries of a section, by name."""
        for kind in self.kinds(section):
            yield self.entries[section, kind]

    def get(self, section: Section, kind: str) -> Entry:
        """The entry; SpecError when unknown, PluginError when two claim it or a broken plugin defines it."""
        slot = (section, kind)
        if slot in self.clashes:
            paths = " and ".join(o.path or o.name for o in self.clashes[slot])
            raise PluginError(f"{section} '{kind}' is defined twice: in {paths}", hint="rename one of the two kinds")
        if slot not in self.entries:
            for broken in self.broken:
                if kind in broken.kinds:
                    raise PluginError(
                        f"{section} '{kind}' is in a plugin that cannot be loaded: {broken.where}: {broken.cause}",
                        hint="mend the plugin, then run the command again",
                    )
            hint = did_you_mean(kind, self.kinds(section))
            if self.broken:
                hint += f" (not loaded: {', '.join(b.origin.path for b in self.broken)})"
            raise SpecError(f"no {section} is called '{kind}'", hint=hint)
        return self.entries[slot]

    def union(self, section: Section) -> Any:
        """The discriminated union of a section's options: what a spec may say there."""
        models = [entry.options for entry in self.of(section)]
        if len(models) == 1:
            return models[0]
        return Annotated[functools.reduce(operator.or_, models), Field(discriminator="kind")]

    def parse(self, section: Section, data: Any) -> Any:
        """Validated options of one section, nested proxies included. Raises pydantic's ValidationError."""
        return self.get(section, data["kind"]).options.model_validate(data, context=self)

    def read(self, section: Section, text: str) -> Any:
        """Validated options of one section from its JSON, as it travels between processes."""
        return self.parse(section, json.loads(text))

    def create(self, section: Section, options: Options) -> Any:
        """The Space, Task or Proxy of validated options."""
        return self.get(section, kind_of(options)).cls(options)


def _check_capabilities(section: Section, cls: type[Any]) -> None:
    """Raises TypeError where a class has methods of a capability without deriving from it."""
    known = set(dir(CONTRACTS[section]))
    for capability in CAPABILITIES[section]:
        if issubclass(cls, capability):
            known |= set(dir(capability))
    for capability in CAPABILITIES[section]:
        lone = sorted((set(dir(cls)) - known) & capability.__abstractmethods__)
        if lone:
            names = ", ".join(lone)
            raise TypeError(f"class {cls.__name__} has {names}: it must derive from {capability.__name__} too")


CANONICAL = "no canonical(): an architecture the proxy was tuned on may be held out too, under another key"
TRAITS = "no traits(): few-shot learns from size alone"


def shortcomings(entry: Entry) -> tuple[str, ...]:
    """What a plugin leaves at the contract's default, to the harm of results; () of built-ins, which chose to."""
    if entry.origin.builtin or entry.section != "space":
        return ()
    lacks = [("canonical", CANONICAL), ("traits", TRAITS)]
    found = [text for name, text in lacks if getattr(entry.cls, name) is getattr(Space, name)]
    return tuple(f"space '{entry.kind}' has {text}" for text in found)


def kind_of(options: Options) -> str:
    """The `kind` of a validated section."""
    return str(options.kind)  # type: ignore[attr-defined]


def _any_proxy(value: Any, handler: Any, info: ValidationInfo) -> Any:
    """Validate a nested proxy with the registry that validates the spec."""
    if isinstance(value, ProxyOptions):
        return value
    registry = info.context
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(registry, Registry) or not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        raise ValueError("a proxy is needed: a kind, or a mapping with a kind")
    try:
        return registry.parse("proxy", value)
    except SpecError as error:
        raise ValueError(f"{error.message}; {error.hint}") from None


ANY_PROXY = {"title": "AnyProxy"}
"""Stands in a JSON Schema for any proxy; the schema of a whole spec puts a reference there."""
AnyProxy = Annotated[SerializeAsAny[ProxyOptions], WrapValidator(_any_proxy), WithJsonSchema(ANY_PROXY)]
"""The type of a proxy inside another's options: any kind that is known when a spec is read."""

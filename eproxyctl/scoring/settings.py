"""A proxy's options as rows depend on them: what tells two rows of one architecture apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from eproxyctl.contracts import Composite, Proxy, ProxyOptions
from eproxyctl.registry import kind_of

if TYPE_CHECKING:
    from eproxyctl.registry import Registry

BESIDE = ("readout", "provenance")
"""Options that do not change what is trained."""


@dataclass(frozen=True, eq=False)
class Settings:
    """A proxy's options, without its name and without what `dps` wrote of their origin; equal where those are."""

    options: ProxyOptions

    @classmethod
    def of(cls, options: ProxyOptions) -> Settings:
        """The settings of a section of a spec."""
        return cls(options.model_copy(update={"provenance": None, "label": None}))

    @cached_property
    def text(self) -> str:
        """JSON, as a job carries it to another process."""
        return self.options.model_dump_json()

    @cached_property
    def digest(self) -> str:
        """A short name, by which rows of `score` and `search` are kept."""
        return _short(self.text)

    @cached_property
    def training_digest(self) -> str:
        """A short name that is equal for settings that differ in their read-out only: rows of `dps` serve them all."""
        data = json.loads(self.text)
        return _short(json.dumps({name: data[name] for name in data if name not in BESIDE}, sort_keys=True))

    @property
    def kind(self) -> str:
        """The kind of the proxy."""
        return kind_of(self.options)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Settings) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def members(proxy: Proxy) -> tuple[ProxyOptions, ...]:
    """The proxies it is made of; none of one that scores networks itself."""
    return proxy.members() if isinstance(proxy, Composite) else ()


def within(proxy: Proxy, registry: Registry) -> Iterator[Proxy]:
    """The proxy, its members, and theirs."""
    yield proxy
    for options in members(proxy):
        yield from within(registry.create("proxy", options), registry)


def leaves(proxy: Proxy, registry: Registry) -> Iterator[Proxy]:
    """The proxies that score networks themselves: the proxy, or its members, or theirs."""
    return (one for one in within(proxy, registry) if not isinstance(one, Composite))


def scored_with(proxies: Sequence[Proxy], registry: Registry) -> tuple[Settings, ...]:
    """The settings of all that score networks, each once."""
    found = (Settings.of(leaf.options) for proxy in proxies for leaf in leaves(proxy, registry))
    return tuple(dict.fromkeys(found))

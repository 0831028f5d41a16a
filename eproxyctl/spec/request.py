"""From what a person asks for, in a file, a mapping or on the command line, to a spec with the plugins it may name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from eproxyctl import plugins
from eproxyctl.errors import UsageError
from eproxyctl.registry import Registry
from eproxyctl.spec.loading import Loaded, Override, load_spec, quickstart
from eproxyctl.spec.models import Spec


@dataclass(frozen=True)
class Request:
    """A loaded spec, the kinds that it may name, and where workers find them."""

    loaded: Loaded
    registry: Registry
    sources: plugins.Sources

    @property
    def spec(self) -> Spec:
        """The values."""
        return self.loaded.spec

    @property
    def name(self) -> str:
        """What the run directory is called by."""
        return self.loaded.name


Specification = str | Path | Mapping[str, Any] | Spec | Request | None
"""A spec's file, its values, or one that is loaded; None: the built-in quickstart."""


class Changes(TypedDict, total=False):
    """What a verb may change of a spec, as the flags of the same names do.

    Attributes:
        seed, device: of the spec.
        set: dotted path → value, or texts such as `space.channels=8`.
        data: folders in which relative paths are looked up too.
        plugins: folders of plugin files; installed plugins are always read.
    """

    seed: int
    device: str
    set: Mapping[str, Any] | Sequence[str]
    data: Sequence[str | Path]
    plugins: Sequence[str | Path]


def requested(specification: Specification, changes: Changes | None = None) -> Request:
    """Load what was asked for.

    Raises:
        SpecError: with every problem.
        PluginError: it needs a plugin that is broken.
        UsageError: changes of a spec that is loaded already, or a text without a value.
    """
    changes = changes or {}
    if isinstance(specification, Request):
        if changes:
            raise UsageError(f"the spec is loaded, and {', '.join(changes)} would change it")
        return specification
    sources = plugins.Sources(tuple(str(folder) for folder in changes.get("plugins", ())))
    registry = plugins.load_plugins(sources)
    spec: Path | Mapping[str, Any]
    if specification is None:
        spec = quickstart()
    elif isinstance(specification, Spec):
        spec = specification.model_dump(mode="json", exclude_unset=True)
    else:
        spec = Path(specification) if isinstance(specification, str) else specification
    data = tuple(Path(folder) for folder in changes.get("data", ()))
    return Request(load_spec(spec, registry, overrides(changes), data), registry, sources)


def overrides(changes: Changes) -> tuple[Override, ...]:
    """What replaces values of the spec; `seed` and `device` win over `set`."""
    wanted = changes.get("set", ())
    found = (
        [Override(f"set[{path}]", path, _text(value)) for path, value in dict(wanted).items()]
        if isinstance(wanted, Mapping)
        else [assigned(f"set[{i}]", text) for i, text in enumerate(wanted)]
    )
    if "seed" in changes:
        found.append(Override("seed", "seed", str(changes["seed"])))
    if "device" in changes:
        found.append(Override("device", "device", changes["device"]))
    return tuple(found)


def assigned(source: str, text: str) -> Override:
    """`space.channels=8` as an override. Raises UsageError where there is no value."""
    path, equals, raw = text.partition("=")
    if not equals:
        raise UsageError(f"--set {text}: no value", hint="write --set space.channels=8")
    return Override(source, path.strip(), raw)


def _text(value: Any) -> str:
    """A value as YAML: JSON is."""
    import json

    return value if isinstance(value, str) else json.dumps(value)

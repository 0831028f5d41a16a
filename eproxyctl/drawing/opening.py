"""From what a person names to a space: a kind, a section, a spec, a run directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from eproxyctl import plugins
from eproxyctl.contracts import Space
from eproxyctl.errors import SpecError
from eproxyctl.registry import Registry
from eproxyctl.spec.explain import problem_of
from eproxyctl.spec.nodes import Node, read_file

RESOLVED = "resolved.yaml"


@dataclass(frozen=True)
class Opened:
    """A space, and the side of an input in pixels where its spec says one."""

    space: Space
    resolution: int | None = None


def opened_space(name: str | Path, registry: Registry | None = None, data: Sequence[Path] = ()) -> Opened:
    """The space that is named.

    Args:
        name: a kind; or a path, to a spec, to a YAML file of a space's section alone, or to a run directory.
        registry: of the kinds there are; unset: the built-in and installed ones.
        data: folders in which a spec's own paths are looked up too.

    Raises:
        SpecError: with every problem.
    """
    registry = registry or plugins.load_plugins(plugins.Sources())
    path = Path(name)
    if path.is_dir():
        return _read(path / RESOLVED, registry, data)
    if path.suffix in (".yaml", ".yml"):
        return _read(path, registry, data)
    return Opened(registry.create("space", registry.get("space", str(name)).options.model_validate({})))


def _read(path: Path, registry: Registry, data: Sequence[Path]) -> Opened:
    """Of a spec only the space is looked at: the task's files may be elsewhere."""
    root = read_file(path)
    section = root.child("space")
    if section is None:
        return Opened(_space(root, registry))
    if isinstance(section.value, str) and section.value.endswith((".yaml", ".yml")):
        folders = [path.parent, *data]
        found = next((f / section.value for f in folders if (f / section.value).exists()), path.parent / section.value)
        return Opened(_space(read_file(found), registry), _resolution(root))
    return Opened(_space(section, registry), _resolution(root))


def _space(node: Node, registry: Registry) -> Space:
    section = node.plain()
    if isinstance(section, str):
        section = {"kind": section}
    if not isinstance(section, dict) or not isinstance(section.get("kind"), str):
        raise SpecError(
            f"{node.origin.source} has no space",
            problems=[node.origin.problem("a space needs a kind", f"known: {', '.join(registry.kinds('space'))}")],
        )
    options = registry.get("space", section["kind"]).options
    try:
        space: Space = registry.create("space", options.model_validate(section))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=True)
        problems = [problem_of(each, node, options) for each in found]
        raise SpecError(f"{len(problems)} problem(s) in the space", problems=problems) from None
    return space


def _resolution(root: Node) -> int | None:
    task = root.child("task")
    side = task.child("resolution") if task else None
    return side.value if side and isinstance(side.value, int) else None

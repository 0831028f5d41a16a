"""From a file and the command line to a validated spec, or to every problem at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eproxyctl.contracts.paths import Written
from eproxyctl.errors import Problem, SpecError, UsageError
from eproxyctl.registry import SECTIONS, Registry, Section
from eproxyctl.spec.explain import problem_of
from eproxyctl.spec.models import Spec, spec_model
from eproxyctl.spec.nodes import Node, Place, of_value, parse, read_file, read_spec

QUICKSTART = "quickstart.yaml"
GIVEN = "the given spec"
"""Where values come from that no file holds."""
DEEPEST = 8
"""Files that name files; more than this many is a circle."""


@dataclass(frozen=True)
class Override:
    """A value that replaces one of the spec: source is the flag, path its dotted place, raw its YAML text."""

    source: str
    path: str
    raw: str


@dataclass(frozen=True)
class Loaded:
    """A validated spec and where each of its values came from.

    Attributes:
        spec: the values.
        name: stem of the file, or made from the values: it names the run directory.
        text: the file as written.
        root: the merged tree, with origins.
        notes: what the person should know (a kind changed, so other keys were dropped).
    """

    spec: Spec
    name: str
    text: str
    root: Node
    notes: tuple[str, ...] = ()

    def origin(self, path: Sequence[str | int]) -> str:
        """Where a value was written, or `default`."""
        node: Node | None = self.root
        for step in path:
            node = node.child(step) if node else None
        return str(node.origin) if node else "default"


def quickstart() -> Path:
    """The built-in spec."""
    return Path(str(files("eproxyctl") / "data" / QUICKSTART))


def load_spec(
    spec: Path | Mapping[str, Any], registry: Registry, overrides: Sequence[Override] = (), data: Sequence[Path] = ()
) -> Loaded:
    """Load a spec.

    Args:
        spec: its file, or its values; then paths are relative to the current folder.
        registry: the kinds it may name.
        overrides: from the command line, later ones win.
        data: folders in which relative paths are looked up after the spec's own.

    Raises:
        SpecError: with every problem.
        PluginError: the spec needs a plugin that is broken, or a name that two claim.
    """
    text = read_spec(spec) if isinstance(spec, Path) else ""
    root = parse(text, str(spec)) if isinstance(spec, Path) else of_value(spec, GIVEN)
    if not isinstance(root.value, dict):
        raise SpecError(f"{spec} is not a spec", problems=[root.origin.problem("a spec is a mapping of sections")])
    for section in SECTIONS:
        _reference(root, section, spec.parent if isinstance(spec, Path) else Path(), data)
    notes = [note for override in overrides for note in _override(root, override)]
    for section in SECTIONS:
        _reference(root, section, Path(), data)
    _check_kinds(root, registry)
    found = _validate(root, registry, data)
    if isinstance(spec, Path):
        return Loaded(found, spec.stem, text, root, tuple(notes))
    text = json.dumps(root.plain(), indent=2, sort_keys=True) + "\n"  # JSON is YAML
    name = f"spec-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return Loaded(found, name, text, root, tuple(notes))


def _reference(root: Node, section: str, folder: Path, data: Sequence[Path]) -> None:
    """Replace `section: file.yaml` by the file's content, and `section: kind` by a mapping; so in a list of proxies."""
    node = root.value.get(section)
    if node is not None:
        root.value[section] = _referred(node, section, folder, data)


def _referred(node: Node, section: str, folder: Path, data: Sequence[Path], depth: int = 0) -> Node:
    if isinstance(node.value, str):
        if not node.value.endswith((".yaml", ".yml")):
            return Node({"kind": node}, node.origin, {"kind": node.origin})
        found = _find(node.value, folder, data)
        if depth >= DEEPEST:
            raise SpecError(f"{section} cannot be read", problems=[node.origin.problem("files that name each other")])
        try:
            read = read_file(found)
        except SpecError as error:
            problems = error.problems or (node.origin.problem(error.message, error.hint),)
            raise SpecError(f"{section} cannot be read", problems=problems) from None
        return _referred(read, section, found.parent, data, depth + 1)
    if section == "proxy":
        several = node if isinstance(node.value, list) else node.child("members")
        if several is not None and isinstance(several.value, list):
            several.value = [_referred(item, section, folder, data, depth) for item in several.value]
    return node


def _find(name: str, folder: Path, data: Sequence[Path]) -> Path:
    return Path(Written.beside(name, (folder, *data)).found())


def _override(root: Node, override: Override) -> Iterator[str]:
    """Set one value in the tree; yields what the person should be told."""
    origin = Place(override.source)
    steps = override.path.split(".")
    if not all(steps):
        raise UsageError(f"{override.source}: '{override.path}' is no path", hint="write --set space.channels=8")
    node = root
    for step in steps[:-1]:
        child = node.child(int(step) if step.isdigit() and isinstance(node.value, list) else step)
        if child is None or not isinstance(child.value, dict | list):
            if not isinstance(node.value, dict):
                raise UsageError(f"{override.source}: nothing at '{override.path}'")
            child = node.value[step] = Node({}, origin, {})
            node.keys[step] = origin
        node = child
    try:
        value = parse(override.raw, override.source, positions=False) if override.raw.strip() else None
    except SpecError as error:
        raise SpecError(f"{override.source} is no YAML value: {override.raw}", problems=error.problems) from None
    value = value or Node(None, origin, {}, override.raw)
    value.raw = override.raw
    last = steps[-1]
    if isinstance(node.value, list):
        if not last.isdigit() or int(last) >= len(node.value):
            raise UsageError(f"{override.source}: nothing at '{override.path}'")
        node.value[int(last)] = value
        return
    if last == "kind" and "kind" in node.value and node.value["kind"].value != value.value:
        dropped = sorted(key for key in node.value if key not in ("kind", "architectures", "table"))
        for key in dropped:
            del node.value[key]
        if dropped:
            section, gone = ".".join(steps[:-1]), ", ".join(dropped)
            yield f"{override.source}: {section} is now '{value.value}', so its {gone} no longer apply"
    node.value[last] = value
    node.keys[last] = origin


def _values(node: Node, data: Sequence[Path]) -> Any:
    """The values without positions; texts know the folders in which they would be looked up, were they paths."""
    if isinstance(node.value, dict):
        return {key: _values(child, data) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [_values(child, data) for child in node.value]
    if isinstance(node.value, str):
        folder = Path(node.origin.source).parent if node.origin.line else Path()
        return Written.beside(node.value, (folder, *data))
    return node.value


def _check_kinds(root: Node, registry: Registry) -> None:
    """Unknown kinds before anything else: with them no other message would make sense."""
    problems: list[Problem] = []
    for section in SECTIONS:
        node = root.value.get(section)
        if node is None:
            problems.append(root.origin.problem(f"there is no '{section}'", "eproxyctl list shows what there is"))
            continue
        for one in node.value if section == "proxy" and isinstance(node.value, list) else [node]:
            problems += _check_kind(one, section, registry)
    if problems:
        raise SpecError(f"{len(problems)} problem(s) in the spec", problems=problems)


def _check_kind(node: Node, section: Section, registry: Registry) -> Iterator[Problem]:
    kind = node.child("kind")
    if kind is None or not isinstance(kind.value, str):
        known = ", ".join(registry.kinds(section))
        yield (kind or node).origin.problem(f"{section} needs a kind", f"known: {known}")
        return
    try:
        registry.get(section, kind.value)
    except SpecError as error:
        yield kind.origin.problem(error.message, error.hint)


def _validate(root: Node, registry: Registry, data: Sequence[Path]) -> Spec:
    model = spec_model(registry, several=isinstance(root.value["proxy"].value, list))
    for _ in range(2):
        try:
            return model.model_validate(_values(root, data), context=registry)
        except ValidationError as error:
            errors = error.errors(include_url=False, include_context=True)
        if not _use_raw_text(root, errors):
            break
    problems = [problem_of(error, root, model) for error in errors if not _follows(error, errors)]
    raise SpecError(f"{len(problems)} problem(s) in the spec", problems=sorted(problems, key=_position))


def _follows(error: Any, errors: Sequence[Any]) -> bool:
    """Whether it only says that a list is too short because of the errors inside."""
    loc = error["loc"]
    return error["type"] == "too_short" and any(e["loc"][: len(loc)] == loc != e["loc"] for e in errors)


def _use_raw_text(root: Node, errors: Sequence[Any]) -> bool:
    """Where the schema wants a string, a value from the command line is its text, not its YAML meaning."""
    changed = False
    for error in errors:
        if error["type"] != "string_type":
            continue
        node: Node = root
        for step in error["loc"]:
            node = node.child(step) or node
        if not node.origin.line and not isinstance(node.value, str | dict | list):
            node.value, changed = node.raw, True
    return changed


def _position(problem: Problem) -> tuple[str, int, int]:
    parts = problem.where.rsplit(":", 2)
    return (parts[0], int(parts[1]), int(parts[2])) if len(parts) == 3 and parts[1].isdigit() else (problem.where, 0, 0)

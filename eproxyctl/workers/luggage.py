"""What workers on other machines lack: plugin files, and the files that a space or a task reads.

Both are sent as they are, written to temporary folders there, and put in the place of the paths in a context.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from eproxyctl import plugins
from eproxyctl.spec.loading import PATH_SETTINGS

SECTIONS = ("space", "task")
"""Fields of a context that hold a section of the spec as JSON."""


@dataclass(frozen=True)
class Luggage:
    """Files to send.

    Attributes:
        plugins: for each plugin folder, (name, content) of its files.
        data: of each path that the sections name, its files: (path below it, content), of a single file (its name, …).
        digest: of all.
    """

    plugins: tuple[tuple[tuple[str, bytes], ...], ...] = dataclasses.field(compare=False)
    data: Mapping[str, tuple[tuple[str, bytes], ...]] = dataclasses.field(compare=False)
    digest: str

    @property
    def size(self) -> int:
        """Bytes of data."""
        return sum(len(content) for files in self.data.values() for _, content in files)


def pack(context: Any, *, data: bool) -> Luggage:
    """Read what `context` needs; `data` False where workers see the same files."""
    found = tuple(_files(Path(folder), "*.py") for folder in context.sources.folders)
    paths = sorted(_paths([json.loads(text) for text in _sections(context).values()])) if data else []
    named = {path: _files(Path(path), "**/*") for path in paths}
    digest = hashlib.sha256()
    for name, content in (file for files in (*found, *named.values()) for file in files):
        digest.update(f"{len(name)} {name} {len(content)} ".encode())
        digest.update(content)
    return Luggage(found, named, digest.hexdigest())


def _files(path: Path, pattern: str) -> tuple[tuple[str, bytes], ...]:
    if path.is_file():
        return ((path.name, path.read_bytes()),)
    files = sorted(file for file in path.glob(pattern) if file.is_file())
    return tuple((file.relative_to(path).as_posix(), file.read_bytes()) for file in files)


def _sections(context: Any) -> dict[str, str]:
    return {name: getattr(context, name) for name in SECTIONS if hasattr(context, name)}


def _paths(value: Any) -> Iterator[str]:
    """The paths that a section names and that are there."""
    if isinstance(value, dict):
        for name, child in value.items():
            if name in PATH_SETTINGS and isinstance(child, str) and Path(child).exists():
                yield child
            else:
                yield from _paths(child)
    elif isinstance(value, list):
        for child in value:
            yield from _paths(child)


@lru_cache(maxsize=16)
def unpack(context: Any, luggage: Luggage) -> Any:
    """The context with paths of this machine. The folders stay for as long as the process lives."""
    folders = tuple(str(_written(files)) for files in luggage.plugins)
    moved = {}
    for path, files in luggage.data.items():
        folder = _written(files)
        moved[path] = str(folder / files[0][0] if len(files) == 1 and Path(path).name == files[0][0] else folder)
    sections = {name: json.dumps(_replaced(json.loads(text), moved)) for name, text in _sections(context).items()}
    return dataclasses.replace(context, sources=plugins.Sources(folders, context.sources.installed), **sections)


def _written(files: tuple[tuple[str, bytes], ...]) -> Path:
    folder = tempfile.TemporaryDirectory(prefix="eproxyctl-")
    _FOLDERS.append(folder)
    for name, content in files:
        path = Path(folder.name) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Path(folder.name)


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def _replaced(value: Any, moved: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            name: moved.get(child, child)
            if name in PATH_SETTINGS and isinstance(child, str)
            else _replaced(child, moved)
            for name, child in value.items()
        }
    return [_replaced(child, moved) for child in value] if isinstance(value, list) else value

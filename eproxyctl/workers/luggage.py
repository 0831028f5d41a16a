"""What workers on other machines lack: plugin files, and the files and folders that options name.

Both are sent as they are and written to temporary folders there. Options that are read there name the copies.
"""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from eproxyctl import plugins


@dataclass(frozen=True)
class Luggage:
    """Files to send.

    Attributes:
        plugins: for each plugin folder, (name, content) of its files.
        data: of each path that options name, its files: (path below it, content), of a single file (its name, …).
        single: those paths that are files.
        digest: of all.
    """

    plugins: tuple[tuple[tuple[str, bytes], ...], ...] = dataclasses.field(compare=False)
    data: Mapping[str, tuple[tuple[str, bytes], ...]] = dataclasses.field(compare=False)
    single: frozenset[str]
    digest: str

    @property
    def size(self) -> int:
        """Bytes of data."""
        return sum(len(content) for files in self.data.values() for _, content in files)


def pack(context: Any, *, data: bool) -> Luggage:
    """Read what `context` needs; `data` False where workers see the same files."""
    found = tuple(_files(Path(folder), "*.py") for folder in context.sources.folders)
    there = [path for path, _ in context.files if Path(path).exists()] if data else []
    named = {path: _files(Path(path), "**/*") for path in there if not _above(path, there)}
    digest = hashlib.sha256()
    for name, content in (file for files in (*found, *named.values()) for file in files):
        digest.update(f"{len(name)} {name} {len(content)} ".encode())
        digest.update(content)
    single = frozenset(path for path in named if Path(path).is_file())
    return Luggage(found, named, single, digest.hexdigest())


def _above(path: str, others: Iterable[str]) -> str | None:
    """The folder among others that `path` lies in; what options say of one inside another stays true of the copies."""
    return next((other for other in sorted(others) if other != path and Path(path).is_relative_to(other)), None)


def _files(path: Path, pattern: str) -> tuple[tuple[str, bytes], ...]:
    if path.is_file():
        return ((path.name, path.read_bytes()),)
    files = sorted(file for file in path.glob(pattern) if file.is_file())
    return tuple((file.relative_to(path).as_posix(), file.read_bytes()) for file in files)


@lru_cache(maxsize=16)
def unpack(context: Any, luggage: Luggage) -> Any:
    """The context with paths of this machine. The folders stay for as long as the process lives."""
    folders = tuple(str(_written(files)) for files in luggage.plugins)
    copies = {path: _written(files) for path, files in luggage.data.items()}
    moved = {path: folder / Path(path).name if path in luggage.single else folder for path, folder in copies.items()}
    for path, _ in context.files:
        above = _above(path, copies)
        if above is not None:
            moved[path] = copies[above] / Path(path).relative_to(above)
    places = tuple((path, str(place)) for path, place in moved.items())
    return dataclasses.replace(context, sources=plugins.Sources(folders, context.sources.installed, places))


def _written(files: tuple[tuple[str, bytes], ...]) -> Path:
    folder = tempfile.TemporaryDirectory(prefix="eproxyctl-")
    _FOLDERS.append(folder)
    for name, content in files:
        path = Path(folder.name) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Path(folder.name)


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []

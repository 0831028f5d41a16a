"""Options that name a file or folder: one type, whatever the option is called and wherever it stands.

Finding such options again is left to pydantic, which knows where they are: a dump visits each value with its type, in
unions, lists, mappings and nested proxies alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, PlainSerializer, SerializationInfo, ValidationInfo
from pydantic_core import PydanticSerializationUnexpectedValue

MARK = "\0"
"""Stands before a path while it is looked for; no path has it."""


class Written(str):
    """A text of a spec that knows in which folders it is looked up, should it turn out to be a path.

    A copy sent to another process is a plain text.
    """

    folders: tuple[Path, ...] = ()

    @classmethod
    def beside(cls, text: str, folders: Sequence[Path]) -> Written:
        """The text, and the folders in the order in which they count."""
        written = cls(text)
        written.folders = tuple(folders)
        return written

    def found(self) -> str:
        """The path under the first folder that has it; under the first of all where none has."""
        candidates = [folder / self for folder in self.folders] or [Path(self)]
        return str(next((path for path in candidates if path.exists()), candidates[0]))

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


@dataclass(frozen=True)
class _Rewriting:
    """The context of a dump: what is written in the place of each path."""

    path: Callable[[str], str]


def _located(value: Any, info: ValidationInfo) -> Any:
    """A path of a spec looked up; one of another machine where its copy is, as the registry's `moved` has it."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Written):
        return value.found()
    moved: Mapping[str, str] = getattr(info.context, "moved", {})
    return moved.get(value, value) if isinstance(value, str) else value


def _dumped(value: Any, info: SerializationInfo) -> str:
    if not isinstance(value, str):  # another member of a union
        raise PydanticSerializationUnexpectedValue(f"{value!r} is no path")
    return info.context.path(value) if isinstance(info.context, _Rewriting) else value


DataPath = Annotated[str, BeforeValidator(_located), PlainSerializer(_dumped)]
"""The type of an option that names a file or folder.

A relative path in a spec is looked up beside the file that names it, then under the --data folders; on the command line
it starts at the current folder. What it leads to is part of a run's identity and is sent to workers on other machines.
A default is not looked up, so it should be absolute.
"""


def rewritten(options: BaseModel, path: Callable[[str], str], **which: Any) -> dict[str, Any]:
    """Options as JSON has them, with what `path` gives in the place of each path.

    Args:
        options: of a section, or a whole spec.
        path: of the path as it stands.
        which: pydantic's `include` and `exclude`.
    """
    return options.model_dump(mode="json", context=_Rewriting(path), **which)


def pathless(options: BaseModel, **which: Any) -> Any:
    """Options as JSON has them, without the settings and items that are paths."""
    return _without(rewritten(options, MARK.__add__, **which))


def named_paths(options: BaseModel, **which: Any) -> dict[str, str]:
    """Every path that options name, by its place, such as `task.source.path`."""
    return dict(_marked(rewritten(options, MARK.__add__, **which), ()))


def _marked(value: Any, place: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if _is_marked(value):
        yield ".".join(place), value.removeprefix(MARK)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _marked(item, (*place, str(i)))
    elif isinstance(value, dict):
        for name, item in value.items():
            if _is_marked(name):
                yield ".".join((*place, name.removeprefix(MARK))), name.removeprefix(MARK)
            yield from _marked(item, (*place, name.removeprefix(MARK)))


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without(item) for name, item in value.items() if not (_is_marked(item) or _is_marked(name))}
    return [_without(item) for item in value if not _is_marked(item)] if isinstance(value, list) else value


def _is_marked(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(MARK)

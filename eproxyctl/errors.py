"""Every error a person can meet, and the exit code of each.

    EproxyError
    ├── UsageError            2   the command line asks for something that cannot be
    ├── SpecError             3   one or more problems in a spec, each with file:line:column
    │   └── InvalidArchitecture   a key or notation that names nothing in the space
    ├── PluginError           4   a plugin that is broken, missing, or claims a taken name
    ├── DataError             5   images, tables or devices
    └── RunError              6   a run directory that is locked, foreign, full or damaged

Each says what is wrong, where, and what to do. They are printed in one place, `eproxyctl.cli.failures`.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class EproxyError(Exception):
    """A failure that is explained to the person, without a traceback.

    Args:
        message: what is wrong and where, in one sentence.
        hint: what to do about it.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(EproxyError):
    """The command line asks for something that cannot be."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a spec.

    Attributes:
        where: `file:line:column`, or `--set[2]`.
        message: what is wrong.
        hint: what to do.
        line: the offending line as written, empty when there is none to show.
        column: 1-based column of the caret under `line`.
    """

    where: str
    message: str
    hint: str = ""
    line: str = ""
    column: int = 0


class SpecError(EproxyError):
    """All the problems of a spec at once."""

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "", problems: Iterable[Problem] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class InvalidArchitecture(SpecError):
    """A key, record or set of choices that names no architecture of the space."""


class PluginError(EproxyError):
    """A plugin that is broken, missing, or claims a name that is taken."""

    exit_code = 4


class DataError(EproxyError):
    """Images, metric tables or devices that cannot be used."""

    exit_code = 5


class RunError(EproxyError):
    """A run directory that is locked, belongs to another spec, is full or damaged."""

    exit_code = 6


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint for a misspelt name: the nearest known ones, else all of them."""
    names = sorted(known)
    near = get_close_matches(word, names, n=2, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(near) + "?"
    return "known: " + ", ".join(names) if names else ""

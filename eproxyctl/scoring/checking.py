"""What can be said of a spec's data before anything is built or trained: files, tables, architectures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eproxyctl.contracts import Space
from eproxyctl.contracts.paths import named_paths
from eproxyctl.errors import DataError, EproxyError
from eproxyctl.registry import kind_of, shortcomings
from eproxyctl.scoring.architectures import listed_keys
from eproxyctl.spec.request import Request
from eproxyctl.tasks.table import Table, load_table

TABLE = "task.table.path"
"""The one file that may come later: `benchmark` makes it."""


@dataclass(frozen=True)
class Checked:
    """What was found: errors, of which a run would end, and what a person should know."""

    errors: tuple[EproxyError, ...]
    notes: tuple[str, ...]


def check_data(request: Request) -> Checked:
    """Read what can be read without building: every file is there, tables parse, architectures are of the space.

    Neither torch nor the task's data are loaded.
    """
    errors: list[EproxyError] = list(_missing(request))
    notes = list(shortcomings(request.registry.get("space", kind_of(request.spec.space))))
    space: Space = request.registry.create("space", request.spec.space)
    try:
        listed_keys(request.loaded, space)
    except EproxyError as error:
        errors.append(error)
    table = request.spec.task.table
    if table is not None and not Path(table.path).exists():
        notes.append(
            f"there is no metric table {table.path} yet: `eproxyctl benchmark` makes one, or --data DIR finds it"
        )
    elif table is not None:
        try:
            notes += _labels(request, space, load_table(table, space))
        except EproxyError as error:
            errors.append(error)
    for name, options in request.spec.task.baselines.items():
        if Path(options.path).exists():
            try:
                load_table(options, space)
            except EproxyError as error:
                errors.append(DataError(f"baseline '{name}': {error.message}", hint=error.hint))
    return Checked(tuple(errors), tuple(notes))


def _missing(request: Request) -> Iterator[DataError]:
    for place, path in named_paths(request.spec).items():
        if place != TABLE and not Path(path).exists():
            where = request.loaded.origin([int(step) if step.isdigit() else step for step in place.split(".")])
            hint = "is it elsewhere? --data DIR looks there too"
            yield DataError(f"{where}: {place}: there is no file or folder {path}", hint=hint)


def _labels(request: Request, space: Space, table: Table) -> Iterator[str]:
    """Whether the table has enough architectures for `dps`, and what its reading left out."""
    if table.note:
        yield f"metric table: {table.note}"
    wanted = request.spec.dps.architectures
    distinct = len({space.canonical(key) for key in table.metric})
    if distinct < wanted:
        yield f"dps.architectures is {wanted}, and the metric table has {distinct} that differ in function"

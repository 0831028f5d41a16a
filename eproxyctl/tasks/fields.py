"""Which field of a metric table names the architecture and which is the metric; where one is not found, what is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from eproxyctl.contracts import Space, TableOptions
from eproxyctl.errors import DataError, InvalidArchitecture
from eproxyctl.tasks.columns import place
from eproxyctl.tasks.files import LISTED, cause, nearest, shown
from eproxyctl.tasks.rows import Document, TableRow

KEY_COLUMNS = ("key", "architecture", "arch")
STEP = re.compile(r"([^.\[\]]+)|\[(-?\d{1,9})\]")
NAME = 60
"""Characters of a field's name that a list of them shows."""
LOOKED_AT = 5
"""Rows from which it is read what fields are."""


@dataclass(frozen=True)
class Absent:
    """What a record has instead of a field that it lacks: the field, and where on the way to it there is no `step`."""

    field: str
    step: str = ""
    record: Any = None

    @property
    def hint(self) -> str:
        """What the misspelt name may mean."""
        return nearest(self.step, self.record) if self.step and isinstance(self.record, Mapping) else ""


@dataclass(frozen=True)
class Fields:
    """Where a row has what is asked for.

    Attributes:
        key: the field of the architecture; None where it stands apart, or is the whole record.
        metric: the field of the metric; None where the value is the metric.
    """

    key: str | None
    metric: str | None

    def notation(self, row: TableRow) -> Any:
        """The architecture as the row has it, or Absent."""
        if self.key is not None:
            return at(row.value, self.key)
        return row.value if row.notation is None else row.notation

    def number(self, row: TableRow) -> Any:
        """The metric as the row has it, or Absent."""
        return row.value if self.metric is None else at(row.value, self.metric)


def at(record: Any, steps: str) -> Any:
    """What a field's name or a path such as `test_ep_top1[-1]` leads to, or Absent."""
    if isinstance(record, Mapping) and steps in record:
        return record[steps]
    value = record
    for name, index in STEP.findall(steps):
        try:
            value = value[name] if name else value[int(index)]
        except (KeyError, IndexError, TypeError):
            return Absent(steps, name, value)
    return value


def parsed(space: Space, notation: Any) -> str:
    """The key of an architecture in any notation that the space knows.

    Raises:
        InvalidArchitecture: it is none; whatever the space's reader raises over it says just that.
    """
    if isinstance(notation, Absent):
        raise InvalidArchitecture(f"there is no '{shown(notation.field)}'", hint=notation.hint)
    try:
        return space.parse(notation)
    except InvalidArchitecture as error:
        raise InvalidArchitecture(shown(error.message), hint=error.hint) from None
    except Exception as error:  # noqa: BLE001 - notations are foreign, nested and long as they like
        raise InvalidArchitecture(f"no architecture: {cause(error)}") from None


def short(name: object) -> str:
    """A foreign name in a list of several."""
    return shown(name) if len(str(name)) <= NAME else f"{shown(str(name)[:NAME])}…"


def find(document: Document, options: TableOptions, space: Space) -> Fields:
    """The fields of a table as the options name them, else the obvious ones.

    Raises:
        DataError: one is not there, or not obvious; names what there is, and what to write.
    """
    for name in options.where:
        _present(document, name, f"task.table.where names '{shown(name)}'")
    key = _key(document, options, space)
    return Fields(key, _metric(document, options, space, key))


def _key(document: Document, options: TableOptions, space: Space) -> str | None:
    if options.key is not None:
        _present(document, options.key, f"task.table.key is '{shown(options.key)}'")
        return options.key
    if document.columns:
        name = next((name for name in KEY_COLUMNS if name in document.columns), document.columns[0])
        place(document.columns, name, str(document.path))
        return name
    first = list(islice(document.rows, LOOKED_AT))
    if any(row.notation is not None for row in first) or any(is_architecture(space, row.value) for row in first):
        return None
    records = [row.value for row in first if isinstance(row.value, Mapping)]
    return next((name for name in KEY_COLUMNS if any(name in record for record in records)), None)


def _metric(document: Document, options: TableOptions, space: Space, key: str | None) -> str | None:
    if options.metric is not None:
        if all(not isinstance(row.value, Mapping | list) for row in document.rows) and document.rows:
            told = f"{shown(document.path)} is {document.form}: the value is no record"
            raise DataError(f"{told} and has no '{shown(options.metric)}'", hint="leave task.table.metric out")
        _present(document, options.metric, f"task.table.metric is '{shown(options.metric)}'", numbers=True)
        return options.metric
    first = next((row.value for row in document.rows), None)
    if document.columns:
        first = dict.fromkeys(document.columns) if first is None else first
    if not isinstance(first, Mapping):
        if isinstance(first, list):
            told = f"{shown(document.path)} is {document.form}, the value is a list of {len(first)}"
            raise DataError(told, hint="set task.table.metric to one of them: '[0]' is the first, '[-1]' the last")
        return None
    others = [str(name) for name in first if name != key and not (key or "").startswith((f"{name}.", f"{name}["))]
    if len(others) == 1 and (key is not None or document.rows[0].notation is not None):
        return others[0]
    hint = f"set task.table.metric: {_numbers(document)}"
    if key is None and all(row.notation is None and not is_architecture(space, row.value) for row in _first(document)):
        hint += f"; {key_hint(document, space)}"
    told = "has several metrics" if document.columns else f"is {document.form}, and task.table.metric is not set"
    raise DataError(f"{shown(document.path)} {told}: {fields(document)}", hint=hint)


def _present(document: Document, name: str, asked: str, *, numbers: bool = False) -> None:
    """Raises DataError where no row has a field."""
    if document.columns:
        if name in document.columns:
            place(document.columns, name, str(document.path))
            return
        near, what = nearest(name, document.columns), "column"
    else:
        if not document.rows or any(not isinstance(at(row.value, name), Absent) for row in document.rows):
            return
        absent = at(document.rows[0].value, name)
        near, what = absent.hint, "field"
    option = asked.split(" ")[0]
    hint = near if near.startswith("did you mean") else f"set {option}: {_numbers(document) if numbers else 'a field'}"
    raise DataError(f"{shown(document.path)} has no {what} '{shown(name)}' ({asked}): {fields(document)}", hint=hint)


def fields(document: Document) -> str:
    """What fields the first rows have, with their types, for messages."""
    kinds = _kinds(document)
    if not kinds:
        return f"it is {document.form}"
    told = [f"{short(name)} ({kind})" for name, kind in islice(kinds.items(), LISTED)]
    more = f" and {len(kinds) - LISTED} more" if len(kinds) > LISTED else ""
    return f"its {'columns' if document.columns else 'fields'} are {', '.join(told)}{more}"


def key_hint(document: Document, space: Space) -> str:
    """What to write so that the architectures are found: the fields that name some."""
    names = [
        name
        for name in _kinds(document)
        if any(is_architecture(space, at(row.value, name)) for row in _first(document))
    ]
    if names:
        return f"task.table.key: {' | '.join(map(shown, names))}"
    return f"is it a table of the space '{space.kind}'? task.table.key says which field names the architecture"


def metric_hint(document: Document) -> str:
    """What to write so that the metric is a number."""
    return f"set task.table.metric to a field of numbers: {_numbers(document)}"


def _numbers(document: Document) -> str:
    names = [short(name) for name, kind in _kinds(document).items() if kind == "number"]
    more = " | …" if len(names) > LISTED else ""
    return " | ".join(names[:LISTED]) + more or "a field"


def _kinds(document: Document) -> dict[str, str]:
    """The fields of the first records and what they are, with those one level down."""
    kinds: dict[str, str] = {}
    for row in _first(document):
        if isinstance(row.value, Mapping):
            for name, value in row.value.items():
                kinds.setdefault(str(name), _kind(value))
                if isinstance(value, Mapping):
                    for inner, one in islice(value.items(), LISTED):
                        kinds.setdefault(f"{name}.{inner}", _kind(one))
    return kinds


def _kind(value: Any) -> str:
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return "text"
        return "number"
    if isinstance(value, int | float):
        return "number"
    return "an object" if isinstance(value, Mapping) else "a list" if isinstance(value, list) else "nothing"


def is_architecture(space: Space, notation: Any) -> bool:
    """Whether the space knows a notation."""
    try:
        parsed(space, notation)
    except InvalidArchitecture:
        return False
    return True


def _first(document: Document) -> Iterable[TableRow]:
    return document.rows[:LOOKED_AT]

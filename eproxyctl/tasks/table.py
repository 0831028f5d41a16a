"""The metric table: how well architectures do on a task, in the formats public benchmarks are published in."""

from __future__ import annotations

import bisect
import hashlib
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from eproxyctl.contracts import Choice, Goal, Space, TableOptions
from eproxyctl.errors import DataError, InvalidArchitecture
from eproxyctl.tasks import rows
from eproxyctl.tasks.fields import Absent, Fields, at, fields, find, key_hint, metric_hint, parsed
from eproxyctl.tasks.files import shown
from eproxyctl.tasks.nested import unwrapped

MAX_PROBLEMS = 10
WITHOUT_METRIC = ("failed", "diverged")
"""What `benchmark` writes as the status of an architecture that got no metric; it is no part of the table."""
NO_TABLE = "`eproxyctl benchmark` makes one; or check task.table.path, or pass --data DIR"


@dataclass(frozen=True)
class Truth:
    """What a metric table knows of an architecture.

    Attributes:
        metric: as published.
        rank: in the whole table, 1 the best.
        regret: how far from the best of the table, never negative.
    """

    metric: float
    rank: int
    regret: float


@dataclass(frozen=True)
class Table:
    """Architectures and their metric, in the file's order.

    Attributes:
        metric: key → value as published.
        goal: whether a higher value is better.
        sha256: of the file.
        rows: of the file.
        filtered: rows left out by `where`.
        missing: rows left out because they have no finite metric.
        repeated: further rows of architectures that came before.
        repeats: what became of those.
    """

    metric: dict[str, float]
    goal: Goal
    sha256: str
    rows: int = 0
    filtered: int = 0
    missing: int = 0
    repeated: int = 0
    repeats: str = "refuse"

    def value(self, key: str) -> float | None:
        """The metric turned so that higher is better; None where the table lacks the architecture."""
        found = self.metric.get(key)
        return None if found is None else found if self.goal == "maximize" else -found

    @property
    def note(self) -> str:
        """How rows became fewer architectures; empty where they did not."""
        counts = (
            (self.filtered, "left out by where"),
            (self.missing, "left out without a metric"),
            (self.repeated, f"repeat an architecture (repeats: {self.repeats})"),
        )
        parts = [f"{count:,} {what}" for count, what in counts if count]
        return f"{len(self.metric):,} architectures of {self.rows:,} rows: {', '.join(parts)}" if parts else ""

    def truth(self, key: str) -> Truth | None:
        """Metric, rank and regret; None where the table lacks the architecture."""
        value = self.value(key)
        if value is None:
            return None
        rank = len(self._sorted) - bisect.bisect_right(self._sorted, value) + 1
        return Truth(self.metric[key], rank, self._sorted[-1] - value)

    @cached_property
    def _sorted(self) -> list[float]:
        return sorted(self.metric.values() if self.goal == "maximize" else (-value for value in self.metric.values()))


def load_table(options: TableOptions, space: Space) -> Table:
    """Read and check a table.

    Args:
        options: file, metric, goal, and which rows to leave out or join.
        space: parses the architectures.

    Raises:
        DataError: no such file, another format, fields that are not there, or bad rows, each with its number.
    """
    document = unwrapped(rows.read_rows(Path(options.path), NO_TABLE), space)
    reader = _Reader(options, space, document, find(document, options, space))
    for row in document.rows:
        reader.add(row)
    return reader.table()


class _Reader:
    """Rows as they come, by architecture, with what was left out and what is wrong."""

    def __init__(self, options: TableOptions, space: Space, document: rows.Document, fields: Fields) -> None:
        self.options, self.space, self.document, self.fields = options, space, document, fields
        self.values: dict[str, list[float]] = {}
        self.first: dict[str, str] = {}
        self.problems: list[str] = []
        self.wrong = self.foreign = self.rows = self.filtered = self.missing = self.repeated = 0
        self.hints: dict[str, None] = {}
        self.metric_hint = metric_hint(document)

    def add(self, row: rows.TableRow) -> None:
        if self.document.columns and row.value.get("status") in WITHOUT_METRIC:
            return
        self.rows += 1
        if not all(_matches(at(row.value, name), wanted) for name, wanted in self.options.where.items()):
            self.filtered += 1
            return
        value = self.fields.number(row)
        try:
            number = _number(value)
        except ValueError as error:
            self._problem(f"{row.where}: {error}", self.metric_hint)
            return
        if number is None:
            self._lacking(row.where, value)
            return
        try:
            key = parsed(self.space, self.fields.notation(row))
        except InvalidArchitecture as error:
            self.foreign += 1
            self._problem(f"{row.where}: {error.message}", f"is it a table of the space '{self.space.kind}'?")
        else:
            self._found(row.where, key, number)

    def _lacking(self, where: str, value: object) -> None:
        self.missing += 1
        if self.options.missing == "refuse":
            absent = isinstance(value, Absent)
            what = f"there is no '{shown(self.fields.metric)}'" if absent else f"no finite metric: {value!r}"
            self._problem(f"{where}: {what}", "task.table.missing: skip leaves out rows without a metric")

    def _found(self, where: str, key: str, number: float) -> None:
        values = self.values.setdefault(key, [])
        if values:
            self.repeated += 1
            if self.options.repeats == "refuse":
                hint = "task.table.repeats: mean or first takes such rows together"
                self._problem(f"{where}: repeats the architecture of {self.first[key]}", hint)
        if not values or self.options.repeats == "mean":
            values.append(number)
        self.first.setdefault(key, where)

    def _problem(self, text: str, hint: str) -> None:
        self.wrong += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)
        self.hints[hint] = None

    def table(self) -> Table:
        path, hint = shown(self.document.path), "; ".join(self.hints)
        if self.foreign and not self.values and self.foreign == self.wrong:
            told = f"{path}: none of {self.foreign:,} rows names an architecture of the space '{self.space.kind}'"
            shape = fields(self.document)
            raise DataError(f"{told}\n  {self.problems[0]}\n  {shape}", hint=key_hint(self.document, self.space))
        if self.problems:
            more = f"\n  … and {self.wrong - MAX_PROBLEMS:,} more" if self.wrong > MAX_PROBLEMS else ""
            listed = "\n  ".join(self.problems)
            raise DataError(f"{path}: {self.wrong} of {self.rows} rows cannot be used\n  {listed}{more}", hint=hint)
        if not self.values:
            left_out = f" ({self.filtered} left out by where, {self.missing} without a metric)" if self.rows else ""
            raise DataError(f"{path} has no rows{left_out}", hint=hint)
        return Table(
            {key: statistics.fmean(values) for key, values in self.values.items()},
            self.options.goal,
            hashlib.sha256(self.document.raw).hexdigest(),
            self.rows,
            self.filtered,
            self.missing,
            self.repeated,
            self.options.repeats,
        )


def _number(value: Any) -> float | None:
    """The metric; None where it is absent, null, empty, NaN or infinite. Raises ValueError for what is no number."""
    if value is None or value == "" or isinstance(value, Absent):
        return None
    if isinstance(value, list | Mapping):
        raise ValueError(f"the metric is {'a list' if isinstance(value, list) else 'an object'}, not a number")
    if isinstance(value, bool):
        raise ValueError(f"the metric is {str(value).lower()}, not a number")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError("the metric is a whole number of more than 308 digits") from None
    except (TypeError, ValueError):
        raise ValueError(f"the metric is {shown(repr(value))}, not a number") from None
    return number if math.isfinite(number) else None


def _matches(found: object, wanted: Choice) -> bool:
    """Whether a field or a column's text is what `where` asks for."""
    return not isinstance(found, list | Mapping | Absent) and (found == wanted or str(found) == str(wanted))

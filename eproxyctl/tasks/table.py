"""The metric table: how well architectures do on a task, in the formats public benchmarks are published in."""

from __future__ import annotations

import bisect
import gzip
import hashlib
import math
import statistics
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from eproxyctl.contracts import Goal, Space, TableOptions
from eproxyctl.errors import DataError, InvalidArchitecture
from eproxyctl.tasks.rows import Absent, Line, csv_rows, json_rows

MAX_PROBLEMS = 10


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


def load(options: TableOptions, space: Space) -> Table:
    """Read and check a table.

    Args:
        options: file, metric, goal, and which rows to leave out or join.
        space: parses the architectures.

    Raises:
        DataError: no such file, another format, or bad rows, each with its number.
    """
    path = Path(options.path)
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"no metric table at {path}", hint="check task.table.path, or pass --data DIR") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the metric table {path}: {error}") from None
    lines = json_rows(path, text, options) if ".json" in path.suffixes else csv_rows(path, text, options)
    reader = _Reader(options, space)
    for line in lines:
        reader.add(line)
    return reader.table(path, hashlib.sha256(raw).hexdigest())


class _Reader:
    """Rows as they come, by architecture, with what was left out and what is wrong."""

    def __init__(self, options: TableOptions, space: Space) -> None:
        self.options, self.space = options, space
        self.values: dict[str, list[float]] = {}
        self.first: dict[str, str] = {}
        self.problems: list[str] = []
        self.hints: list[str] = []
        self.rows = self.filtered = self.missing = self.repeated = 0

    def add(self, line: Line) -> None:
        where, notation, value, kept = line
        self.rows += 1
        if not kept:
            self.filtered += 1
            return
        try:
            number = _number(value)
            if number is None:
                self._lacking(where, value)
            else:
                self._found(where, self.space.parse(notation), number)
        except InvalidArchitecture as error:
            self._problem(f"{where}: {error.message}", f"is it a table of the space '{self.space.kind}'?")
        except ValueError as error:
            self._problem(f"{where}: {error}", "set task.table.metric to a column of numbers")

    def _lacking(self, where: str, value: object) -> None:
        self.missing += 1
        if isinstance(value, Absent) and value.hint:
            self.hints.append(value.hint)
        if self.options.missing == "refuse":
            what = f"there is no '{value.field}'" if isinstance(value, Absent) else f"no finite metric: {value!r}"
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
        self.problems.append(text)
        self.hints.append(hint)

    def table(self, path: Path, sha256: str) -> Table:
        hint = "; ".join(dict.fromkeys(self.hints))
        if self.problems:
            more = f"\n  … and {len(self.problems) - MAX_PROBLEMS} more" if len(self.problems) > MAX_PROBLEMS else ""
            listed = "\n  ".join(self.problems[:MAX_PROBLEMS])
            raise DataError(
                f"{path}: {len(self.problems)} of {self.rows} rows cannot be used\n  {listed}{more}", hint=hint
            )
        if not self.values:
            left_out = f" ({self.filtered} left out by where, {self.missing} without a metric)" if self.rows else ""
            raise DataError(f"{path} has no rows{left_out}", hint=hint)
        return Table(
            {key: statistics.fmean(values) for key, values in self.values.items()},
            self.options.goal,
            sha256,
            self.rows,
            self.filtered,
            self.missing,
            self.repeated,
            self.options.repeats,
        )


def _number(value: Any) -> float | None:
    """The metric; None where there is none: absent, null, empty, NaN or infinite."""
    if value is None or value == "" or isinstance(value, Absent):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"the metric is {value!r}, not a number") from None
    return number if math.isfinite(number) else None

"""The metric table: how well architectures do on a task, in the formats public benchmarks are published in."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eproxyctl.contracts import Goal, Space, TableOptions
from eproxyctl.errors import DataError, InvalidArchitecture, did_you_mean

KEY_COLUMNS = ("key", "architecture", "arch")
STEP = re.compile(r"([^.\[\]]+)|\[(-?\d+)\]")
MAX_PROBLEMS = 10
NO_TABLE = "`eproxyctl benchmark` makes one; or check task.table.path, or pass --data DIR"
WITHOUT_METRIC = ("failed", "diverged")
"""What `benchmark` writes as the status of an architecture that got no metric; it is no part of the table."""


@dataclass(frozen=True)
class Table:
    """Architectures and their metric, in the file's order.

    Attributes:
        metric: key → value as published.
        goal: whether a higher value is better.
        sha256: of the file.
    """

    metric: dict[str, float]
    goal: Goal
    sha256: str

    def value(self, key: str) -> float | None:
        """The metric turned so that higher is better; None where the table lacks the architecture."""
        found = self.metric.get(key)
        return None if found is None else found if self.goal == "maximize" else -found


def load(options: TableOptions, space: Space) -> Table:
    """Read and check a table.

    Args:
        options: file, metric, goal.
        space: parses the architectures.

    Raises:
        DataError: no such file, another format, or bad rows, each with its number.
    """
    path = Path(options.path)
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"no metric table at {path}", hint=NO_TABLE) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the metric table {path}: {error}") from None
    rows = _json_rows(path, text, options) if ".json" in path.suffixes else _csv_rows(path, text, options)
    metric: dict[str, float] = {}
    seen: dict[str, str] = {}
    problems: list[str] = []
    for where, notation, value in rows:
        try:
            key, number = space.parse(notation), _number(value)
        except InvalidArchitecture as error:
            problems.append(f"{where}: {error.message}")
        except ValueError as error:
            problems.append(f"{where}: {error}")
        else:
            if key in seen:
                problems.append(f"{where}: repeats the architecture of {seen[key]}")
            metric[key], seen[key] = number, where
    if problems:
        more = f"\n  … and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
        listed = "\n  ".join(problems[:MAX_PROBLEMS])
        raise DataError(
            f"{path}: {len(problems)} of {len(problems) + len(metric)} rows cannot be used\n  {listed}{more}",
            hint=f"is it a table of the space '{space.kind}'?",
        )
    if not metric:
        raise DataError(f"{path} has no rows")
    return Table(metric, options.goal, hashlib.sha256(raw).hexdigest())


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"the metric is {value!r}, not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"the metric is {value!r}, not a finite number")
    return number


def _csv_rows(path: Path, text: str, options: TableOptions) -> Iterator[tuple[str, object, Any]]:
    reader = csv.reader(io.StringIO(text))
    header = next(reader, None)
    if not header or len(header) < 2:
        raise DataError(f"{path}: the first line must name at least two columns, the architecture and the metric")
    key = options.key or next((name for name in KEY_COLUMNS if name in header), header[0])
    others = [name for name in header if name != key]
    metric = options.metric or (others[0] if len(others) == 1 else None)
    for name in (key, metric):
        if name is not None and name not in header:
            raise DataError(f"{path} has no column '{name}'", hint=did_you_mean(name, header))
    if metric is None:
        raise DataError(f"{path} has several metrics", hint=f"set task.table.metric to one of: {', '.join(others)}")
    for row in reader:
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(f"{path}:{reader.line_num}: {len(row)} values under {len(header)} columns")
        if "status" in header and row[header.index("status")] in WITHOUT_METRIC:
            continue
        yield f"line {reader.line_num}", row[header.index(key)], row[header.index(metric)]


def _json_rows(path: Path, text: str, options: TableOptions) -> Iterator[tuple[str, object, Any]]:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}:{error.colno}: no JSON: {error.msg}") from None
    if isinstance(data, dict) and data and all(isinstance(part, list) for part in data.values()):
        data = [row for part in data.values() for row in part]
    if not isinstance(data, list):
        raise DataError(f"{path}: expected a list of [architecture, value] or of records")
    for index, row in enumerate(data):
        where = f"row {index + 1}"
        if isinstance(row, list) and len(row) == 2:
            yield where, row[0], row[1] if options.metric is None else _at(row[1], options.metric, path, where)
        elif isinstance(row, dict):
            if options.metric is None:
                raise DataError(f"{path} is a list of records", hint=f"set task.table.metric: {_numeric_fields(row)}")
            yield (
                where,
                row if options.key is None else _at(row, options.key, path, where),
                _at(row, options.metric, path, where),
            )
        else:
            raise DataError(f"{path}: {where} is neither [architecture, value] nor a record")


def _at(record: Any, steps: str, path: Path, where: str) -> Any:
    """What a path such as `test_ep_top1[-1]` leads to."""
    value = record
    for name, index in STEP.findall(steps):
        try:
            value = value[name] if name else value[int(index)]
        except (KeyError, IndexError, TypeError):
            hint = did_you_mean(name, value) if name and isinstance(value, dict) else ""
            raise DataError(f"{path}: {where} has no '{steps}'", hint=hint) from None
    return value


def _numeric_fields(record: dict[str, Any]) -> str:
    return " | ".join(name for name, value in record.items() if isinstance(value, int | float)) or "a field"

"""The rows of a metric table, in the formats public benchmarks are published in: CSV, and JSON of pairs or records."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eproxyctl.contracts import Choice, TableOptions
from eproxyctl.errors import DataError, did_you_mean

KEY_COLUMNS = ("key", "architecture", "arch")
WITHOUT_METRIC = ("failed", "diverged")
"""What `benchmark` writes as the status of an architecture that got no metric; it is no part of the table."""
STEP = re.compile(r"([^.\[\]]+)|\[(-?\d+)\]")


@dataclass(frozen=True)
class Absent:
    """What a record has instead of a field it lacks: the field, and a hint where its name looks misspelt."""

    field: str
    hint: str = ""


Line = tuple[str, object, Any, bool]
"""Where a row is, its architecture, its metric, and whether `where` leaves it in."""


def csv_rows(path: Path, text: str, options: TableOptions) -> Iterator[Line]:
    """Rows under a header. Raises DataError where a column is not there or a row has another length."""
    reader = csv.reader(io.StringIO(text))
    header = next(reader, None)
    if not header or len(header) < 2:
        raise DataError(f"{path}: the first line must name at least two columns, the architecture and the metric")
    key = options.key or next((name for name in KEY_COLUMNS if name in header), header[0])
    others = [name for name in header if name != key]
    metric = options.metric or (others[0] if len(others) == 1 else None)
    for name in (key, metric, *options.where):
        if name is not None and name not in header:
            raise DataError(f"{path} has no column '{name}'", hint=did_you_mean(name, header))
    if metric is None:
        raise DataError(f"{path} has several metrics", hint=f"set task.table.metric to one of: {', '.join(others)}")
    for row in reader:
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(f"{path}:{reader.line_num}: {len(row)} values under {len(header)} columns")
        record = dict(zip(header, row, strict=True))
        if record.get("status") in WITHOUT_METRIC:
            continue
        kept = all(_matches(record[name], wanted) for name, wanted in options.where.items())
        yield f"line {reader.line_num}", record[key], record[metric], kept


def json_rows(path: Path, text: str, options: TableOptions) -> Iterator[Line]:
    """Pairs or records, also in parts ({top: […], mid: […]}), or an object of values or records by architecture.

    Raises DataError where they are none of these.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}:{error.colno}: no JSON: {error.msg}") from None
    if isinstance(data, dict) and data and all(isinstance(part, list) for part in data.values()):
        data = [row for part in data.values() for row in part]
    elif isinstance(data, dict) and data and all(isinstance(part, dict | int | float) for part in data.values()):
        data = [[key, value] for key, value in data.items()]
    if not isinstance(data, list):
        raise DataError(f"{path}: expected a list of [architecture, value] or of records, or an object by architecture")
    for index, row in enumerate(data):
        where = f"row {index + 1}"
        if isinstance(row, list) and len(row) == 2:
            notation, value, record = row[0], row[1], row[1]
            if options.metric is not None:
                value = _at(record, options.metric)
        elif isinstance(row, dict):
            if options.metric is None:
                raise DataError(f"{path} is a list of records", hint=f"set task.table.metric: {_numeric_fields(row)}")
            notation, value, record = row, _at(row, options.metric), row
            if options.key is not None:
                notation = _at(row, options.key)
                if isinstance(notation, Absent):
                    raise DataError(f"{path}: {where} has no '{options.key}'", hint=notation.hint)
        else:
            raise DataError(f"{path}: {where} is neither [architecture, value] nor a record")
        kept = all(_matches(_at(record, name), wanted) for name, wanted in options.where.items())
        yield where, notation, value, kept


def _at(record: Any, steps: str) -> Any:
    """What a path such as `test_ep_top1[-1]` leads to, or Absent."""
    value = record
    for name, index in STEP.findall(steps):
        try:
            value = value[name] if name else value[int(index)]
        except (KeyError, IndexError, TypeError):
            return Absent(steps, did_you_mean(name, value) if name and isinstance(value, dict) else "")
    return value


def _numeric_fields(record: dict[str, Any]) -> str:
    return " | ".join(name for name, value in record.items() if isinstance(value, int | float)) or "a field"


def _matches(found: object, wanted: Choice) -> bool:
    """Whether a field or a column's text is what `where` asks for."""
    return found == wanted or str(found) == str(wanted)

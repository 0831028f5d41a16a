"""The rows of a metric table as files have them: CSV, Parquet, JSON (records, pairs, an object of architectures)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eproxyctl.errors import DataError
from eproxyctl.tasks.columns import lines
from eproxyctl.tasks.files import MIB, file_content, file_text, foreign, gunzipped, shown

LARGEST = 512 * MIB
"""Bytes of a table, unpacked."""
KEYED = "an object keyed by architecture"
JSON_LINES = (".jsonl", ".ndjson")
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class TableRow:
    """One row of a table.

    Attributes:
        where: in the file, for messages.
        value: a record; or what stands beside the architecture, a record too or a number.
        notation: the architecture where it stands apart from the record; None where it is a field of it, or all of it.
    """

    where: str
    value: Any
    notation: Any = None


@dataclass(frozen=True)
class Document:
    """A table as its file has it.

    Attributes:
        path: of the file.
        rows: in the file's order.
        form: what the file is, for messages.
        columns: the header where there is one: every row has these fields, the first may name the architecture.
        raw: the file's bytes.
    """

    path: Path
    rows: list[TableRow]
    form: str
    columns: tuple[str, ...]
    raw: bytes


def read_rows(path: Path, hint: str) -> Document:
    """A table file; `.gz` after its suffix is unpacked.

    Raises:
        DataError: no such file, where `hint` says what to do; or one that cannot be read as what its suffix says.
    """
    raw = file_content(path, LARGEST, "metric table", hint)
    what = f"the metric table {shown(path)}"
    data = gunzipped(raw, LARGEST, what) if path.suffix.lower() == ".gz" else raw
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if any(suffix in PARQUET for suffix in suffixes):
        rows, columns = _parquet(path, data)
        return Document(path, rows, "Parquet", columns, raw)
    document = file_text(data, f"cannot read {what}: it")
    if any(suffix in JSON_LINES for suffix in suffixes):
        records = [(f"line {i}", line) for i, line in enumerate(document.split("\n"), 1) if line.strip()]
        parsed = [(where, _json(path, line, where)) for where, line in records]
        return Document(path, [_row(path, where, row) for where, row in parsed], "lines of JSON", (), raw)
    if ".json" in suffixes:
        rows, form = _json_rows(path, _json(path, document))
        return Document(path, rows, form, (), raw)
    rows, columns = _csv(path, document)
    return Document(path, rows, "CSV", columns, raw)


def _csv(path: Path, document: str) -> tuple[list[TableRow], tuple[str, ...]]:
    found = lines(document, str(path))
    _, header = next(found, (1, []))
    if len(header) < 2:
        raise DataError(
            f"{shown(path)}: the first line must name at least two columns, the architecture and the metric"
        )
    return list(_csv_rows(path, header, found)), tuple(header)


def _csv_rows(path: Path, header: list[str], found: Iterator[tuple[int, list[str]]]) -> Iterator[TableRow]:
    for number, values in found:
        if len(values) != len(header):
            raise DataError(f"{shown(path)}:{number}: {len(values)} values under {len(header)} columns")
        yield TableRow(f"line {number}", dict(zip(header, values, strict=True)))


def _parquet(path: Path, data: bytes) -> tuple[list[TableRow], tuple[str, ...]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise DataError(f"{shown(path)}: Parquet needs pyarrow", hint="pip install pyarrow") from None
    with foreign(f"cannot read the metric table {shown(path)}"):
        file = parquet.ParquetFile(pyarrow.BufferReader(data))
        size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
        if size > LARGEST:
            raise ValueError(f"it unpacks to more than {LARGEST // MIB} MiB")
        table = file.read()
        columns = tuple(map(str, table.column_names))
        return [TableRow(f"row {i}", record) for i, record in enumerate(table.to_pylist(), 1)], columns


def _json(path: Path, document: str, where: str = "") -> Any:
    place = f"{shown(path)}: {where}: " if where else f"{shown(path)}: "
    try:
        return json.loads(document, object_pairs_hook=_distinct)
    except _Twice as error:
        raise DataError(f"{place}the key '{shown(error)}' is there twice in one object") from None
    except json.JSONDecodeError as error:
        at = f"{where}: " if where else f"{error.lineno}:{error.colno}: "
        raise DataError(f"{shown(path)}:{at}no JSON: {error.msg}") from None
    except RecursionError:
        raise DataError(f"{place}no JSON that can be read: it is nested too deeply") from None
    except ValueError:  # Python reads no whole numbers of more digits
        raise DataError(f"{place}no JSON that can be read: a number has more than 4,300 digits") from None


class _Twice(Exception):
    """A key that an object has twice; JSON leaves it open which one counts."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Twice(next(key for key in found if keys.count(key) > 1))
    return found


def _json_rows(path: Path, data: Any) -> tuple[list[TableRow], str]:
    """Pairs or records, also in parts ({top: […], mid: […]}); or an object keyed by architecture."""
    if isinstance(data, Mapping):
        if not _in_parts(data):
            rows = [TableRow(f"key {i}", value, notation) for i, (notation, value) in enumerate(data.items(), 1)]
            return rows, KEYED
        data = [row for part in data.values() for row in part]
    if not isinstance(data, list):
        raise DataError(
            f"{shown(path)}: expected a list of [architecture, value] or of records, or an object keyed by architecture"
        )
    rows = [_row(path, f"row {i}", row) for i, row in enumerate(data, 1)]
    return rows, "a list of records" if rows and rows[0].notation is None else "a list of [architecture, value]"


def _in_parts(data: Mapping[str, Any]) -> bool:
    """Whether an object has lists of rows; lists of numbers are what an architecture has."""
    return bool(data) and all(
        isinstance(part, list) and all(isinstance(row, list | Mapping) for row in part) for part in data.values()
    )


def _row(path: Path, where: str, row: Any) -> TableRow:
    if isinstance(row, list) and len(row) == 2:
        return TableRow(where, row[1], row[0])
    if isinstance(row, Mapping):
        return TableRow(where, row)
    raise DataError(f"{shown(path)}: {where} is neither [architecture, value] nor a record")

"""Records as CSV and JSON lines."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from eproxyctl.runs.tabular import Record, plain


def csv_lines(records: Iterable[Record]) -> Iterator[str]:
    """A header and a line each, one after the other; what is unknown or not finite is empty."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    for i, record in enumerate(records):
        if i == 0:
            writer.writerow(record)
        writer.writerow([_cell(value) for value in record.values()])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def json_lines(records: Iterable[Record]) -> Iterator[str]:
    """A line each; NaN becomes null."""
    return (json.dumps(plain(record)) + "\n" for record in records)


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list | tuple):
        return json.dumps(value)
    return "" if value is None or (isinstance(value, float) and not math.isfinite(value)) else value

"""Data to stdout or a file: a table for people, csv, json or jsonl for programs."""

from __future__ import annotations

import io
import json
import math
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eproxyctl.errors import UsageError
from eproxyctl.runs.lines import csv_lines, json_lines
from eproxyctl.runs.tabular import Record, plain

if TYPE_CHECKING:
    from eproxyctl.ranking import Estimate


class Format(StrEnum):
    """How data is written."""

    table = "table"
    csv = "csv"
    json = "json"
    jsonl = "jsonl"


SUFFIXES = {".csv": Format.csv, ".json": Format.json, ".jsonl": Format.jsonl, ".txt": Format.table}


def chosen_format(format: Format | None, output: Path | None) -> Format:
    """The format asked for, else that of the file's suffix, else a table on a terminal and CSV in a pipe."""
    if format is not None:
        return format
    if output is not None:
        if output.suffix not in SUFFIXES:
            raise UsageError(f"no format is known by the suffix of {output}", hint="add --format csv|json|jsonl|table")
        return SUFFIXES[output.suffix]
    return Format.table if sys.stdout.isatty() else Format.csv


def write_records(records: Sequence[Record], format: Format, output: Path | None = None, *, title: str = "") -> None:
    """All records at once."""
    emit(text(records, format, title, color=output is None and sys.stdout.isatty()), output)


def text(records: Sequence[Record], format: Format, title: str = "", *, color: bool = False) -> str:
    """All records as they are written."""
    if format is Format.table:
        return table(records, title, color=color)
    if format is Format.json:
        return json.dumps([plain(record) for record in records], indent=2) + "\n"
    return "".join(record_lines(records, format))


def record_lines(records: Iterable[Record], format: Format) -> Iterator[str]:
    """Records as CSV or JSON lines, one after the other."""
    return json_lines(records) if format is Format.jsonl else csv_lines(records)


def streaming(format: Format) -> Callable[[Record], None]:
    """What writes records to stdout as CSV or JSON lines, each at once."""
    first = True

    def show(record: Record) -> None:
        nonlocal first
        pieces = list(record_lines([record], format))
        sys.stdout.write(pieces[0] if first or format is Format.jsonl else _without_header(pieces[0]))
        sys.stdout.flush()
        first = False

    return show


def _without_header(text: str) -> str:
    """CSV of one record, which has no newline in its header."""
    return text.partition("\n")[2]


def document(name: str, records: Iterable[Record], rest: Mapping[str, Any]) -> Iterator[str]:
    """A JSON object in pieces: a list of records under a name, and the rest; indented by two."""
    before = f'{{\n  "{name}": [\n'
    for record in records:
        yield before + textwrap.indent(json.dumps(plain(record), indent=2), "    ")
        before = ",\n"
    yield "\n  ]," + json.dumps(rest, indent=2)[1:] + "\n"


def emit(content: str | Iterable[str], output: Path | None = None) -> None:
    """Text, whole or in pieces, to a file or to stdout."""
    if output is None:
        sys.stdout.writelines((content,) if isinstance(content, str) else content)
        return
    from eproxyctl.runs import files

    files.write(output, content)


def table(records: Sequence[Record], title: str = "", *, color: bool = False) -> str:
    """Aligned columns; never cut, however wide."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(title=Text(title) if title else None, title_justify="left", show_edge=False, pad_edge=False)
    for name in records[0] if records else ():
        number = all(isinstance(r[name], int | float | None) and not isinstance(r[name], bool) for r in records)
        grid.add_column(name, justify="right" if number else "left", no_wrap=True)
    for record in records:
        grid.add_row(*(Text(_show(value)) for value in record.values()))
    stream = io.StringIO()
    Console(file=stream, width=10_000, force_terminal=color, highlight=False).print(grid)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def interval(e: Estimate | None) -> str:
    """`0.66 [0.48, 0.82]`; the value alone without an interval."""
    if e is None or not math.isfinite(e.value):
        return "–"
    if e.low is None or e.high is None:
        return f"{e.value:.2f}"
    return f"{e.value:.2f} [{e.low:.2f}, {e.high:.2f}]"


def _show(value: Any) -> str:
    formats: dict[type, Callable[[Any], str]] = {
        float: lambda v: f"{v:.4g}" if math.isfinite(v) else "–",
        int: "{:,}".format,
    }
    if value is None:
        return "–"
    return formats.get(type(value), str)(value)

"""CSV files: rows under a header, by the names of its columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from eproxyctl.errors import DataError
from eproxyctl.tasks.files import MIB, cause, file_content, file_text, nearest, shown

LARGEST = 256 * MIB
"""Bytes of one CSV file."""


def lines(document: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """Number and values of each line that is not empty; a line may end in LF, CR LF or CR.

    Raises:
        DataError: what is no CSV, such as a value of more than 131,072 characters; names file and line.
    """
    reader = csv.reader(io.StringIO(document, newline=""))
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise DataError(f"{shown(where)}:{reader.line_num}: no CSV: {cause(error)}") from None
        if row is None:
            return
        if row:
            yield reader.line_num, row


def place(header: Sequence[str], name: str, where: str, hint: str = "") -> int:
    """Where a column is. Raises DataError where the header lacks it, or has it more than once."""
    if name not in header:
        raise DataError(f"{shown(where)} has no column '{shown(name)}'", hint=nearest(name, header) or hint)
    if header.count(name) > 1:
        raise DataError(f"{shown(where)} has {header.count(name)} columns '{shown(name)}'", hint="rename all but one")
    return header.index(name)


def chosen(path: str, columns: Sequence[str], hint: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Number of each line of a CSV file with a header, and its values in some columns; '' where it is shorter.

    Raises:
        DataError: no such file, no CSV, or not these columns; `hint` says what the header should be.
    """
    rows = lines(file_text(file_content(path, LARGEST), shown(path)), path)
    _, header = next(rows, (1, []))
    places = [place(header, column, path, hint) for column in columns]
    for number, row in rows:
        if len(row) > len(header):
            raise DataError(f"{shown(path)}:{number}: {len(row)} values under {len(header)} columns")
        yield number, tuple(row[i] if i < len(row) else "" for i in places)

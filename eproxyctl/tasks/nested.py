"""A metric table inside a JSON object that names its space or data set first, as published tables of proxies do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from eproxyctl.contracts import Space
from eproxyctl.errors import DataError
from eproxyctl.tasks.fields import LOOKED_AT, is_architecture, short
from eproxyctl.tasks.files import LISTED, shown
from eproxyctl.tasks.rows import KEYED, Document, TableRow

DEEPEST = 3
"""Names that may stand before the architectures, such as those of the space and of the data set."""
WIDEST = 100
"""Names on one level that are looked below."""


def unwrapped(document: Document, space: Space) -> Document:
    """The table inside of {nasbench101: {cifar10: {architecture: record}}}; any other document as it is.

    Raises:
        DataError: there are several such tables in it.
    """
    if document.form != KEYED:
        return document
    top = {row.notation: row.value for row in document.rows}
    found = list(islice(_tables(top, space), LISTED))
    if not found or found[0][0] == "":
        return document
    if len(found) > 1:
        told = f"{shown(document.path)} has several tables: {', '.join(short(name) for name, _ in found)}"
        raise DataError(told, hint="keep the one that is wanted in a file of its own")
    inside = enumerate(found[0][1].items(), 1)
    return replace(document, rows=[TableRow(f"key {i}", value, notation) for i, (notation, value) in inside])


def _tables(
    data: Mapping[str, Any], space: Space, names: tuple[str, ...] = ()
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Objects that are keyed by architecture, and their names on the way."""
    if any(is_architecture(space, name) for name in islice(data, LOOKED_AT)):
        yield ".".join(names), data
    elif len(names) < DEEPEST:
        for name, value in islice(data.items(), WIDEST):
            if isinstance(value, Mapping):
                yield from _tables(value, space, (*names, name))

"""Results as a person in a notebook reads them: records, a pandas frame, an HTML table."""

from __future__ import annotations

import html
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from eproxyctl.errors import UsageError

if TYPE_CHECKING:
    import pandas

Record = Mapping[str, Any]
SHOWN = 20
"""Records of an HTML table."""


class Tabular(ABC):
    """A result that is a list of records, one an architecture, a setting or a rival."""

    @abstractmethod
    def _table(self) -> tuple[str, Sequence[Record]]:
        """What the records are, and the records."""

    def to_pandas(self) -> pandas.DataFrame:
        """The records as a frame. Raises UsageError where pandas is not installed."""
        if find_spec("pandas") is None:
            raise UsageError("to_pandas needs the package pandas", hint="pip install pandas")
        import pandas

        return pandas.DataFrame([dict(row) for row in self._table()[1]])

    def _repr_html_(self) -> str:
        title, rows = self._table()
        names = list(rows[0]) if rows else []
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_shown(value))}</td>" for value in row.values()) + "</tr>"
            for row in rows[:SHOWN]
        )
        rest = f"<p>and {len(rows) - SHOWN:,} more</p>" if len(rows) > SHOWN else ""
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"<p>{html.escape(title)}</p>{table}{rest}"

    def __str__(self) -> str:
        return self._table()[0]


def plain(record: Record) -> dict[str, Any]:
    """A record for JSON: NaN becomes null."""
    return {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in record.items()}


def _shown(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

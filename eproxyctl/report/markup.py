"""Pieces of HTML. Every text that comes from outside goes through `text`."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

Cell = str | int | float | None


def text(value: object) -> str:
    """Text as it may stand in an element or an attribute."""
    return html.escape(str(value), quote=True)


def paragraph(content: str, *, soft: bool = False, bad: bool = False) -> str:
    kind = ' class="soft"' if soft else ' class="bad"' if bad else ""
    return f"<p{kind}>{text(content)}</p>"


def code(content: str) -> str:
    """A block of code, scrolled where it is wide."""
    return f'<pre tabindex="0"><code>{text(content.rstrip())}</code></pre>'


def folded(title: str, content: str) -> str:
    """HTML that is shown on a click."""
    return f"<details><summary>{text(title)}</summary>{content}</details>"


def fact_list(pairs: Mapping[str, str]) -> str:
    """A few numbers that matter, large."""
    return '<ul class="facts">' + "".join(f"<li><b>{text(v)}</b>{text(k)}</li>" for k, v in pairs.items()) + "</ul>"


def grid(caption: str, header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table, scrolled where it is wide; a column named `key`, and one of commands or hashes, is set as code."""
    numeric = [all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(header))]
    head = "".join(f'<th scope="col"{_number(numeric[i])}>{text(name)}</th>' for i, name in enumerate(header))
    body = "".join(
        "<tr>" + "".join(_cell(header[i], row[i], numeric[i]) for i in range(len(header))) + "</tr>" for row in rows
    )
    return (
        f'<p class="caption">{text(caption)}</p><div class="scroll" tabindex="0" role="region" '
        f'aria-label="{text(caption)}"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


CODE = ("key", "sha256", "hash", "example")


def _cell(name: str, value: Cell, numeric: bool) -> str:
    shown = figure(value)
    inner = f"<code>{text(shown)}</code>" if name in CODE and shown else text(shown)
    kind = ' class="key"' if name in CODE else ""
    return f"<td{_number(numeric) or kind}>{inner}</td>"


def _number(numeric: bool) -> str:
    return ' class="number"' if numeric else ""


def figure(value: Cell) -> str:
    """A value as people read it; a dash for none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < 1e15
        return f"{value:,.0f}" if whole or 1e4 <= abs(value) < 1e15 else f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def duration(seconds: float) -> str:
    """`12 s`, `3.4 min`, `5.1 h`."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def plural(count: int, noun: str) -> str:
    """`1 row`, `1,200 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

"""Figures of a report: sheets of columns that the page holds once, and what is drawn from them.

A sheet is what the figure's CSV link gives. Numbers are kept as bytes in base64; text of hover labels is made in the
page, from the columns. What is drawn is written as Plotly's JavaScript library takes it, with references to columns.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eproxyctl.ranking import Floats

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
MANY = 3000
"""Points from which a scatter is drawn by WebGL."""


@dataclass(frozen=True)
class Sheet:
    """Columns of equal length, by name.

    Attributes:
        name: of the CSV file, without its suffix.
        rows: named selections of rows.
    """

    name: str
    columns: Mapping[str, Sequence[str] | Floats]
    rows: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def of(self, column: str, rows: str = "", *, hover: bool = False) -> Json:
        """A reference to a column; `hover`: wrapped, as hover text."""
        reference: dict[str, Json] = {"sheet": self.name, "column": column}
        if rows:
            reference["rows"] = rows
        if hover:
            reference["hover"] = True
        return reference

    def stored(self) -> Json:
        """As the page holds it."""
        columns = {name: _column(values) for name, values in self.columns.items()}
        rows = {name: _bytes(np.asarray(places, dtype="<i4"), "i32") for name, places in self.rows.items()}
        return {"file": f"{self.name}.csv", "columns": columns, "rows": rows}


def _column(values: Sequence[str] | Floats) -> Json:
    if isinstance(values, np.ndarray):
        return _bytes(values.astype("<f8"), "f64")
    return list(values)


def _bytes(values: Any, kind: str) -> Json:
    return {"type": kind, "data": base64.b64encode(values.tobytes()).decode("ascii")}


@dataclass(frozen=True)
class Axes:
    """One panel: its two axes as Plotly has them."""

    x: Mapping[str, Json]
    y: Mapping[str, Json]


@dataclass(frozen=True)
class Figure:
    """What is drawn.

    Attributes:
        title: heading; empty for none.
        sentence: what it shows.
        sheet: the data, for the CSV link.
        panels: side by side where there is room.
        traces: Plotly's, each with a `panel`, and a `colour` by number.
        lines: dashed ones, each at an `x` or a `y` of a `panel`.
        shades: from and to an x of a panel.
        height: of a panel in pixels.
        shared: panels have the same categories from bottom to top.
        columns: panels side by side at most.
        legend: whether traces are named.
        least: pixels a panel needs; a narrower page scrolls it.
    """

    title: str
    sentence: str
    sheet: Sheet
    panels: Sequence[Axes]
    traces: Sequence[Mapping[str, Json]]
    lines: Sequence[Mapping[str, Json]] = ()
    shades: Sequence[Mapping[str, Json]] = ()
    height: int = 300
    shared: bool = False
    columns: int = 3
    legend: bool = False
    least: int = 250

    def stored(self) -> Json:
        """As the page holds it."""
        return {
            "panels": [{"x": dict(axes.x), "y": dict(axes.y)} for axes in self.panels],
            "traces": [dict(trace) for trace in self.traces],
            "lines": [dict(line) for line in self.lines],
            "shades": [dict(shade) for shade in self.shades],
            "height": self.height,
            "shared": self.shared,
            "columns": self.columns,
            "legend": self.legend,
            "least": self.least,
        }


def shown(text: object) -> str:
    """A name as Plotly shows it letter by letter: it reads text as a kind of HTML."""
    escaped = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("%{", "&#37;{")


def finite(values: Floats) -> list[float | None]:
    """Numbers for JSON: None for what is not finite."""
    return [value if math.isfinite(value) else None for value in values.tolist()]


def scatter(
    sheet: Sheet,
    panel: int,
    x: str,
    y: str,
    *,
    rows: str = "",
    name: str = "",
    colour: int = 0,
    symbol: str = "circle",
    size: int = 7,
    opacity: float = 0.75,
    more: Sequence[str] = (),
) -> dict[str, Json]:
    """Points of two columns, with the key and `more` columns in their hover label."""
    lines = [f"{shown(x)} %{{x:.5~g}}", f"{shown(y)} %{{y:.5~g}}"]
    lines += [f"{shown(column)} %{{customdata[{i}]:.5~s}}" for i, column in enumerate(more)]
    return {
        "type": "scattergl" if len(sheet) > MANY else "scatter",
        "mode": "markers",
        "panel": panel,
        "name": shown(name),
        "showlegend": bool(name) and panel == 0,
        "legendgroup": shown(name),
        "colour": colour,
        "x": sheet.of(x, rows),
        "y": sheet.of(y, rows),
        "text": sheet.of("key", rows, hover=True),
        "customdata": {"zip": [sheet.of(column, rows) for column in more]} if more else None,
        "hovertemplate": "%{text}<br>" + "<br>".join(lines) + f"<extra>{shown(name)}</extra>",
        "marker": {"size": size if len(sheet) <= MANY else 4, "symbol": symbol, "opacity": opacity},
    }


def curve(
    panel: int, mode: str, x: Json, y: Json, *, name: str = "", colour: int = 0, hover: str = "", **more: Json
) -> dict[str, Json]:
    """Points or a line through them.

    Args:
        mode: markers, lines, lines+markers or text.
        hover: template of the label; without one there is no label.
        more: as Plotly has it.
    """
    label: dict[str, Json] = {"hovertemplate": hover + "<extra></extra>"} if hover else {"hoverinfo": "skip"}
    named: dict[str, Json] = {"name": shown(name), "showlegend": bool(name), "colour": colour}
    drawn: dict[str, Json] = {"type": "scatter", "mode": mode, "panel": panel, "x": x, "y": y}
    return {**drawn, **named, **label, **more}


def intervals(
    panel: int, names: Sequence[str], values: Floats, low: Floats, high: Floats, *, name: str = "", colour: int = 0
) -> dict[str, Json]:
    """A row of points with their intervals, one above the other."""
    return {
        "type": "scatter",
        "mode": "markers",
        "panel": panel,
        "name": shown(name),
        "showlegend": bool(name) and panel == 0,
        "legendgroup": shown(name),
        "colour": colour,
        "marker": {"size": 9},
        "x": finite(values),
        "y": [shown(one) for one in names],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": finite(high - values),
            "arrayminus": finite(values - low),
        },
        "customdata": [[a, b] for a, b in zip(finite(low), finite(high), strict=True)],
        "hovertemplate": "%{y}<br>%{x:.3f} [%{customdata[0]:.3f}, %{customdata[1]:.3f}]"
        + f"<extra>{shown(name)}</extra>",
    }


def categories(names: Sequence[str]) -> dict[str, Json]:
    """An axis of names, the first at the top."""
    listed = [shown(name) for name in names][::-1]
    return {"type": "category", "categoryorder": "array", "categoryarray": listed, "title": ""}


def axis(title: str, **more: Json) -> dict[str, Json]:
    """A numeric axis."""
    return {"title": shown(title), "zeroline": False, "tickangle": 0, "nticks": 7, **more}


def log_axis(title: str, values: Floats) -> dict[str, Json]:
    """A logarithmic axis with few round ticks; a plain one where the values span less than a factor of four."""
    known = values[np.isfinite(values)]
    if not len(known) or known.min() <= 0 or known.max() < 4 * known.min():
        return axis(title)
    low, high = float(known.min()), float(known.max())
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high < 1000 * low else (1,)
    ticks = [
        step * 10.0**power for power in powers for step in steps if 0.97 * low <= step * 10.0**power <= 1.03 * high
    ]
    ticks = ticks[:: math.ceil(len(ticks) / 7)] if ticks else []
    return axis(title, type="log", tickvals=ticks, ticktext=[_short(tick) for tick in ticks])


def _short(value: float) -> str:
    """`200`, `5k`, `20M`, `1B`."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"

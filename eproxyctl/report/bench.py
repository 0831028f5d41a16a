"""A run of `benchmark`: what was really trained, how good it is, and what that took."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from eproxyctl.ranking import Floats
from eproxyctl.report import asked, markup
from eproxyctl.report.figures import Axes, Figure, Json, Sheet, axis, curve, log_axis, scatter
from eproxyctl.report.page import Block, PageSection
from eproxyctl.report.pictures import gallery
from eproxyctl.report.reading import PaidRow, Run

TABLE = "table.csv"
OWN = ("key", "loss", "params", "macs", "epochs", "seconds", "status")
"""Columns of the table that are not the metric."""
LOWER = ("loss", "error", "mse", "mae")
BEST = 3


def benchmark_sections(run: Run) -> list[PageSection]:
    """The parts of the report."""
    table = run.table(TABLE)
    metric = next((name for name in (table[0] if table else ()) if name not in OWN), "metric")
    rows = list({row.key: row for row in run.rows}.values())
    good = [row for row in rows if row.metric is not None]
    start: list[Block] = [asked.overview(run, _numbers(good, metric))]
    if not table:
        wanted = run.setting("train.architectures")
        start.append(asked.unfinished(run, f"{len(rows):,} of {wanted} architectures are trained"))
    parts = [PageSection("At a glance", start)]
    if good:
        sheet = _sheet(run, good)
        parts.append(PageSection("Metric and size", [_against_size(sheet, good, metric)]))
        parts.append(PageSection("Distribution of the metric", [_distribution(sheet, metric)]))
        parts.append(PageSection("The best", _best(run, good, metric)))
    if run.timings:
        parts.append(PageSection("Time spent", [_hours(run, good)]))
    return [*parts, *asked.trouble(run), asked.provenance(run)]


def _numbers(good: Sequence[PaidRow], metric: str) -> dict[str, str]:
    values = np.array([row.metric for row in good], dtype=np.float64)
    numbers = {"trained": f"{len(good):,}"}
    if len(values):
        numbers |= {f"lowest {metric}": f"{values.min():.4g}", "median": f"{np.median(values):.4g}"}
        numbers["highest"] = f"{values.max():.4g}"
    return numbers


def _column(rows: Sequence[PaidRow], name: str) -> Floats:
    return np.array([math.nan if (v := getattr(row, name)) is None else v for row in rows], dtype=np.float64)


def _sheet(run: Run, good: Sequence[PaidRow]) -> Sheet:
    seconds = {line.key: line.seconds for line in run.timings}
    data: dict[str, Sequence[str] | Floats] = {"key": [row.key for row in good]}
    data |= {name: _column(good, name) for name in ("metric", "loss", "params", "macs", "epochs")}
    data["seconds"] = np.array([seconds.get(row.key, math.nan) for row in good])
    return Sheet(f"{run.slug}-trained", data)


def _against_size(sheet: Sheet, good: Sequence[PaidRow], metric: str) -> Figure:
    traces = [
        scatter(sheet, 0, "params", "metric", more=["macs", "seconds"]),
        scatter(sheet, 1, "macs", "metric", more=["params", "seconds"]),
        scatter(sheet, 2, "seconds", "metric", more=["params", "macs"]),
    ]
    panels = [Axes(log_axis(name, _column(good, name)), axis(metric)) for name in ("params", "macs")]
    panels.append(Axes(axis("seconds of training"), axis(metric)))
    sentence = (
        f"The {metric} of each trained architecture above its parameters, its multiply-adds and the time it took. If "
        "size alone ranked them, the first two panels would rise from left to right."
    )
    return Figure("", sentence, sheet, panels, traces)


def _distribution(sheet: Sheet, metric: str) -> Figure:
    trace: dict[str, Json] = {
        "type": "histogram",
        "panel": 0,
        "x": sheet.of("metric"),
        "colour": 0,
        "nbinsx": 25,
        "showlegend": False,
        "hovertemplate": "%{x}: %{y} architectures<extra></extra>",
    }
    sentence = f"How the {metric} spreads: a wide spread is easy to rank, a narrow one takes many labels."
    return Figure("", sentence, sheet, [Axes(axis(metric), axis("architectures"))], [trace], height=220)


def _best(run: Run, good: Sequence[PaidRow], metric: str) -> list[Block]:
    lower = any(word in metric for word in LOWER)
    order = sorted(good, key=lambda row: (row.metric or 0.0) * (1 if lower else -1))
    header = ("rank", "key", metric, "loss", "params", "macs", "epochs")
    rows = [
        (rank, row.key, row.metric, row.loss, row.params, row.macs, row.epochs)
        for rank, row in enumerate(order[:10], start=1)
    ]
    chosen = [
        (row.key, f"{rank}. {metric} {markup.figure(row.metric)}") for rank, row in enumerate(order[:BEST], start=1)
    ]
    return [markup.grid(f"The best by {metric}", header, rows), gallery(run, chosen)]


def _hours(run: Run, good: Sequence[PaidRow]) -> Figure:
    known = {row.key: row.metric for row in good}
    each = np.array([line.seconds for line in run.timings])
    data: dict[str, Sequence[str] | Floats] = {
        "trained": np.arange(1.0, len(each) + 1),
        "key": [line.key for line in run.timings],
        "seconds": each,
        "minutes in all": each.cumsum() / 60,
        "metric": np.array(
            [math.nan if (v := known.get(line.key)) is None else v for line in run.timings], dtype=np.float64
        ),
    }
    sheet = Sheet(f"{run.slug}-time", data)
    x, hover = sheet.of("trained"), "%{x} trained: %{y:.3g} min"
    trace = curve(0, "lines", x, sheet.of("minutes in all"), colour=2, hover=hover, line={"width": 2.2})
    bars: dict[str, Json] = {
        "type": "bar",
        "panel": 1,
        "colour": 0,
        "x": sheet.of("trained"),
        "y": sheet.of("seconds"),
        "showlegend": False,
        "text": sheet.of("key", hover=True),
        "textposition": "none",
        "hovertemplate": "%{text}<br>%{y:.3g} s<extra></extra>",
    }
    panels = [
        Axes(axis("architectures trained"), axis("minutes of one core")),
        Axes(axis("in the order they ended"), axis("seconds each")),
    ]
    total = markup.duration(float(each.sum()))
    sentence = f"What the labels cost: {total} of one core in all, and the seconds of each training."
    return Figure("", sentence, sheet, panels, [trace, bars], columns=2, height=240)

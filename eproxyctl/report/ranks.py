"""How well the columns of a run of `score` rank: in words, as a forest plot, and as what the best k hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from eproxyctl.ranking import PARTIAL, Floats, ranked, top_overlap
from eproxyctl.report import markup
from eproxyctl.report.figures import Axes, Figure, Json, Sheet, axis, categories, curve, intervals, log_axis, shown
from eproxyctl.report.page import Block
from eproxyctl.report.reading import Run
from eproxyctl.report.scores import SIZES, ScoredRun

FORESTS = ("spearman", "kendall", "weighted tau", PARTIAL)
NUMBERS = ("value", "low", "high", "n")
POINTS = 60
"""Of a recall curve."""
Record = dict[str, Any]


def verdict(run: Run) -> list[Block]:
    """In words: how the proxies do beside size."""
    rho = {str(one["column"]): one for one in _listed(run) if one["statistic"] == "spearman"}
    sizes = [rho[name]["value"] for name in SIZES if name in rho]
    lines: list[Block] = []
    for name, one in rho.items():
        if name in SIZES or not sizes:
            continue
        low, high, size = one.get("low"), one.get("high"), max(sizes)
        said = f"{name}: Spearman's ρ {one['value']:.2f}"
        if low is not None and high is not None:
            beside = "above" if low > size else "below" if high < size else "not to be told from"
            said += f" [{low:.2f}, {high:.2f}], {beside} size alone ({size:.2f})"
            said += "; the interval holds 0, which is chance" if low <= 0 <= high else ""
        lines.append(markup.paragraph(f"{said}."))
    return lines[:6]


def rank_correlations(run: Run) -> list[Block]:
    """A forest plot of the rank correlations, and all statistics as a table; nothing where there are none."""
    listed = _listed(run)
    statistics = [name for name in FORESTS if any(one["statistic"] == name for one in listed)]
    if not statistics:
        return []
    rows = [[one["column"], one["statistic"], *(one.get(name) for name in NUMBERS)] for one in listed]
    header = ("column", "statistic", "value", "low", "high", "architectures")
    table = markup.grid("Statistics with 95 % intervals", header, rows)
    return [_forest(run, listed, statistics), markup.folded("All statistics as a table", table)]


def _listed(run: Run) -> list[Record]:
    """correlations.json, without what has no value."""
    found = run.json("correlations.json")
    listed = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [one for one in listed if {"column", "statistic"} <= set(one) and one.get("value") is not None]


def _numbers(field: str, records: Sequence[Record]) -> Floats:
    return np.array([math.nan if one.get(field) is None else one[field] for one in records], dtype=np.float64)


def _forest(run: Run, listed: Sequence[Record], statistics: Sequence[str]) -> Figure:
    columns = list(dict.fromkeys(str(one["column"]) for one in listed))
    data: dict[str, Sequence[str] | Floats] = {
        name: [str(one[name]) for one in listed] for name in ("column", "statistic")
    }
    sheet = Sheet(f"{run.slug}-correlations", data | {name: _numbers(name, listed) for name in NUMBERS})
    traces = []
    for panel, statistic in enumerate(statistics):
        own = [one for one in listed if one["statistic"] == statistic]
        three = [_numbers(name, own) for name in NUMBERS[:3]]
        traces.append(intervals(panel, [str(one["column"]) for one in own], *three, colour=panel))
    sentence = (
        "Rank correlation of each column with the metric: 1 ranks as the metric does, 0 like chance. Bars are 95 % "
        "bootstrap intervals over architectures; a proxy that is not right of params and macs is not worth running."
    )
    panels = [Axes(axis(name, range=[-1.05, 1.05]), categories(columns)) for name in statistics]
    lines = [{"panel": panel, "x": 0} for panel in range(len(statistics))]
    height = 60 + 34 * len(columns)
    return Figure("", sentence, sheet, panels, traces, lines, height=height, shared=True, columns=2)


def recall(run: Run, found: ScoredRun) -> Figure:
    """Of the truly best k architectures, the share that is among the k best by each column."""
    counted = np.array([key not in found.tuned for key in found.keys]) & np.isfinite(found.metric)
    metric = ranked(found.metric[counted], higher_is_better=found.goal == "maximize")
    n = len(metric)
    ks = np.unique(np.round(np.geomspace(1, max(n, 1), POINTS)).astype(int))
    columns: dict[str, Sequence[str] | Floats] = {"k": ks.astype(float), "share of all": ks / max(n, 1)}
    for name, values in found.columns.items():
        one = ranked(values[counted], higher_is_better=found.higher[name])
        columns[f"{name} recall"] = np.array([top_overlap(one, metric, k / n) for k in ks])
    sheet = Sheet(f"{run.slug}-recall", columns)
    traces = []
    for i, name in enumerate(found.columns):
        hover = f"of the best %{{x}}, {shown(name)} finds %{{y:.0%}}"
        line: dict[str, Json] = {"width": 2.2, "dash": "solid" if name in found.proxies else "dot"}
        own = sheet.of(f"{name} recall")
        traces.append(curve(0, "lines", sheet.of("k"), own, name=name, colour=i, hover=hover, line=line))
    dashed: dict[str, Json] = {"width": 1.2, "dash": "dash"}
    traces.append(curve(0, "lines", sheet.of("k"), sheet.of("share of all"), name="chance", colour=7, line=dashed))
    sentence = (
        f"Of the truly best k of {n:,} architectures, the share that is among the k best by each column. "
        "Left is what a search needs: how many of the very best a column finds."
    )
    panel = Axes(
        log_axis("k, the best by score", ks.astype(float)), axis("found", tickformat=".0%", range=[-0.02, 1.02])
    )
    return Figure("", sentence, sheet, [panel], traces, legend=True, height=320)

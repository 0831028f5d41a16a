"""A run of `score`: scores against the metric, how well they rank, and what failed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eproxyctl.ranking import PARTIAL, Floats, ranked, top_overlap
from eproxyctl.report import asked, markup
from eproxyctl.report.figures import Axes, Figure, Json, Sheet, axis, categories, intervals, log_axis, scatter, shown
from eproxyctl.report.page import Block, Section
from eproxyctl.report.pictures import gallery
from eproxyctl.report.reading import Run, number

FORESTS = ("spearman", "kendall", "weighted tau", PARTIAL)
POINTS = 60
"""Of a recall curve."""
BEST = 3
SIZES = ("params", "macs")


@dataclass(frozen=True)
class Scores:
    """scores.csv and scores.json.

    Attributes:
        keys: of the architectures, [n].
        columns: [n] each, by name: the proxies', the sizes, the baselines'; NaN where there is none.
        proxies: which of them are proxies'.
        higher: whether more is better, of each.
        metric: [n], NaN where the table has none.
        goal: `maximize` or `minimize`.
        tuned: keys equal to one that a proxy was tuned on.
    """

    keys: Sequence[str]
    columns: dict[str, Floats]
    proxies: Sequence[str]
    higher: dict[str, bool]
    metric: Floats
    goal: str
    tuned: frozenset[str]


def scores(run: Run) -> Scores | None:
    """What a finished run left, None where there is nothing (yet)."""
    rows, meaning = run.table("scores.csv"), run.json("scores.json")
    if not rows or not isinstance(meaning, dict) or not isinstance(meaning.get("columns"), dict):
        return None
    baselines = meaning.get("baselines") or {}
    higher = {**meaning["columns"], **dict.fromkeys(SIZES, True), **baselines}
    present = [name for name in higher if name in rows[0]]
    return Scores(
        [row["key"] for row in rows],
        {name: np.array([number(row[name]) for row in rows]) for name in present},
        [name for name in meaning["columns"] if name in present],
        {name: bool(higher[name]) for name in present},
        np.array([number(row.get("metric")) for row in rows]),
        str(meaning.get("goal", "maximize")),
        frozenset(map(str, meaning.get("tuned") or ())),
    )


def sections(run: Run) -> list[Section]:
    """The parts of the report."""
    found = scores(run)
    if found is None:
        return [*_partial(run), *asked.trouble(run), asked.provenance(run)]
    known = int(np.isfinite(found.metric).sum())
    numbers = {"architectures": f"{len(found.keys):,}"}
    numbers |= {"with a metric": f"{known:,}"} if known else {}
    numbers |= {"kept out: tuned on": f"{len(found.tuned):,}"} if found.tuned else {}
    start: list[Block] = [asked.overview(run, numbers)]
    parts = [Section("At a glance", [*start, *_verdict(run)])]
    sheet = _sheet(run, found)
    if known:
        parts.append(Section("Score against metric", [_against_metric(run, found, sheet)]))
        if correlations := _correlations(run):
            parts.append(Section("How well each column ranks", correlations))
        parts.append(Section("What the best by score hold", [_recall(run, found)]))
    parts.append(Section("Distribution of scores", [_distribution(found.proxies, sheet)]))
    parts.append(Section("The best by score", _best(run, found)))
    return [*parts, *asked.trouble(run), asked.provenance(run)]


def _metric(run: Run) -> str:
    return str(run.setting("task.table.metric") or "metric")


def _verdict(run: Run) -> list[Block]:
    """In words: how the proxies do beside size."""
    listed = run.json("correlations.json")
    if not isinstance(listed, list):
        return []
    rho = {one["column"]: one for one in listed if one.get("statistic") == "spearman" and one.get("value") is not None}
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


def _sheet(run: Run, found: Scores) -> Sheet:
    columns: dict[str, Sequence[str] | Floats] = {"key": found.keys, **found.columns, "metric": found.metric}
    tuned = np.array([key in found.tuned for key in found.keys])
    known = np.isfinite(found.metric)
    columns["tuned on"] = np.where(tuned, 1.0, 0.0)
    rows = {"held out": np.flatnonzero(known & ~tuned).tolist(), "tuned on": np.flatnonzero(known & tuned).tolist()}
    return Sheet(f"{run.slug}-scores", columns, rows)


def _against_metric(run: Run, found: Scores, sheet: Sheet) -> Figure:
    metric = _metric(run)
    names = list(found.columns)
    traces = []
    for panel, name in enumerate(names):
        more = [other for other in SIZES if other != name and other in found.columns]
        both = [("held out", 0, "circle")] + ([("tuned on", 1, "diamond")] if found.tuned else [])
        for rows, colour, symbol in both:
            label = rows if found.tuned else ""
            one = scatter(sheet, panel, name, "metric", rows=rows, name=label, colour=colour, symbol=symbol, more=more)
            traces.append(one | ({"marker": {"size": 10, "symbol": symbol}} if rows == "tuned on" else {}))
    panels = [
        Axes(log_axis(name, found.columns[name]) if name in SIZES else axis(name), axis(metric)) for name in names
    ]
    tuned = " Diamonds are architectures the proxy was tuned on; no correlation counts them." if found.tuned else ""
    sentence = (
        f"Each point is an architecture: its {metric} above what {', '.join(names)} say of it. "
        f"The more a panel looks like a line, the better that column ranks.{tuned}"
    )
    return Figure("", sentence, sheet, panels, traces, legend=bool(found.tuned), height=280)


def _correlations(run: Run) -> list[Block]:
    listed = run.json("correlations.json")
    if not isinstance(listed, list):
        return []
    listed = [one for one in listed if isinstance(one, dict) and one.get("value") is not None]
    statistics = [name for name in FORESTS if any(one["statistic"] == name for one in listed)]
    if not statistics:
        return []
    columns = list(dict.fromkeys(str(one["column"]) for one in listed))

    def numbers(field: str, records: Sequence[dict[str, float | None]]) -> Floats:
        return np.array([math.nan if one.get(field) is None else one[field] for one in records], dtype=np.float64)

    names = ("value", "low", "high", "n")
    data: dict[str, Sequence[str] | Floats] = {
        name: [str(one[name]) for one in listed] for name in ("column", "statistic")
    }
    sheet = Sheet(f"{run.slug}-correlations", data | {name: numbers(name, listed) for name in names})
    traces = []
    for panel, statistic in enumerate(statistics):
        own = [one for one in listed if one["statistic"] == statistic]
        three = [numbers(name, own) for name in names[:3]]
        traces.append(intervals(panel, [one["column"] for one in own], *three, colour=panel))
    figure = Figure(
        "",
        "Rank correlation of each column with the metric: 1 ranks as the metric does, 0 like chance. Bars are 95 % "
        "bootstrap intervals over architectures; a proxy that is not right of params and macs is not worth running.",
        sheet,
        [Axes(axis(name, range=[-1.05, 1.05]), categories(columns)) for name in statistics],
        traces,
        lines=[{"panel": panel, "x": 0} for panel in range(len(statistics))],
        height=60 + 34 * len(columns),
        shared=True,
        columns=2,
    )
    rows = [
        [one["column"], one["statistic"], one["value"], one.get("low"), one.get("high"), one.get("n")] for one in listed
    ]
    header = ("column", "statistic", "value", "low", "high", "architectures")
    return [
        figure,
        markup.folded("All statistics as a table", markup.grid("Statistics with 95 % intervals", header, rows)),
    ]


def _recall(run: Run, found: Scores) -> Figure:
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
    traces: list[dict[str, Json]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "panel": 0,
            "name": shown(name),
            "colour": i,
            "x": sheet.of("k"),
            "y": sheet.of(f"{name} recall"),
            "line": {"width": 2.2, "dash": "dot" if name not in found.proxies else "solid"},
            "hovertemplate": f"of the best %{{x}}, {shown(name)} finds %{{y:.0%}}<extra></extra>",
        }
        for i, name in enumerate(found.columns)
    ]
    chance: dict[str, Json] = {"color": "#8b929b", "width": 1.2, "dash": "dash"}
    traces.append(
        {
            "type": "scatter",
            "mode": "lines",
            "panel": 0,
            "name": "chance",
            "x": sheet.of("k"),
            "hoverinfo": "skip",
            "y": sheet.of("share of all"),
            "line": chance,
        }
    )
    sentence = (
        f"Of the truly best k of {n:,} architectures, the share that is among the k best by each column. "
        "Left is what a search needs: how many of the very best a column finds."
    )
    panel = Axes(
        log_axis("k, the best by score", ks.astype(float)), axis("found", tickformat=".0%", range=[-0.02, 1.02])
    )
    return Figure("", sentence, sheet, [panel], traces, legend=True, height=320)


def _distribution(names: Sequence[str], sheet: Sheet) -> Figure:
    traces = [
        {
            "type": "histogram",
            "panel": i,
            "x": sheet.of(name),
            "colour": i,
            "nbinsx": 40,
            "showlegend": False,
            "hovertemplate": "%{x}: %{y} architectures<extra></extra>",
        }
        for i, name in enumerate(names)
    ]
    panels = [Axes(axis(name), axis("architectures")) for name in names]
    sentence = "How often each score occurs. A score that takes few values cannot tell architectures apart."
    return Figure("", sentence, sheet, panels, traces, height=220)


def _best(run: Run, found: Scores) -> list[Block]:
    if not found.proxies:
        return []
    first = found.proxies[0]
    order = np.argsort(-ranked(found.columns[first], higher_is_better=found.higher[first]), kind="stable")[:10]
    header = ["rank", "key", *found.columns, _metric(run)]
    rows = [
        [rank, found.keys[i], *(float(found.columns[name][i]) for name in found.columns), float(found.metric[i])]
        for rank, i in enumerate(order, start=1)
    ]
    chosen = [
        (found.keys[i], f"{rank}. by {first}: {markup.figure(float(found.columns[first][i]))}")
        for rank, i in enumerate(order[:BEST], start=1)
    ]
    return [markup.grid(f"The ten best by {first}", header, rows), gallery(run, chosen)]


def _partial(run: Run) -> list[Section]:
    """What can be said of a run that has not finished: the scores so far."""
    good = [row for row in run.rows if row.score is not None]
    parts = [
        Section("At a glance", [asked.unfinished(run, f"{len(run.rows):,} rows are there"), asked.overview(run, {})])
    ]
    if good:
        kinds = list(dict.fromkeys(row.proxy for row in good))
        data: dict[str, Sequence[str] | Floats] = {
            name: [getattr(row, name) for row in good] for name in ("key", "proxy")
        }
        data |= {
            name: np.array(
                [math.nan if (value := getattr(row, name)) is None else value for row in good], dtype=np.float64
            )
            for name in ("score", *SIZES)
        }
        rows = {kind: [i for i, row in enumerate(good) if row.proxy == kind] for kind in kinds}
        sheet = Sheet(f"{run.slug}-rows", data, rows)
        traces = [
            scatter(sheet, i, "params", "score", rows=kind, more=["macs"], colour=i) for i, kind in enumerate(kinds)
        ]
        panels = [Axes(log_axis("params", np.asarray(data["params"])), axis(kind or "score")) for kind in kinds]
        sentence = "Scores so far above the number of parameters, one panel a proxy."
        parts.append(Section("Scores so far", [Figure("", sentence, sheet, panels, traces)]))
    return parts

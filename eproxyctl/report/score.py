"""A run of `score`: scores against the metric, how well they rank, and what failed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from eproxyctl.ranking import Floats, ranked
from eproxyctl.report import asked, markup
from eproxyctl.report.figures import Axes, Figure, Sheet, axis, log_axis, scatter
from eproxyctl.report.page import Block, PageSection
from eproxyctl.report.pictures import gallery
from eproxyctl.report.ranks import rank_correlations, recall, verdict
from eproxyctl.report.reading import Run
from eproxyctl.report.scores import SIZES, ScoredRun, scores

BEST = 3


def score_sections(run: Run) -> list[PageSection]:
    """The parts of the report."""
    found = scores(run)
    if found is None:
        return [*_partial(run), *asked.trouble(run), asked.provenance(run)]
    known = int(np.isfinite(found.metric).sum())
    numbers = {"architectures": f"{len(found.keys):,}"}
    numbers |= {"with a metric": f"{known:,}"} if known else {}
    numbers |= {"kept out: tuned on": f"{len(found.tuned):,}"} if found.tuned else {}
    start: list[Block] = [asked.overview(run, numbers)]
    parts = [PageSection("At a glance", [*start, *verdict(run)])]
    sheet = _sheet(run, found)
    if known:
        parts.append(PageSection("Score against metric", [_against_metric(run, found, sheet)]))
        if ranks := rank_correlations(run):
            parts.append(PageSection("How well each column ranks", ranks))
        parts.append(PageSection("What the best by score hold", [recall(run, found)]))
    parts.append(PageSection("Distribution of scores", [_distribution(found.proxies, sheet)]))
    parts.append(PageSection("The best by score", _best(run, found)))
    return [*parts, *asked.trouble(run), asked.provenance(run)]


def _metric(run: Run) -> str:
    return str(run.setting("task.table.metric") or "metric")


def _sheet(run: Run, found: ScoredRun) -> Sheet:
    columns: dict[str, Sequence[str] | Floats] = {"key": found.keys, **found.columns, "metric": found.metric}
    tuned = np.array([key in found.tuned for key in found.keys])
    known = np.isfinite(found.metric)
    columns["tuned on"] = np.where(tuned, 1.0, 0.0)
    rows = {"held out": np.flatnonzero(known & ~tuned).tolist(), "tuned on": np.flatnonzero(known & tuned).tolist()}
    return Sheet(f"{run.slug}-scores", columns, rows)


def _against_metric(run: Run, found: ScoredRun, sheet: Sheet) -> Figure:
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


def _best(run: Run, found: ScoredRun) -> list[Block]:
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


def _partial(run: Run) -> list[PageSection]:
    """What can be said of a run that has not finished: the scores so far."""
    good = [row for row in run.rows if row.score is not None]
    parts = [
        PageSection(
            "At a glance", [asked.unfinished(run, f"{len(run.rows):,} rows are there"), asked.overview(run, {})]
        )
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
        parts.append(PageSection("Scores so far", [Figure("", sentence, sheet, panels, traces)]))
    return parts

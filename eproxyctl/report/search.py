"""A run of `search`: how it went, what the limits left, and the best as pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eproxyctl.ranking import Floats
from eproxyctl.report import asked, markup
from eproxyctl.report.figures import Axes, Figure, Json, Sheet, axis, scatter
from eproxyctl.report.page import Block, PageSection
from eproxyctl.report.pictures import gallery
from eproxyctl.report.reading import Run, number
from eproxyctl.report.trials import history

BEST = 10
COSTS = {"params": "params", "macs": "macs", "latency": "latency, ms"}


@dataclass(frozen=True)
class ExploredRun:
    """An architecture that was scored; NaN for what is not known.

    Attributes:
        value: what the search made large: the score, turned where less is better.
    """

    key: str
    score: float
    value: float
    params: float
    macs: float
    latency: float
    metric: float


def search_sections(run: Run) -> list[PageSection]:
    """The parts of the report."""
    top = [row for row in run.table("top.csv") if row.get("key")]
    found = _explored(run, top)
    parts = [PageSection("At a glance", _glance(run, found, top))]
    if found:
        sheet = _sheet(run, found)
        parts.append(PageSection("How the search went", [_progress(sheet)]))
        parts.append(PageSection("Score against size", [_against_costs(run, found, sheet)]))
        if any(math.isfinite(one.metric) for one in found):
            parts.append(PageSection("Score against metric", [_against_metric(run, sheet)]))
    if top:
        parts.append(PageSection("The best", _best(run, top)))
    return [*parts, *asked.trouble(run), asked.provenance(run)]


def _explored(run: Run, top: Sequence[dict[str, str]]) -> list[ExploredRun]:
    """In the order of proposal, as the study has it; without one in the order the rows came."""
    final = {row.get("key", ""): row for row in top}
    rows = {row.canonical: row for row in run.rows}
    alone = {row.key for row in run.rows if not row.proxy or len({other.point for other in run.rows}) == 1}
    told = [(rows[trial.point], trial.value) for trial in history(run).trials if trial.point in rows]
    found = []
    for row, value in told or [(row, math.nan) for row in run.rows]:
        listed = final.get(row.key, {})
        own = row.score if row.score is not None and row.key in alone else math.nan
        score = number(listed.get("score")) if listed.get("score") else own
        if not math.isfinite(score) and row.status == "ok" and not listed and math.isfinite(value):
            score = value
        sizes = [math.nan if size is None else float(size) for size in (row.params, row.macs)]
        others = [number(listed.get(name)) for name in ("latency", "metric")]
        found.append(ExploredRun(row.key, score, value if math.isfinite(value) else score, *sizes, *others))
    return found


def _glance(run: Run, found: Sequence[ExploredRun], top: Sequence[dict[str, str]]) -> list[Block]:
    result = run.json("result.json")
    wanted = run.setting("search.evaluations")
    numbers = {"evaluated": f"{len(found):,}"}
    if top:
        numbers["best score"] = markup.figure(number(top[0].get("score")))
    limits = run.setting("search.limits")
    limits = {name: value for name, value in limits.items() if value is not None} if isinstance(limits, dict) else {}
    blocks: list[Block] = []
    if not isinstance(result, dict):
        blocks.append(asked.unfinished(run, f"{len(found):,} of {wanted} evaluations are done"))
    elif result.get("ended"):
        blocks.append(markup.paragraph(f"It ended early: {result['ended']}.", bad=True))
    if limits:
        said = ", ".join(f"{name} ≤ {value:,.6g}" for name, value in limits.items())
        blocks.append(markup.paragraph(f"Within the limits {said}; what is over them was never scored."))
    if top and number(top[0].get("true_rank")) > 0:
        rank, regret = number(top[0]["true_rank"]), number(top[0].get("regret"))
        blocks.append(
            markup.paragraph(
                f"The best by score is number {rank:,.0f} of the metric table, {regret:.4g} behind its best."
            )
        )
    return [asked.overview(run, numbers), *blocks]


def _sheet(run: Run, found: Sequence[ExploredRun]) -> Sheet:
    value = np.array([one.value if math.isfinite(one.score) else math.nan for one in found])
    score = np.array([one.score for one in found])
    place, best = -1, []
    for i, one in enumerate(value):
        if math.isfinite(one) and (place < 0 or one > value[place]):
            place = i
        best.append(score[place] if place >= 0 else math.nan)
    data: dict[str, Sequence[str] | Floats] = {
        "evaluation": np.arange(1.0, len(found) + 1),
        "key": [one.key for one in found],
        "score": score,
        "best so far": np.array(best),
    }
    for name in ("params", "macs", "latency", "metric"):
        column = np.array([getattr(one, name) for one in found])
        if name in ("params", "macs") or np.isfinite(column).any():
            data[name] = column
    fronts = {f"front {name}": _front(found, name) for name in COSTS if name in data}
    return Sheet(f"{run.slug}-evaluations", data, fronts)


def _front(found: Sequence[ExploredRun], cost: str) -> list[int]:
    """Places of those that none beats at no higher cost, the cheapest first."""
    kept: list[int] = []
    costs = [getattr(one, cost) for one in found]
    known = [i for i, one in enumerate(found) if math.isfinite(one.score) and math.isfinite(costs[i])]
    for i in sorted(known, key=lambda i: (costs[i], -found[i].value)):
        if not kept or found[i].value > found[kept[-1]].value:
            kept.append(i)
    return kept


def _progress(sheet: Sheet) -> Figure:
    points = scatter(sheet, 0, "evaluation", "score", name="an architecture", more=["params", "macs"])
    line: dict[str, Json] = {
        "type": "scatter",
        "mode": "lines",
        "panel": 0,
        "name": "best so far",
        "colour": 1,
        "x": sheet.of("evaluation"),
        "y": sheet.of("best so far"),
        "line": {"shape": "hv", "width": 2.2},
        "hovertemplate": "best after %{x}: %{y:.5~g}<extra></extra>",
    }
    sentence = (
        "The score of each architecture in the order they were proposed, and the best so far. A line that is "
        "still rising wants more evaluations."
    )
    return Figure("", sentence, sheet, [Axes(axis("evaluation"), axis("score"))], [points, line], legend=True)


def _against_costs(run: Run, found: Sequence[ExploredRun], sheet: Sheet) -> Figure:
    names = [name for name in COSTS if name in sheet.columns]
    traces, panels, lines, shades = [], [], list[dict[str, Json]](), list[dict[str, Json]]()
    for panel, name in enumerate(names):
        traces.append(scatter(sheet, panel, name, "score", name="an architecture"))
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "panel": panel,
                "name": "Pareto front",
                "colour": 1,
                "showlegend": panel == 0,
                "legendgroup": "front",
                "x": sheet.of(name, f"front {name}"),
                "y": sheet.of("score", f"front {name}"),
                "text": sheet.of("key", f"front {name}", hover=True),
                "line": {"shape": "hv", "width": 2},
                "marker": {"size": 8},
                "hovertemplate": f"%{{text}}<br>{name} %{{x:.5~g}}<br>score %{{y:.5~g}}<extra>Pareto front</extra>",
            }
        )
        panels.append(Axes(axis(COSTS[name]), axis("score")))
        limit = run.setting(f"search.limits.{name}")
        if limit is not None:
            lines.append({"panel": panel, "x": limit})
            least = min((getattr(one, name) for one in found if math.isfinite(getattr(one, name))), default=0.0)
            shades.append({"panel": panel, "from": min(0.0, least), "to": limit})
    shaded = " Shaded: what the limits allow." if shades else ""
    sentence = (
        f"The score of each architecture above what it costs, and the front that none beats at no higher cost.{shaded}"
    )
    return Figure("", sentence, sheet, panels, traces, lines, shades, legend=True)


def _against_metric(run: Run, sheet: Sheet) -> Figure:
    name = str(run.setting("task.table.metric") or "metric")
    trace = scatter(sheet, 0, "score", "metric", more=["params", "macs"])
    sentence = f"Those that the metric table knows: their true {name} above their score."
    return Figure("", sentence, sheet, [Axes(axis("score"), axis(name))], [trace])


def _best(run: Run, top: Sequence[dict[str, str]]) -> list[Block]:
    chosen = [row for row in top if row.get("status", "ok") == "ok"][:BEST]
    header = [name for name in top[0] if name != "status" and any(row[name] for row in chosen)]
    rows = [[row[name] if name == "key" else number(row[name]) for name in header] for row in chosen]
    captions = [
        (row["key"], f"{row.get('rank', '')}. score {markup.figure(number(row.get('score')))}") for row in chosen
    ]
    return [markup.grid(f"The best {len(chosen)}", header, rows), gallery(run, captions)]

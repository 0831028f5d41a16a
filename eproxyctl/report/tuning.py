"""A run of `dps`: how the search went, who competed, what it cost, what was learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from eproxyctl.ranking import Floats
from eproxyctl.report import asked, markup
from eproxyctl.report.costs import costs
from eproxyctl.report.figures import Axes, Figure, Json, Sheet, axis, categories, curve, intervals
from eproxyctl.report.learned import learned
from eproxyctl.report.page import Block, PageSection
from eproxyctl.report.reading import Run
from eproxyctl.report.settings import importance, parallel
from eproxyctl.report.trials import History, Told, history

UNTUNED = "proxy of the spec"
Record = dict[str, Any]


def tuning_sections(run: Run) -> list[PageSection]:
    """The parts of the report."""
    found = history(run, weighed=True)
    entrants = [one for one in run.json("result.json") or () if isinstance(one, dict) and "proxy" in one]
    parts = [PageSection("At a glance", _glance(run, found, entrants))]
    if entrants:
        parts.append(PageSection("Who competed", _entrants(run, entrants)))
    if choice := learned(run):
        parts.append(PageSection("What was learned", choice))
    if found.trials:
        parts.append(PageSection("How the search went", [_progress(run, found.trials)]))
        if any(math.isfinite(trial.cost) for trial in found.trials):
            parts.append(
                PageSection("Objective against cost", [costs(run, _objective(run), found.trials, _untuned(entrants))])
            )
        settings = [*importance(run, found), *parallel(run, found)]
        if settings:
            parts.append(PageSection("Which settings matter", settings))
    if proxy := run.text("proxy.yaml"):
        parts.append(
            PageSection("The result", [markup.folded("proxy.yaml, to be named in a spec", markup.code(proxy))])
        )
    return [*parts, *asked.trouble(run), asked.provenance(run)]


def _objective(run: Run) -> str:
    return str(run.setting("dps.objective") or "objective")


def _glance(run: Run, found: History, entrants: Sequence[Record]) -> list[Block]:
    wanted = run.setting("dps.trials")
    numbers = {"trials": f"{len(found.trials):,}"} if found.trials else {}
    blocks: list[Block] = []
    if not entrants:
        blocks.append(asked.unfinished(run, f"{len(found.trials)} of {wanted} trials are done"))
    else:
        best = entrants[0]
        numbers |= {"training ρ of the result": _two(best.get("training")), "held-out ρ": _two(best.get("held_out"))}
        blocks.append(markup.paragraph(_said(run, entrants)))
    return [asked.overview(run, numbers), *blocks]


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _said(run: Run, entrants: Sequence[Record]) -> str:
    """In words: the result beside the untuned proxy and the best of the rest, held out."""
    best = entrants[0]
    name = "What was learned has" if best["proxy"] == "result" else f"The result is {best['proxy']}, with"
    said = f"{name} {_objective(run)} {_span(best, 'training')} on the training architectures"
    if best.get("held_out") is not None:
        said += f", {_span(best, 'held_out')} on {best.get('n')} held-out ones"
    rest = [one for one in entrants[1:] if one.get("held_out") is not None]
    if rest:
        said += "; held out, " + ", ".join(f"{one['proxy']} has {_span(one, 'held_out')}" for one in rest[:4])
    return said + "."


def _span(record: Record, name: str) -> str:
    value, low, high = (record.get(name + end) for end in ("", "_low", "_high"))
    if value is None:
        return "–"
    return f"{value:.2f}" + (f" [{low:.2f}, {high:.2f}]" if low is not None and high is not None else "")


def _numbers(records: Sequence[Record], name: str) -> Floats:
    return np.array([math.nan if one.get(name) is None else float(one[name]) for one in records], dtype=np.float64)


def _entrants(run: Run, entrants: Sequence[Record]) -> list[Block]:
    names = [str(one["proxy"]) for one in entrants]
    columns = ("training", "training_low", "training_high", "held_out", "held_out_low", "held_out_high", "cost")
    data: dict[str, Sequence[str] | Floats] = {"proxy": names}
    sheet = Sheet(f"{run.slug}-entrants", data | {name: _numbers(entrants, name) for name in columns})
    traces, panels = [], []
    for panel, (name, title) in enumerate((("training", "training"), ("held_out", "held out"))):
        three = [_numbers(entrants, name + end) for end in ("", "_low", "_high")]
        traces.append(intervals(panel, names, *three, colour=panel))
        panels.append(Axes(axis(f"{_objective(run)}, {title}", range=[-1.05, 1.05]), categories(names)))
    zero: list[dict[str, Json]] = [{"panel": panel, "x": 0} for panel in (0, 1)]
    sentence = (
        "The best trials, the proxy as the spec has it, and size: how well each ranks the training architectures it "
        "was chosen on, and others held out. The gap between the two is over-fitting. Only the result and baselines "
        "are checked on held-out architectures; bars are 95 % intervals."
    )
    figure = Figure("", sentence, sheet, panels, traces, zero, height=50 + 32 * len(names), shared=True, columns=2)
    header = ["proxy", "training", "held out", "architectures", "cost, multiply-adds", "read-out"]
    rows = [
        [
            one["proxy"],
            _span(one, "training"),
            _span(one, "held_out"),
            one.get("n"),
            one.get("cost"),
            one.get("read-out", ""),
        ]
        for one in entrants
    ]
    return [figure, markup.grid("The same as a table", header, rows)]


def _progress(run: Run, trials: Sequence[Told]) -> Figure:
    values = np.array([trial.value for trial in trials])
    best = np.fmax.accumulate(np.where(np.isfinite(values), values, np.nan))
    sheet = Sheet(
        f"{run.slug}-history",
        {
            "trial": np.array([float(trial.number) for trial in trials]),
            "objective": np.where(np.isfinite(values), values, np.nan),
            "best so far": best,
            "cost": np.array([trial.cost for trial in trials]),
        },
    )
    x, mark = sheet.of("trial"), {"size": 7, "opacity": 0.7}
    hover = "trial %{x}: %{y:.3f}"
    points = curve(0, "markers", x, sheet.of("objective"), name="a trial", hover=hover, marker=mark)
    line: dict[str, Json] = {"shape": "hv", "width": 2.2}
    hover = "best after trial %{x}: %{y:.3f}"
    best_line = curve(0, "lines", x, sheet.of("best so far"), name="best so far", colour=1, hover=hover, line=line)
    sentence = f"{_objective(run).capitalize()} of each trial on the training architectures, and the best so far."
    panels = [Axes(axis("trial"), axis(_objective(run)))]
    return Figure("", sentence, sheet, panels, [points, best_line], legend=True)


def _untuned(entrants: Sequence[Record]) -> tuple[float, float] | None:
    """(cost, objective) of the proxy as the spec has it."""
    for one in entrants:
        own = one.get("cross-validated") if one.get("cross-validated") is not None else one.get("training")
        if one["proxy"] == UNTUNED and one.get("cost") and own is not None:
            return float(one["cost"]), float(own)
    return None

"""What trials of `dps` are worth for what they cost, and the front of the best."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from eproxyctl.report.figures import Axes, Figure, Json, Sheet, axis, curve, log_axis
from eproxyctl.report.reading import Run
from eproxyctl.report.trials import Told

UNIT = "multiply-adds an architecture"


def costs(run: Run, objective: str, trials: Sequence[Told], untuned: tuple[float, float] | None) -> Figure:
    """The front of objective against cost; `untuned`: cost and objective of the proxy of the spec, beside it."""
    priced = [trial for trial in trials if math.isfinite(trial.cost) and math.isfinite(trial.value)]
    names = [f"trial {trial.number}" for trial in priced]
    value, cost = np.array([trial.value for trial in priced]), np.array([trial.cost for trial in priced])
    places = {"front": [priced.index(trial) for trial in _front(priced)]}
    sheet = Sheet(f"{run.slug}-costs", {"trial": names, "objective": value, "cost": cost}, places)
    hover = "%{text}<br>%{y:.3f} for %{x:.3~s} multiply-adds"
    x, y, text = (sheet.of(name) for name in ("cost", "objective", "trial"))
    mark: dict[str, Json] = {"size": 7, "opacity": 0.6}
    traces = [curve(0, "markers", x, y, name="a trial", hover=hover, text=text, marker=mark)]
    x, y, text = (sheet.of(name, "front") for name in ("cost", "objective", "trial"))
    look: dict[str, Json] = {"line": {"shape": "hv", "width": 2}, "marker": {"size": 9}}
    traces.append(curve(0, "lines+markers", x, y, name="Pareto front", colour=1, hover=hover, text=text, **look))
    if untuned is not None:
        own, star = "proxy of the spec", dict[str, Json](size=12, symbol="star")
        at = [untuned[0]], [untuned[1]]
        traces.append(curve(0, "markers", *at, name=own, colour=4, hover=hover, text=[own], marker=star))
    sentence = (
        f"{objective.capitalize()} of each trial above the multiply-adds it counts for scoring one architecture. "
        "No trial is both better and cheaper than one on the front."
    )
    panels = [Axes(log_axis(UNIT, cost), axis(objective))]
    return Figure("", sentence, sheet, panels, traces, legend=True, height=320)


def _front(trials: Sequence[Told]) -> list[Told]:
    kept: list[Told] = []
    for trial in sorted(trials, key=lambda trial: (trial.cost, -trial.value)):
        if not kept or trial.value > kept[-1].value:
            kept.append(trial)
    return kept

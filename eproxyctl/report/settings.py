"""Which settings matter in a study: their importance, and every trial as a line through its choices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from eproxyctl.report.figures import Axes, Figure, Json, Sheet, axis, categories, shown
from eproxyctl.report.reading import Run
from eproxyctl.report.trials import FEWEST, History, Told

SHOWN = 14
"""Settings in the chart of importance."""
ACROSS = 7
"""Settings that trials are drawn through."""
GROUPS = 4
"""Shades of trials, from the best to the worst."""


def importance(run: Run, found: History) -> list[Figure]:
    """A bar a setting, none where there are too few trials."""
    if not found.weights:
        return []
    names = list(found.weights)[:SHOWN]
    sheet = Sheet(
        f"{run.slug}-importance", {"setting": names, "importance": np.array([found.weights[n] for n in names])}
    )
    trace: dict[str, Json] = {
        "type": "bar",
        "orientation": "h",
        "panel": 0,
        "colour": 0,
        "x": sheet.of("importance"),
        "y": [shown(n) for n in names],
        "hovertemplate": "%{y}: %{x:.0%}<extra></extra>",
        "showlegend": False,
    }
    sentence = (
        f"The share of the objective's variance that each setting explains (fANOVA over {len(found.trials)} trials). "
        "With few trials this is a rough guess."
    )
    panel = Axes(axis("share of the variance", tickformat=".0%", rangemode="tozero"), categories(names))
    return [Figure("", sentence, sheet, [panel], [trace], height=40 + 24 * len(names))]


def parallel(run: Run, found: History) -> list[Figure]:
    """Each trial as a line through its choices, the settings that matter most first."""
    trials = sorted((t for t in found.trials if t.choices and math.isfinite(t.value)), key=lambda t: -t.value)
    names = _varied(trials, found)
    if len(trials) < FEWEST or len(names) < 2:
        return []
    levels = {name: sorted({trial.choices[name] for trial in trials}, key=_order) for name in names}
    columns = {name: [str(trial.choices.get(name, "")) for trial in trials] for name in names}
    numbers = np.array([float(trial.number) for trial in trials]), np.array([trial.value for trial in trials])
    sheet = Sheet(f"{run.slug}-choices", {"trial": numbers[0], "objective": numbers[1], **columns})
    traces = [_group(g, part, names, levels) for g, part in reversed(list(enumerate(_parts(trials))))]
    traces.append(_labels(names, levels))
    sentence = (
        "Each line is a trial, through the choices it made. The best quarter is drawn strongest; where its lines meet, "
        "good trials agree."
    )
    x = axis(
        "",
        tickvals=list(range(len(names))),
        ticktext=[shown(name).replace("_", "<br>", 1) for name in names],
        range=[-0.25, len(names) - 0.35],
    )
    y = axis("", visible=False, range=[-0.08, 1.1])
    return [Figure("", sentence, sheet, [Axes(x, y)], traces, legend=True, height=380, least=720)]


def _varied(trials: Sequence[Told], found: History) -> list[str]:
    """Settings that every trial has and that differ, the most important first."""
    shared = set.intersection(*(set(trial.choices) for trial in trials)) if trials else set()
    varied = [name for name in shared if len({trial.choices[name] for trial in trials}) > 1]
    return sorted(varied, key=lambda name: (-found.weights.get(name, 0.0), name))[:ACROSS]


def _order(value: object) -> tuple[bool, float, str]:
    """Numbers by size, before words."""
    if isinstance(value, int | float):
        return False, float(value), ""
    return True, 0.0, str(value)


def _parts(trials: Sequence[Told]) -> list[Sequence[Told]]:
    size = math.ceil(len(trials) / GROUPS)
    return [trials[i : i + size] for i in range(0, len(trials), size)]


def _height(levels: Sequence[object], value: object) -> float:
    return levels.index(value) / (len(levels) - 1) if len(levels) > 1 else 0.5


def _group(
    number: int, trials: Sequence[Told], names: Sequence[str], levels: Mapping[str, Sequence[object]]
) -> dict[str, Json]:
    """Lines of some trials as one, with gaps between; each a little aside, so that equal ones can be seen."""
    x: list[Json] = []
    y: list[Json] = []
    text: list[Json] = []
    for trial in trials:
        aside = ((trial.number * 37) % 11 - 5) / 220
        for i, name in enumerate(names):
            x.append(i)
            y.append(round(_height(levels[name], trial.choices[name]) + aside, 4))
            text.append(f"trial {trial.number}: {trial.value:.3f}<br>{shown(name)} {shown(trial.choices[name])}")
        x.append(None)
        y.append(None)
        text.append("")
    strength = {0: (1, 0.85, 2.0), 1: (0, 0.4, 1.2)}.get(number, (7, 0.28, 1.0))
    title = ("best quarter", "second quarter", "third quarter", "last quarter")[min(number, 3)]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "panel": 0,
        "name": title,
        "colour": strength[0],
        "opacity": strength[1],
        "x": x,
        "y": y,
        "text": text,
        "line": {"width": strength[2]},
        "marker": {"size": 4},
        "hovertemplate": "%{text}<extra></extra>",
    }


def _labels(names: Sequence[str], levels: Mapping[str, Sequence[object]]) -> dict[str, Json]:
    """What each height stands for."""
    marks = [(i, _height(levels[n], v) + 0.045, shown(_short(v))) for i, n in enumerate(names) for v in levels[n]]
    x, y, text = (list(each) for each in zip(*marks, strict=True))
    return {
        "type": "scatter",
        "mode": "text",
        "panel": 0,
        "x": x,
        "y": y,
        "text": text,
        "textposition": "middle right",
        "textfont": {"size": 11},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _short(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 18 else text[:17] + "…"

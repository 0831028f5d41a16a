"""The summary of `dps` over several specs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

HELD_OUT = ("held_out", "held_out_low", "held_out_high")


def tunings_summary(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line a spec: the result and the baselines, held out, with their intervals; then the means of all."""
    specs = list(dict.fromkeys(r["spec"] for r in records))
    lines: list[dict[str, Any]] = []
    for spec in specs:
        result, *rest = [r for r in records if r["spec"] == spec]
        shown = {"result": result} | {r["proxy"]: r for r in rest if not r["proxy"].startswith("trial")}
        line: dict[str, Any] = {"spec": spec}
        for name, record in shown.items():
            value, low, high = (record[column] for column in HELD_OUT)
            line |= {name: math.nan if value is None else value, f"{name} low": low, f"{name} high": high}
        lines.append(line)
    mean: dict[str, Any] = {"spec": "mean"}
    for name in lines[0]:
        if all(f"{name} low" in line for line in lines):
            mean |= _mean(name, lines)
    return [*lines, mean]


def _mean(name: str, lines: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """The mean over specs and its interval: half-widths of independent intervals add up by their squares."""
    values = [(line[name], line[f"{name} low"], line[f"{name} high"]) for line in lines]
    mean = math.fsum(value for value, _, _ in values) / len(values)
    if any(low is None or high is None for _, low, high in values):
        return {name: mean, f"{name} low": None, f"{name} high": None}
    below, above = (
        math.hypot(*(value - edge for value, edge in edges)) / len(values)
        for edges in ([(v, low) for v, low, _ in values], [(v, high) for v, _, high in values])
    )
    return {name: mean, f"{name} low": mean - below, f"{name} high": mean + above}

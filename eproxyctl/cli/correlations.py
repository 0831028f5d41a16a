"""Correlations as a person or program reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eproxyctl.cli import output
from eproxyctl.errors import UsageError

if TYPE_CHECKING:
    from eproxyctl.scoring.plan import Plan
    from eproxyctl.scoring.run import Correlation

TITLE = "Correlations with the metric, 95 % intervals"


def as_record(c: Correlation) -> dict[str, Any]:
    """One, with how many architectures it is of and how many resamples its interval is from."""
    e = c.estimate
    interval = {"value": e.value, "low": e.low, "high": e.high, "n": e.n, "resamples": e.resamples}
    return {"column": c.column, "statistic": c.statistic} | interval


def by_column(measured: Sequence[Correlation]) -> list[dict[str, Any]]:
    """For reading: a line for each column, a statistic beside the other."""
    statistics = list(dict.fromkeys(c.statistic for c in measured))
    found = {(c.column, c.statistic): c.estimate for c in measured}
    lines = []
    for column in dict.fromkeys(c.column for c in measured):
        estimates = {statistic: found.get((column, statistic)) for statistic in statistics}
        n = next(e.n for e in estimates.values() if e)
        lines.append({"column": column, "n": n} | {name: output.interval(e) for name, e in estimates.items()})
    return lines


def with_means(summary: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One record for each spec and column, then the mean of each column over the specs."""
    if not summary:
        raise UsageError("several specs are summed up by their correlations, and none has a metric table")
    names = ("spec", "column", "value", "low", "high", "n", "ms")
    records = [{("spearman" if n == "value" else n): r[n] for n in names} for r in summary]
    for column in dict.fromkeys(r["column"] for r in records):
        values = [r["spearman"] for r in records if r["column"] == column]
        mean = math.fsum(values) / len(values)
        records.append({"spec": "mean", "column": column, "spearman": mean} | dict.fromkeys(("low", "high", "n", "ms")))
    return records


def summary(plan: Plan, measured: Sequence[Correlation], folder: Path) -> list[dict[str, Any]]:
    """Records for a summary of several specs."""
    from eproxyctl.scoring import results
    from eproxyctl.scoring.run import names

    each = results.milliseconds(folder)
    kinds = {name: proxy.kind for name, proxy in zip(names(plan), plan.proxies, strict=True)}
    return [
        {"spec": plan.loaded.name, **as_record(c), "ms": each.get(kinds.get(c.column, ""))}
        for c in measured
        if c.statistic == "spearman"
    ]

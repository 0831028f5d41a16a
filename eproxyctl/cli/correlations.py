"""Correlations as a person or program reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eproxyctl.cli import output
from eproxyctl.errors import UsageError

if TYPE_CHECKING:
    from eproxyctl.scoring.run import Scores
    from eproxyctl.scoring.statistics import Correlation


TITLE = "Correlations with the metric, 95 % intervals"


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


def scores_summary(found: Scores) -> list[dict[str, Any]]:
    """Records for a summary of several specs."""
    from eproxyctl.scoring.records import correlation_record

    each = found.milliseconds
    return [
        {"spec": found.name, **correlation_record(c), "ms": each.get(found.columns.get(c.column, ""))}
        for c in found.correlations
        if c.statistic == "spearman"
    ]

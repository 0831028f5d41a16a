"""Rows and correlations as a person or program reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eproxyctl.runs.rows import Row
from eproxyctl.scoring.plan import Plan, column_names
from eproxyctl.scoring.statistics import Correlation


def scored_record(plan: Plan, rows: Sequence[Row]) -> dict[str, Any]:
    """An architecture, from its row of each proxy."""
    named = list(zip(column_names(plan), plan.proxies, rows, strict=True))
    first = rows[0]
    values: dict[str, Any] = {"key": first.key}
    for name, proxy, row in named:
        values[name] = row.score
        if proxy.options.repeats > 1:
            values["spread" if len(rows) == 1 else f"{name} spread"] = row.spread
    values |= {"params": first.params, "macs": first.macs}
    if plan.table:
        values["metric"] = plan.table.metric.get(first.key)
    worst = [status for status in ("failed", "diverged") if any(row.status == status for row in rows)]
    values["status"] = worst[0] if worst else "ok"
    values["cause"] = "; ".join(dict.fromkeys(_cause(name, row, len(rows)) for name, _, row in named if row.cause))
    traces = {name: row.traces[0] if len(row.traces) == 1 else row.traces for name, _, row in named}
    values["trace"] = next(iter(traces.values())) if len(rows) == 1 else traces
    return values


def _cause(name: str, row: Row, several: int) -> str:
    text = f"{row.cause}; {row.hint}" if row.hint else row.cause
    return text if several == 1 else f"{name}: {text}"


def correlation_record(c: Correlation) -> dict[str, Any]:
    """One, with how many architectures it is of and how many resamples its interval is from."""
    e = c.estimate
    interval = {"value": e.value, "low": e.low, "high": e.high, "n": e.n, "resamples": e.resamples}
    return {"column": c.column, "statistic": c.statistic} | interval

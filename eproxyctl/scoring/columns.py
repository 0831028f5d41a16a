"""From the rows of the proxies that score networks to one column for each proxy of a spec."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from eproxyctl.contracts import Composite, Known, Learner, Proxy, Relative, Trace
from eproxyctl.ranking import ranked
from eproxyctl.registry import Registry
from eproxyctl.runs.rows import Row, Status
from eproxyctl.scoring.settings import Settings

Traits = Callable[[str], Mapping[str, float]]


def column(proxy: Proxy, traits: Traits, registry: Registry, rows: Mapping[Settings, Sequence[Row]]) -> list[Row]:
    """A proxy's row for each architecture.

    Args:
        proxy: of the spec, or a member.
        traits: of an architecture, by its key.
        registry: that knows its members.
        rows: by settings, of the same architectures in the same order.
    """
    own = traced(proxy, traits, registry, rows)
    if not isinstance(proxy, Relative):
        return own
    ranks = [i for i, row in enumerate(own) if row.status == "ok"]
    known = known_of([own[i] for i in ranks], traits)
    values = proxy.place(known.traces, known.features) if ranks else []
    for i, value in zip(ranks, values, strict=True):
        finite = math.isfinite(value)
        own[i] = replace(own[i], status="ok" if finite else "diverged", score=value if finite else None)
    return own


def traced(proxy: Proxy, traits: Traits, registry: Registry, rows: Mapping[Settings, Sequence[Row]]) -> list[Row]:
    """Its rows before architectures are ranked together; of a proxy with members their values are the trace.

    One that learns is told nothing that depends on which other architectures there are: [members] tuples, the value, or
    of a member that ranks architectures among each other what it does so by. Others are told ((value, …),).
    """
    if not isinstance(proxy, Composite):
        return list(rows[Settings.of(proxy.options)])
    learns = isinstance(proxy, Learner)
    parts: list[Proxy] = [registry.create("proxy", options) for options in proxy.members()]
    compares = [learns and isinstance(part, Relative) and not isinstance(part, Learner) for part in parts]
    columns = [
        (traced if raw else column)(part, traits, registry, rows) for raw, part in zip(compares, parts, strict=True)
    ]
    traces: list[Trace]
    if learns:
        traces = [tuple(map(_numbers, parts, compares, each)) for each in zip(*columns, strict=True)]
    else:
        values = [
            ranked([row.score for row in found], higher_is_better=part.higher_is_better)
            for part, found in zip(parts, columns, strict=True)
        ]
        traces = [(tuple(map(float, each)),) for each in zip(*values, strict=True)]
    return [_combined(each, trace) for each, trace in zip(zip(*columns, strict=True), traces, strict=True)]


def alone(proxy: Proxy, traits: Traits, registry: Registry, rows: Mapping[Settings, Row]) -> Row:
    """A proxy's row of one architecture that no other is ranked with.

    Args:
        proxy: without members, or one that has learned.
        traits: of an architecture, by its key.
        registry: that knows its members.
        rows: by settings, of the architecture.
    """
    if not isinstance(proxy, Composite):
        return rows[Settings.of(proxy.options)]
    return column(proxy, traits, registry, {settings: [row] for settings, row in rows.items()})[0]


def _numbers(proxy: Proxy, raw: bool, row: Row) -> tuple[float, ...]:
    """What a member tells of an architecture by itself."""
    if raw:
        return _mean(row.traces)[0] if row.traces else ()
    return (_turned(proxy, row),)


def _turned(proxy: Proxy, row: Row) -> float:
    """The score turned so that higher is better; below every other where it diverged."""
    if row.score is None:
        return -sys.float_info.max
    return row.score if proxy.higher_is_better else -row.score


def known_of(rows: Sequence[Row], traits: Traits) -> Known:
    """What is known of architectures: traces, sizes and traits; of those that failed, no trace, and no size perhaps."""
    named = [traits(row.key) for row in rows]
    features: dict[str, list[float]] = {
        "size.params": [math.nan if row.params is None else float(row.params) for row in rows],
        "size.macs": [math.nan if row.macs is None else float(row.macs) for row in rows],
    }
    features |= {name: [each[name] for each in named] for name in (named[0] if named else ())}
    return Known([_mean(row.traces) if row.traces else () for row in rows], features)


def _combined(rows: Sequence[Row], trace: Trace) -> Row:
    """Failed where a member failed, diverged where all did; its score comes later."""
    failed = next((row for row in rows if row.status == "failed"), None)
    if failed is not None:
        return replace(failed, score=None, spread=None, traces=())
    status: Status = "diverged" if all(row.status == "diverged" for row in rows) else "ok"
    return replace(rows[0], status=status, score=None, spread=None, traces=(trace,))


def _mean(traces: Sequence[Trace]) -> Trace:
    """Over repeats, value by value."""
    if len(traces) == 1:
        return traces[0]
    return tuple(tuple(map(statistics.fmean, zip(*step, strict=True))) for step in zip(*traces, strict=True))

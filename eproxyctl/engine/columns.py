"""From the rows of the proxies that score networks to one column for each proxy of a spec."""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from eproxyctl.contracts import Proxy, ProxyOptions, Trace
from eproxyctl.engine.rows import Row, Status
from eproxyctl.ranking import ranked
from eproxyctl.registry import Registry


def leaves(proxy: Proxy, registry: Registry) -> Iterator[Proxy]:
    """The proxies that score networks themselves: the proxy, or its members, or theirs."""
    members = proxy.members()
    if not members:
        yield proxy
    for options in members:
        yield from leaves(registry.create("proxy", options), registry)


def section(options: ProxyOptions) -> str:
    """A proxy's section as a job carries it: all that its rows depend on."""
    return options.model_copy(update={"provenance": None, "label": None}).model_dump_json()


def sections(proxies: Sequence[Proxy], registry: Registry) -> tuple[str, ...]:
    """The sections of all that score networks, each once."""
    return tuple(dict.fromkeys(section(leaf.options) for proxy in proxies for leaf in leaves(proxy, registry)))


def column(proxy: Proxy, registry: Registry, rows: Mapping[str, Sequence[Row]]) -> list[Row]:
    """A proxy's row for each architecture.

    Args:
        proxy: of the spec, or a member.
        registry: that knows its members.
        rows: by section, of the same architectures in the same order.
    """
    members = [registry.create("proxy", options) for options in proxy.members()]
    if not members:
        own = list(rows[section(proxy.options)])
        return _relative(proxy, own) if proxy.relative else own
    columns = [column(member, registry, rows) for member in members]
    values = [
        ranked([row.score for row in found], higher_is_better=member.higher_is_better)
        for member, found in zip(members, columns, strict=True)
    ]
    traces: list[Trace] = [(tuple(map(float, each)),) for each in zip(*values, strict=True)]
    combined = [_combined(each, trace) for each, trace in zip(zip(*columns, strict=True), traces, strict=True)]
    return _relative(proxy, combined)


def _combined(rows: Sequence[Row], trace: Trace) -> Row:
    """Failed where a member failed, diverged where all did; its score comes later."""
    failed = next((row for row in rows if row.status == "failed"), None)
    if failed is not None:
        return replace(failed, score=None, spread=None, traces=())
    status: Status = "diverged" if all(row.status == "diverged" for row in rows) else "ok"
    return replace(rows[0], status=status, score=None, spread=None, traces=(trace,))


def _relative(proxy: Proxy, rows: Sequence[Row]) -> list[Row]:
    ranks = [i for i, row in enumerate(rows) if row.status == "ok"]
    values = proxy.together([_mean(rows[i].traces) for i in ranks]) if ranks else []
    found = list(rows)
    for i, value in zip(ranks, values, strict=True):
        finite = math.isfinite(value)
        found[i] = replace(rows[i], status="ok" if finite else "diverged", score=value if finite else None)
    return found


def _mean(traces: Sequence[Trace]) -> Trace:
    """Over repeats, value by value."""
    if len(traces) == 1:
        return traces[0]
    return tuple(tuple(map(statistics.fmean, zip(*step, strict=True))) for step in zip(*traces, strict=True))


def digest(text: str) -> str:
    """A short name of a section."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def kind(text: str) -> str:
    """The kind of a section."""
    return str(json.loads(text)["kind"])

"""Scoring many architectures: rows stream to disk as they finish, and come out in the spec's order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eproxyctl.engine.columns import column, digest, kind, leaves, sections, within
from eproxyctl.engine.equals import Shared
from eproxyctl.engine.executors import Outcome, Workers
from eproxyctl.engine.plan import Plan, label
from eproxyctl.engine.rows import Row
from eproxyctl.engine.streaming import stream
from eproxyctl.engine.worker import Job
from eproxyctl.ranking import PARTIAL, STATISTICS, Estimate, estimate, partial_spearman, ranked


def score(plan: Plan, keys: Sequence[str], folder: Path, workers: Workers) -> Iterator[tuple[Row, ...]]:
    """Score the keys that lack a row; yield the rows of each in the order of `keys`, one a section of the plan.

    See `stream`.
    """
    for proxy in plan.proxies:
        for one in within(proxy, plan.registry):
            one.ready()
    wanted = sections(plan.proxies, plan.registry)
    points = [{"proxy": kind(text), "point": digest(text)} for text in wanted]

    def job(key: str, lacking: Sequence[int]) -> Job:
        return Job(key, tuple(wanted[i] for i in lacking))

    scoring = (leaf for proxy in plan.proxies for leaf in leaves(proxy, plan.registry))
    shared = Shared(plan.space, scoring, {digest(text): text for text in wanted}, folder)

    def results(jobs: Iterator[Job]) -> Iterator[tuple[Job, tuple[Outcome[Row], ...]]]:
        return shared.results(workers, plan.context, jobs)

    return stream(keys, points, folder, job, results, Row.from_json)


def columns(plan: Plan, rows: Sequence[tuple[Row, ...]]) -> list[list[Row]]:
    """For each proxy of the spec, its row for each architecture."""
    wanted = sections(plan.proxies, plan.registry)
    by_section = {text: [each[j] for each in rows] for j, text in enumerate(wanted)}
    return [column(proxy, plan.space, plan.registry, by_section) for proxy in plan.proxies]


@dataclass(frozen=True)
class Correlation:
    """How well one column ranks the architectures that the table knows."""

    column: str
    statistic: str
    estimate: Estimate


def correlations(
    plan: Plan, found: Sequence[Sequence[Row]], *, excluded: frozenset[str] = frozenset(), seed: int = 0
) -> list[Correlation]:
    """Every statistic of each proxy and of the two size columns against the table.

    Args:
        plan: with a table.
        found: of each proxy, its rows; architectures that the table lacks are left out.
        excluded: canonical keys a proxy was tuned on, left out too.
        seed: of the bootstrap.
    """
    table = plan.table
    if table is None:
        return []
    known = [
        i
        for i, row in enumerate(found[0])
        if table.value(row.key) is not None and not (excluded and plan.space.canonical(row.key) in excluded)
    ]
    first = [found[0][i] for i in known]
    metric = ranked([table.value(row.key) for row in first], higher_is_better=True)
    params, macs = (ranked([getattr(row, n) for row in first], higher_is_better=True) for n in ("params", "macs"))
    named = {
        name: ranked([rows[i].score for i in known], higher_is_better=proxy.higher_is_better)
        for name, proxy, rows in zip(names(plan), plan.proxies, found, strict=True)
    }
    result = [
        Correlation(name, statistic, estimate(compute, values, metric, seed=seed))
        for name, values in (named | {"params": params, "macs": macs}).items()
        for statistic, compute in STATISTICS.items()
    ]
    return result + [
        Correlation(name, PARTIAL, estimate(partial_spearman, values, metric, params, seed=seed))
        for name, values in named.items()
        if not np.array_equal(values, params)
    ]


def names(plan: Plan) -> list[str]:
    """The names of the proxies' columns; one alone is `score`."""
    return ["score"] if len(plan.proxies) == 1 else [label(proxy) for proxy in plan.proxies]


def training_keys(plan: Plan) -> frozenset[str]:
    """Canonical keys of the architectures that any of the plan's proxies was tuned on, members included."""
    tuned = [one for proxy in plan.proxies for one in within(proxy, plan.registry)]
    return frozenset(key for one in tuned if one.options.provenance for key in one.options.provenance.training)

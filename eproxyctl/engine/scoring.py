"""Scoring many architectures: rows stream to disk as they finish, and come out in the spec's order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eproxyctl.engine import rundir
from eproxyctl.engine.columns import column, digest, kind, leaves, sections
from eproxyctl.engine.executors import Workers
from eproxyctl.engine.plan import Plan, label
from eproxyctl.engine.rows import Row
from eproxyctl.engine.worker import Job
from eproxyctl.ranking import PARTIAL, STATISTICS, Estimate, estimate, partial_spearman, ranked

ROWS = "rows.jsonl"
TIMINGS = "timings.jsonl"


def score(plan: Plan, keys: Sequence[str], folder: Path, workers: Workers) -> Iterator[tuple[Row, ...]]:
    """Score the keys that have no row yet; yield the rows of each in the order of `keys`, one a section of the plan.

    Args:
        plan: what to score with.
        keys: distinct.
        folder: a locked run directory.
        workers: where.

    A failed row is tried again by the next run; what it failed of may have been mended.
    """
    wanted = sections(plan.proxies, plan.registry)
    points = {digest(text): i for i, text in enumerate(wanted)}
    log, timings = rundir.Log(folder / ROWS), rundir.Log(folder / TIMINGS)
    place = {key: i for i, key in enumerate(keys)}
    try:
        waiting: dict[int, dict[int, Row]] = {}
        for point, row in stored(folder):
            if row.key in place and point in points and row.status != "failed":
                waiting.setdefault(place[row.key], {})[points[point]] = row
        lacking = {
            key: missing
            for i, key in enumerate(keys)
            if (missing := [j for j in range(len(wanted)) if j not in waiting.get(i, ())])
        }
        results = workers.results(plan.context, (Job(k, tuple(wanted[j] for j in js)) for k, js in lacking.items()))
        names = list(points)
        for i in range(len(keys)):
            while len(waiting.get(i, ())) < len(wanted):
                job, outcomes = next(results)
                for j, outcome in zip(lacking[job.key], outcomes, strict=True):
                    log.append(outcome.row.to_json(proxy=kind(wanted[j]), point=names[j]))
                    timings.append(timing(job.key, kind(wanted[j]), outcome.seconds))
                    waiting.setdefault(place[job.key], {})[j] = outcome.row
            found = waiting.pop(i)
            yield tuple(found[j] for j in range(len(wanted)))
    finally:
        log.close()
        timings.close()
    settle(folder, place, points)


def timing(key: str, proxy: str, seconds: float) -> str:
    """A line of TIMINGS."""
    return json.dumps({"key": key, "proxy": proxy, "seconds": round(seconds, 4)})


def stored(folder: Path) -> Iterator[tuple[str, Row]]:
    """(point, row) of each line on disk."""
    return ((line["point"], Row.from_json(line)) for line in rundir.lines(folder / ROWS))


def settle(folder: Path, place: dict[str, int], points: dict[str, int]) -> None:
    """Put the rows into the spec's order, the last row of each only, so that equal runs leave equal bytes."""
    path = folder / ROWS
    latest: dict[tuple[str, str], str] = {}
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            data = json.loads(line)
            latest[data["key"], data["point"]] = line
    order = sorted(latest, key=lambda slot: (place.get(slot[0], len(place)), points.get(slot[1], len(points))))
    rundir.write(path, "".join(latest[slot] for slot in order))


def columns(plan: Plan, rows: Sequence[tuple[Row, ...]]) -> list[list[Row]]:
    """For each proxy of the spec, its row for each architecture."""
    wanted = sections(plan.proxies, plan.registry)
    by_section = {text: [each[j] for each in rows] for j, text in enumerate(wanted)}
    return [column(proxy, plan.registry, by_section) for proxy in plan.proxies]


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
    tuned = [*plan.proxies, *(leaf for proxy in plan.proxies for leaf in leaves(proxy, plan.registry))]
    return frozenset(key for one in tuned if one.options.provenance for key in one.options.provenance.training)

"""Scoring many architectures: rows stream to disk as they finish, and come out in the spec's order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eproxyctl.engine import rundir
from eproxyctl.engine.executors import Workers
from eproxyctl.engine.plan import Plan
from eproxyctl.engine.rows import Row
from eproxyctl.engine.worker import Job
from eproxyctl.ranking import STATISTICS, Estimate, estimate, ranked

ROWS = "rows.jsonl"
TIMINGS = "timings.jsonl"


def score(plan: Plan, keys: Sequence[str], folder: Path, workers: Workers) -> Iterator[Row]:
    """Score the keys that have no row yet; yield all rows in the order of `keys`.

    Args:
        plan: what to score with.
        keys: distinct.
        folder: a locked run directory.
        workers: where.

    A failed row is tried again by the next run; what it failed of may have been mended.
    """
    log, timings = rundir.Log(folder / ROWS), rundir.Log(folder / TIMINGS)
    place = {key: i for i, key in enumerate(keys)}
    try:
        waiting = {i: row for row in _rows(folder) if (i := place.get(row.key)) is not None and row.status != "failed"}
        have = set(waiting)
        jobs = (Job(key, plan.section) for i, key in enumerate(keys) if i not in have)
        results = workers.results(plan.context, jobs)
        for i in range(len(keys)):
            while i not in waiting:
                job, row, seconds = next(results)
                log.append(row.to_json())
                timings.append(timing(job.key, seconds))
                waiting[place[job.key]] = row
            yield waiting.pop(i)
    finally:
        log.close()
        timings.close()
    settle(folder, place)


def timing(key: str, seconds: float) -> str:
    """A line of TIMINGS."""
    return json.dumps({"key": key, "seconds": round(seconds, 4)})


def _rows(folder: Path) -> Iterator[Row]:
    return (Row.from_json(line) for line in rundir.lines(folder / ROWS))


def settle(folder: Path, place: dict[str, int]) -> None:
    """Put the rows into the spec's order, the last row of each key only, so that equal runs leave equal bytes."""
    path = folder / ROWS
    latest: dict[str, str] = {}
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            latest[json.loads(line)["key"]] = line
    order = sorted(latest, key=lambda key: place.get(key, len(place)))
    rundir.write(path, "".join(latest[key] for key in order))


@dataclass(frozen=True)
class Correlation:
    """How well one column ranks the architectures that the table knows."""

    column: str
    statistic: str
    estimate: Estimate


def correlations(
    plan: Plan, rows: Sequence[Row], *, excluded: frozenset[str] = frozenset(), seed: int = 0
) -> list[Correlation]:
    """Every statistic of the score and of the two size columns against the table.

    Args:
        plan: with a table.
        rows: those the table lacks are left out.
        excluded: canonical keys the proxy was tuned on, left out too.
        seed: of the bootstrap.
    """
    if plan.table is None:
        return []
    known = [(row, value) for row in rows if (value := plan.table.value(row.key)) is not None]
    known = [(row, value) for row, value in known if not excluded or plan.space.canonical(row.key) not in excluded]
    metric = ranked([value for _, value in known], higher_is_better=True)
    better = plan.proxy.higher_is_better
    columns = {
        "score": ranked([row.score for row, _ in known], higher_is_better=better),
        "params": ranked([row.params for row, _ in known], higher_is_better=True),
        "macs": ranked([row.macs for row, _ in known], higher_is_better=True),
    }
    return [
        Correlation(column, name, estimate(statistic, values, metric, seed=seed))
        for column, values in columns.items()
        for name, statistic in STATISTICS.items()
    ]


def training_keys(plan: Plan) -> frozenset[str]:
    """Canonical keys of the architectures the plan's proxy was tuned on."""
    provenance = plan.spec.proxy.provenance
    return frozenset(provenance.training if provenance else ())

"""Scoring many architectures: rows stream to disk as they finish, and come out in the spec's order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eproxyctl.engine.executors import Workers
from eproxyctl.engine.plan import Plan
from eproxyctl.engine.rows import Row
from eproxyctl.engine.streaming import stream
from eproxyctl.engine.worker import Job
from eproxyctl.ranking import STATISTICS, Estimate, estimate, ranked


def score(plan: Plan, keys: Sequence[str], folder: Path, workers: Workers) -> Iterator[Row]:
    """Score the keys that have no row yet; yield all rows in the order of `keys`. See `stream`."""
    return stream(keys, folder, workers, plan.context, lambda key: Job(key, plan.section), Row.from_json)


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

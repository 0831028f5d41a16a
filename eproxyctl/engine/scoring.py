"""Scoring many architectures: rows stream to disk as they finish, and come out in the spec's order."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eproxyctl.engine.columns import digest, kind, leaves, sections, within
from eproxyctl.engine.equals import Shared
from eproxyctl.engine.executors import Outcome, Workers
from eproxyctl.engine.found import Found
from eproxyctl.engine.pace import Pace
from eproxyctl.engine.plan import Plan, label
from eproxyctl.engine.rows import Row
from eproxyctl.engine.streaming import Rows
from eproxyctl.engine.worker import Job
from eproxyctl.ranking import PARTIAL, STATISTICS, Estimate, Floats, estimates, ranked


def score(
    plan: Plan, keys: Sequence[str], folder: Path, workers: Workers, pace: Pace | None = None
) -> Iterator[tuple[Row, ...]]:
    """Score the keys that lack a row; yield the rows of each in the order of `keys`, one a section of the plan.

    Args:
        plan, keys, workers: what is scored, and where.
        folder: a locked run directory.
        pace: is told how much there is to do, and what each job took.
    """
    for proxy in plan.proxies:
        for one in within(proxy, plan.registry):
            one.ready()
    wanted = sections(plan.proxies, plan.registry)
    points = [{"proxy": kind(text), "point": digest(text)} for text in wanted]

    def job(key: str, lacking: Sequence[int]) -> Job:
        return Job(key, tuple(wanted[i] for i in lacking))

    scoring = (leaf for proxy in plan.proxies for leaf in leaves(proxy, plan.registry))
    with Rows(folder, keys, points, Row.from_json) as rows:
        shared = Shared(plan.space, scoring, {digest(text): text for text in wanted}, rows, pace or Pace())

        def results(jobs: Iterator[Job]) -> Iterator[tuple[Job, tuple[Outcome[Row], ...]]]:
            return shared.results(workers, plan.context, jobs)

        yield from rows.run(job, results, shared.order())


@dataclass(frozen=True)
class Correlation:
    """How well one column ranks the architectures that the table knows."""

    column: str
    statistic: str
    estimate: Estimate


def correlations(plan: Plan, found: Found, *, excluded: Container[str] = (), seed: int = 0) -> list[Correlation]:
    """Every statistic of each proxy, of the two size columns and of the baselines against the table.

    A baseline counts for the architectures that it knows.

    Args:
        plan: with a table.
        found: of every architecture; those that the table lacks are left out.
        excluded: keys equal to one a proxy was tuned on, left out too.
        seed: of the bootstrap.
    """
    table = plan.table
    if table is None:
        return []
    known = [i for i, key in enumerate(found.keys) if key in table.metric and key not in excluded]
    metric = ranked([table.value(found.keys[i]) for i in known], higher_is_better=True)
    params, macs = (ranked(values[known], higher_is_better=True) for values in (found.params, found.macs))
    named = {
        name: ranked(scores[known], higher_is_better=proxy.higher_is_better)
        for name, proxy, scores in zip(names(plan), plan.proxies, found.scores, strict=True)
    }
    columns = {name: (values, metric) for name, values in (named | {"params": params, "macs": macs}).items()}
    columns |= {name: beside(plan, name, [found.keys[i] for i in known]) for name in plan.baselines}
    shared = {name: values for name, (values, _) in columns.items() if name not in plan.baselines}
    found_of = estimates(shared, metric, given=params, seed=seed)
    for name in plan.baselines:
        values, truth = columns[name]
        found_of |= estimates({name: values}, truth, seed=seed)
    partial = [name for name, values in named.items() if not np.array_equal(values, params)]
    return [Correlation(name, statistic, found_of[name, statistic]) for name in columns for statistic in STATISTICS] + [
        Correlation(name, PARTIAL, found_of[name, PARTIAL]) for name in partial
    ]


def beside(plan: Plan, baseline: str, keys: Sequence[str]) -> tuple[Floats, Floats]:
    """(its values, the metric) of those of the keys that a baseline knows, higher is better."""
    assert plan.table is not None
    table = plan.baselines[baseline]
    both = [(table.value(key), plan.table.value(key)) for key in keys if key in table.metric]
    values, metric = zip(*both, strict=True) if both else ((), ())
    return ranked(values, higher_is_better=True), ranked(metric, higher_is_better=True)


def names(plan: Plan) -> list[str]:
    """The names of the proxies' columns; one alone is `score`."""
    return ["score"] if len(plan.proxies) == 1 else [label(proxy) for proxy in plan.proxies]


def training_keys(plan: Plan) -> frozenset[str]:
    """Canonical keys of the architectures that any of the plan's proxies was tuned on, members included."""
    tuned = [one for proxy in plan.proxies for one in within(proxy, plan.registry)]
    return frozenset(key for one in tuned if one.options.provenance for key in one.options.provenance.training)


def tuned(plan: Plan, keys: Sequence[str]) -> list[str]:
    """Those of the keys that equal, in function, one that any of the plan's proxies was tuned on."""
    training = training_keys(plan)
    return [key for key in keys if plan.space.canonical(key) in training] if training else []

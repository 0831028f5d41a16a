"""How well the columns of a run rank the architectures that the metric table knows."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eproxyctl.ranking import PARTIAL, STATISTICS, Estimate, Floats, estimates, ranked
from eproxyctl.scoring.found import Found
from eproxyctl.scoring.plan import Plan, column_names
from eproxyctl.scoring.settings import within


@dataclass(frozen=True)
class Correlation:
    """How well one column ranks the architectures that the table knows."""

    column: str
    statistic: str
    estimate: Estimate

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Correlation:
        """As it was kept in correlations.json; an undefined value is null there."""
        value = math.nan if record["value"] is None else float(record["value"])
        kept = Estimate(value, record["low"], record["high"], int(record["n"]), resamples=int(record["resamples"]))
        return cls(str(record["column"]), str(record["statistic"]), kept)


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
    if not known:
        return []
    metric = ranked([table.value(found.keys[i]) for i in known], higher_is_better=True)
    params, macs = (ranked(values[known], higher_is_better=True) for values in (found.params, found.macs))
    named = {
        name: ranked(scores[known], higher_is_better=proxy.higher_is_better)
        for name, proxy, scores in zip(column_names(plan), plan.proxies, found.scores, strict=True)
    }
    columns = {name: (values, metric) for name, values in (named | {"params": params, "macs": macs}).items()}
    columns |= {name: baseline(plan, name, [found.keys[i] for i in known]) for name in plan.baselines}
    shared = {name: values for name, (values, _) in columns.items() if name not in plan.baselines}
    found_of = estimates(shared, metric, given=params, seed=seed)
    for name in plan.baselines:
        values, truth = columns[name]
        found_of |= estimates({name: values}, truth, seed=seed)
    partial = [name for name, values in named.items() if not np.array_equal(values, params)]
    return [Correlation(name, statistic, found_of[name, statistic]) for name in columns for statistic in STATISTICS] + [
        Correlation(name, PARTIAL, found_of[name, PARTIAL]) for name in partial
    ]


def baseline(plan: Plan, name: str, keys: Sequence[str]) -> tuple[Floats, Floats]:
    """(its values, the metric) of those of the keys that a baseline knows, higher is better."""
    assert plan.table is not None
    table = plan.baselines[name]
    both = [(table.value(key), plan.table.value(key)) for key in keys if key in table.metric]
    values, metric = zip(*both, strict=True) if both else ((), ())
    return ranked(values, higher_is_better=True), ranked(metric, higher_is_better=True)


def training_keys(plan: Plan) -> frozenset[str]:
    """Canonical keys of the architectures that any of the plan's proxies was tuned on, members included."""
    every = [one for proxy in plan.proxies for one in within(proxy, plan.registry)]
    return frozenset(key for one in every if one.options.provenance for key in one.options.provenance.training)


def tuned_on(plan: Plan, keys: Sequence[str]) -> list[str]:
    """Those of the keys that equal, in function, one that any of the plan's proxies was tuned on."""
    training = training_keys(plan)
    return [key for key in keys if plan.space.canonical(key) in training] if training else []

"""Architecture search: which architectures of a space score best under limits on their size.

Aging evolution (Real et al., AAAI 2019) by default, on the discrete study that DPS runs on; NSGA-II (Deb et al., 2002)
for the best score at every size. A point is an architecture's canonical key, so equal ones are paid for once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from eproxyctl.contracts import Goal
from eproxyctl.errors import SpecError, UsageError
from eproxyctl.runs.rows import Row
from eproxyctl.scoring.plan import Plan
from eproxyctl.searching.evaluation import SearchedRows
from eproxyctl.searching.latency import Latencies
from eproxyctl.searching.proposals import Listing, Proposals
from eproxyctl.spec.models import Cost
from eproxyctl.studies.shared import Store
from eproxyctl.studies.study import Asked, DiscreteStudy, Terms, Values

UNITS = {"params": "params", "macs": "macs", "latency": "ms"}
EXHAUSTED = "exhausted: 100 draws in a row repeated an architecture, or 1,000 made none within the limits"
TIME = "the time is up"
SPREAD = "use --dask to spread it over many hosts"


@dataclass(frozen=True)
class Explored:
    """What a search came to.

    Attributes:
        rows: the first `evaluations` architectures, in the order they were proposed.
        ended: why there are fewer, empty where there are not.
    """

    rows: tuple[Row, ...]
    ended: str = ""


def explore(plan: Plan, rows: SearchedRows, latencies: Latencies, store: Store, name: str) -> Explored:
    """Search until the spec's total of evaluations, the end of its time, or that of the space.

    Args:
        latencies: measures where latency is limited or an objective, while nothing is scored.
        store: where trials are kept.
        name: of the study.

    Raises:
        SpecError: no architecture is within the limits, or the space has nothing to search.
        UsageError: a storage for many processes, and a space whose architectures are gone through in order.
    """
    options, proposals = plan.spec.search, Proposals(plan, latencies)
    against = options.against

    def evaluate(asked: Sequence[Asked]) -> Values:
        scored = rows.score([proposals.key(one.choices) for one in asked])
        return [(rows.value(row), *([cost_of(row, against, latencies)] if against else [])) for row in scored]

    deadline = time.monotonic() + 60 * (options.minutes or math.inf)
    source: DiscreteStudy | Listing
    if plan.space.parameters():
        source = _study(plan, proposals, store, name)
    elif store.url:
        raise UsageError(
            f"space '{plan.space.kind}' has no choices, and is gone through without --storage", hint=SPREAD
        )
    else:
        source = Listing(_keys(plan), proposals, options.batch)
    late = False
    for _ in source.run(options.evaluations, evaluate):
        late = len(source.finished()) % options.batch == 0 and time.monotonic() > deadline
        if late:
            break
    finished = source.finished()[: options.evaluations]
    if not finished:
        raise SpecError(_none_within(proposals), hint="raise search.limits")
    found = tuple(rows.row(one.point, proposals.key(one.choices)) for one in finished)
    return Explored(found, "" if len(found) == options.evaluations else TIME if late else EXHAUSTED)


def _study(plan: Plan, proposals: Proposals, store: Store, name: str) -> DiscreteStudy:
    options = plan.spec.search
    goals: tuple[Goal, ...] = ("maximize", "minimize") if options.against else ("maximize",)
    return store.study(
        Terms(
            name,
            plan.space.parameters(),
            options.sampler,
            plan.spec.seed,
            proposals.point,
            admits=proposals.admits,
            batch=options.batch,
            goals=goals,
        )
    )


def _keys(plan: Plan) -> Iterable[str]:
    keys = plan.space.keys() or (plan.table.metric if plan.table else None)
    if keys is None:
        hint = "set task.table: its architectures are then gone through"
        raise SpecError(f"space '{plan.space.kind}' has no choices and no list of architectures", hint=hint)
    return keys


def _none_within(proposals: Proposals) -> str:
    least = ", ".join(f"{round(cost, 3):,} {UNITS[name]}" for name, cost in proposals.least.items())
    return "no architecture that was drawn is within search.limits" + (f"; the smallest have {least}" if least else "")


def cost_of(row: Row, name: Cost, latencies: Latencies) -> float:
    """Parameters, multiply-adds or milliseconds of an architecture; ∞ for one that failed."""
    if name == "latency":
        return math.inf if row.status == "failed" else latencies.of(row.key)
    size: int | None = getattr(row, name)
    return math.inf if size is None else float(size)


def ranked_rows(rows: Sequence[Row], value: Callable[[Row], float]) -> list[Row]:
    """The highest score first, the earlier of equals; failed ones last."""
    return sorted(rows, key=lambda row: (row.status == "failed", -value(row)))


def best_at_every_cost(rows: Sequence[Row], value: Callable[[Row], float], cost: Callable[[Row], float]) -> list[Row]:
    """Those that no other beats in score at no higher cost, the highest score first."""
    kept: list[Row] = []
    for row in sorted(rows, key=lambda row: (cost(row), -value(row))):
        if row.score is not None and (not kept or value(row) > value(kept[-1])):
            kept.append(row)
    return kept[::-1]

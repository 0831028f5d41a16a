"""Architecture search: which architectures of a space score best under limits on their size.

Aging evolution (Real et al., AAAI 2019) by default, on the discrete study that DPS runs on; NSGA-II (Deb et al., 2002)
for the best score at every size. A point is an architecture's canonical key, so equal ones are paid for once.
"""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from eproxyctl.contracts import Choice, Goal
from eproxyctl.engine import rundir
from eproxyctl.engine.columns import alone, digest, kind, sections, within
from eproxyctl.engine.executors import Workers
from eproxyctl.engine.plan import Plan
from eproxyctl.engine.rows import Row
from eproxyctl.engine.streaming import ROWS, TIMINGS, settle, timing
from eproxyctl.engine.study import Asked, DiscreteStudy, Finished, Values
from eproxyctl.engine.worker import Job
from eproxyctl.errors import InvalidArchitecture, SpecError, UsageError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

Size = Literal["params", "macs"]
LISTED = "key"
"""The one choice in a space without choices: which key."""
EXHAUSTED = "exhausted: 100 draws in a row repeated an architecture, or 1,000 made none within the limits"
TIME = "the time is up"


class Evaluator:
    """Scores architectures; every row is on disk before it counts, and none is paid for twice.

    Args:
        plan: with the proxy.
        folder: a locked run directory.
        workers: where networks are scored.
        done: called once for each row paid for now.
    """

    def __init__(self, plan: Plan, folder: Path, workers: Workers, done: Callable[[], None]) -> None:
        self.plan = plan
        self._workers = workers
        self._done = done
        self._points = {text: digest(text) for text in _alone(plan)}
        self._rows: dict[tuple[str, str], Row] = {}
        for line in rundir.lines(folder / ROWS):
            row = Row.from_json(line)
            self._rows[plan.space.canonical(row.key), line["point"]] = row
        self._folder = folder
        self._log, self._timings = rundir.Log(folder / ROWS), rundir.Log(folder / TIMINGS)

    def close(self) -> None:
        """Close the files."""
        self._log.close()
        self._timings.close()

    @property
    def paid(self) -> int:
        """Architectures there are rows of."""
        return len({canonical for canonical, _ in self._rows})

    def score(self, keys: Sequence[str]) -> list[Row]:
        """A row for each key; failed ones of an earlier run are tried again."""
        canonical = {key: self.plan.space.canonical(key) for key in keys}
        lacking = {key: self._lacking(name) for key, name in canonical.items()}
        jobs = [Job(key, sections) for key, sections in lacking.items() if sections]
        for job, outcomes in self._workers.results(self.plan.context, jobs):
            for text, outcome in zip(lacking[job.key], outcomes, strict=True):
                about = {"proxy": kind(text), "point": self._points[text]}
                self._log.append(outcome.row.to_json(**about))
                self._timings.append(timing(job.key, outcome.seconds, **about))
                self._rows[canonical[job.key], self._points[text]] = outcome.row
            self._done()
        return [self._row(canonical[key]) for key in keys]

    def row(self, canonical: str, key: str) -> Row:
        """The row of what was scored before; scored now where another host did it."""
        there = all((canonical, point) in self._rows for point in self._points.values())
        return self._row(canonical) if there else self.score([key])[0]

    def settle(self, found: Sequence[Row]) -> None:
        """Put the rows on disk into the order of `found`."""
        order = {point: place for place, point in enumerate(self._points.values())}
        settle(self._folder, {row.key: place for place, row in enumerate(found)}, order)

    def _lacking(self, canonical: str) -> tuple[str, ...]:
        rows = {text: self._rows.get((canonical, point)) for text, point in self._points.items()}
        return tuple(text for text, row in rows.items() if row is None or row.status == "failed")

    def _row(self, canonical: str) -> Row:
        rows = {text: self._rows[canonical, point] for text, point in self._points.items()}
        return alone(self.plan.proxy, self.plan.space, self.plan.registry, rows)

    def value(self, row: Row) -> float:
        """The score turned so that higher is better; −∞ for what diverged or failed."""
        if row.score is None:
            return -math.inf
        return row.score if self.plan.proxy.higher_is_better else -row.score


def _alone(plan: Plan) -> tuple[str, ...]:
    """The sections of all that scores networks.

    Raises:
        UsageError: a proxy that ranks architectures together.
        DataError: one that has learned nothing yet.
    """
    proxy = plan.proxy
    for one in within(proxy, plan.registry):
        if one.relative and not one.learns and (one is not proxy or one.members()):
            raise UsageError(
                f"proxy '{one.kind}' ranks architectures together, and a search needs the score of each alone",
                hint="search with one of its members, or with a few-shot proxy that dps taught without it",
            )
        one.ready()
    return sections([proxy], plan.registry)


class Proposals:
    """The points a search may propose: from choices to key, and which keys are within the limits."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.least: dict[str, int] = {}
        limits = plan.spec.search.limits
        self._limits = {name: value for name in ("params", "macs") if (value := getattr(limits, name)) is not None}
        self._known: dict[str, bool] = {}

    def key(self, choices: Mapping[str, Choice]) -> str:
        """Choices → key. Raises InvalidArchitecture."""
        return str(choices[LISTED]) if LISTED in choices else self.plan.space.encode(choices)

    def point(self, choices: Mapping[str, Choice]) -> str:
        """Choices → canonical key."""
        return self.plan.space.canonical(self.key(choices))

    def admits(self, choices: Mapping[str, Choice]) -> bool:
        """Whether choices make an architecture, and one within the limits."""
        try:
            key = self.key(choices)
        except InvalidArchitecture:
            return False
        if self._limits and key not in self._known:
            self._known[key] = self._fits(key)
        return not self._limits or self._known[key]

    def _fits(self, key: str) -> bool:
        from eproxyctl.networks.size import count

        space, shape, outputs = self.plan.space, self.plan.context.shape, self.plan.context.outputs
        params, macs = count(lambda: space.build(key, shape, outputs, pruned=False), shape)
        sizes = {"params": params, "macs": macs}
        for name, size in sizes.items():
            self.least[name] = min(size, self.least.get(name, size))
        return all(sizes[name] <= limit for name, limit in self._limits.items())


class Listing:
    """Goes through the keys of a space without choices, each function once, in an order drawn from the seed."""

    def __init__(self, keys: Iterable[str], proposals: Proposals, batch: int) -> None:
        self._keys = sorted(keys)
        random.Random(f"search {proposals.plan.spec.seed}").shuffle(self._keys)
        self._proposals = proposals
        self._batch = batch
        self._finished: list[Finished] = []

    def finished(self) -> list[Finished]:
        """What was evaluated, in order."""
        return self._finished

    def run(self, trials: int, evaluate: Callable[[Sequence[Asked]], Values]) -> Iterator[Finished]:
        """As `DiscreteStudy.run`; what is on disk costs nothing, so there is nothing else to store."""
        points = itertools.islice(self._points(), trials)
        while asked := list(itertools.islice(points, self._batch)):
            for one, values in zip(asked, evaluate(asked), strict=True):
                self._finished.append(Finished(one.number, one.point, one.choices, values))
                yield self._finished[-1]

    def _points(self) -> Iterator[Asked]:
        seen = set()
        for number, key in enumerate(self._keys):
            choices = {LISTED: key}
            point = self._proposals.point(choices)
            if point not in seen and self._proposals.admits(choices):
                seen.add(point)
                yield Asked(number, point, choices)


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        rows: the first `evaluations` architectures, in the order they were proposed.
        ended: why there are fewer, empty where there are not.
    """

    rows: tuple[Row, ...]
    ended: str = ""


def explore(plan: Plan, evaluator: Evaluator, storage: Callable[[], BaseStorage], name: str) -> Found:
    """Search until the spec's total of evaluations, the end of its time, or that of the space.

    Args:
        storage: opens where trials are kept; not called for a space without choices.
        name: of the study.

    Raises:
        SpecError: no architecture is within the limits, or the space has nothing to search.
    """
    options, proposals = plan.spec.search, Proposals(plan)
    against = options.against

    def evaluate(asked: Sequence[Asked]) -> Values:
        rows = evaluator.score([proposals.key(one.choices) for one in asked])
        return [(evaluator.value(row), *([_size(row, against)] if against else [])) for row in rows]

    deadline = time.monotonic() + 60 * (options.minutes or math.inf)
    source: DiscreteStudy | Listing
    if plan.space.parameters():
        source = _study(plan, proposals, storage(), name)
    else:
        source = Listing(_keys(plan), proposals, options.batch)
    late = False
    for number, _ in enumerate(source.run(options.evaluations, evaluate), start=1):
        late = number % options.batch == 0 and time.monotonic() > deadline
        if late:
            break
    finished = source.finished()[: options.evaluations]
    if not finished:
        raise SpecError(_none_within(proposals), hint="raise search.limits")
    rows = tuple(evaluator.row(one.point, proposals.key(one.choices)) for one in finished)
    return Found(rows, "" if len(rows) == options.evaluations else TIME if late else EXHAUSTED)


def _study(plan: Plan, proposals: Proposals, storage: BaseStorage, name: str) -> DiscreteStudy:
    options = plan.spec.search
    goals: tuple[Goal, ...] = ("maximize", "minimize") if options.against else ("maximize",)
    return DiscreteStudy(
        storage,
        name,
        plan.space.parameters(),
        options.sampler,
        plan.spec.seed,
        proposals.point,
        admits=proposals.admits,
        batch=options.batch,
        goals=goals,
    )


def _keys(plan: Plan) -> Iterable[str]:
    keys = plan.space.keys() or (plan.table.metric if plan.table else None)
    if keys is None:
        hint = "set task.table: its architectures are then gone through"
        raise SpecError(f"space '{plan.space.kind}' has no choices and no list of architectures", hint=hint)
    return keys


def _none_within(proposals: Proposals) -> str:
    least = ", ".join(f"{size:,} {name}" for name, size in proposals.least.items())
    return "no architecture that was drawn is within search.limits" + (f"; the smallest have {least}" if least else "")


def _size(row: Row, name: Size) -> float:
    size: int | None = getattr(row, name)
    return math.inf if size is None else float(size)


def best_first(rows: Sequence[Row], value: Callable[[Row], float]) -> list[Row]:
    """The highest score first, the earlier of equals; failed ones last."""
    return sorted(rows, key=lambda row: (row.status == "failed", -value(row)))


def front(rows: Sequence[Row], value: Callable[[Row], float], against: Size) -> list[Row]:
    """Those that no other beats in score without being larger, the highest score first."""
    kept: list[Row] = []
    for row in sorted(rows, key=lambda row: (_size(row, against), -value(row))):
        if row.score is not None and (not kept or value(row) > value(kept[-1])):
            kept.append(row)
    return kept[::-1]

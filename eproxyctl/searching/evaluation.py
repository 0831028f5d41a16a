"""Scores for a search: one architecture at a time, none paid for twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from eproxyctl.contracts import Composite, Learner, Relative
from eproxyctl.errors import UsageError
from eproxyctl.runs.ledger import POINT, Ledger
from eproxyctl.runs.rows import Row
from eproxyctl.scoring.columns import alone
from eproxyctl.scoring.plan import Plan
from eproxyctl.scoring.settings import Settings, scored_with, within
from eproxyctl.scoring.worker import ScoringJob
from eproxyctl.studies.study import Asked
from eproxyctl.workers.executors import Workers


def scored_alone(plan: Plan) -> tuple[Settings, ...]:
    """The settings of all that scores networks.

    Raises:
        UsageError: a proxy that ranks architectures together.
        DataError: one that has learned nothing yet.
    """
    proxy = plan.proxy
    found = list(within(proxy, plan.registry))
    for one in found:
        if isinstance(one, Relative) and isinstance(one, Composite) and not isinstance(one, Learner):
            raise UsageError(
                f"proxy '{one.kind}' ranks architectures together, and a search needs the score of each alone",
                hint="search with one of its members, or with a few-shot proxy of its members that dps taught",
            )
    for one in found:
        if isinstance(one, Learner):
            one.ready()
    return scored_with([proxy], plan.registry)


class SearchedRows:
    """Scores architectures; every row is on disk before it counts.

    Args:
        plan: with the proxy.
        ledger: of the run, by canonical key.
        workers: where networks are scored.
        done: called once for each architecture scored now.
    """

    def __init__(self, plan: Plan, ledger: Ledger[Row], workers: Workers, done: Callable[[], None]) -> None:
        self.plan = plan
        self._ledger, self._workers, self._done = ledger, workers, done
        self._settings = {settings.digest: settings for settings in scored_alone(plan)}

    def score(self, keys: Sequence[str]) -> list[Row]:
        """A row for each key."""
        canonical = {key: self.plan.space.canonical(key) for key in keys}
        lacking = {key: self._ledger.lacking(name, self._settings) for key, name in canonical.items()}
        jobs = [
            ScoringJob(key, tuple(self._settings[point].text for point in points))
            for key, points in lacking.items()
            if points
        ]
        for job, outcomes in self._workers.results(self.plan.context, jobs):
            for point, outcome in zip(lacking[job.key], outcomes, strict=True):
                about = {"proxy": self._settings[point].kind, POINT: point}
                self._ledger.pay(canonical[job.key], about, outcome)
            self._done()
        return [self._row(canonical[key]) for key in keys]

    def row(self, canonical: str, key: str) -> Row:
        """The row of what was scored before; scored now where another host did it."""
        return self._row(canonical) if self._ledger.there(canonical, self._settings) else self.score([key])[0]

    def lines(self, asked: Asked) -> Sequence[str]:
        """The rows of a trial, for the other processes of a shared study."""
        return [self._ledger.line(asked.point, point) for point in self._settings]

    def adopt(self, lines: Sequence[str]) -> None:
        """Take over rows that another process paid for."""
        before = self._ledger.architectures
        for line in lines:
            self._ledger.adopt(line)
        for _ in range(self._ledger.architectures - before):
            self._done()

    def settle(self, found: Sequence[Row]) -> None:
        """Put the rows on disk into the order of `found`."""
        self._ledger.settle((row.key for row in found), self._settings)

    def _row(self, canonical: str) -> Row:
        rows = {settings: self._ledger.get(canonical, point) for point, settings in self._settings.items()}
        return alone(self.plan.proxy, self.plan.space.traits, self.plan.registry, rows)

    def value(self, row: Row) -> float:
        """The score turned so that higher is better; −∞ for what diverged or failed."""
        if row.score is None:
            return -math.inf
        return row.score if self.plan.proxy.higher_is_better else -row.score

"""Scores for a search: one architecture at a time, none paid for twice."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from eproxyctl.contracts import Composite, Learner, Relative
from eproxyctl.errors import UsageError
from eproxyctl.runs import files
from eproxyctl.runs.ledger import ROWS, TIMINGS, settle, timing
from eproxyctl.runs.rows import Row
from eproxyctl.scoring.columns import alone, digest, kind, sections, within
from eproxyctl.scoring.plan import Plan
from eproxyctl.scoring.worker import Job
from eproxyctl.studies.study import Asked
from eproxyctl.workers.executors import Workers


def scored_alone(plan: Plan) -> tuple[str, ...]:
    """The sections of all that scores networks.

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
    return sections([proxy], plan.registry)


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
        self._points = {text: digest(text) for text in scored_alone(plan)}
        self._rows: dict[tuple[str, str], Row] = {}
        for line in files.lines(folder / ROWS):
            row = Row.from_json(line)
            self._rows[plan.space.canonical(row.key), line["point"]] = row
        self._folder = folder
        self._log, self._timings = files.Log(folder / ROWS), files.Log(folder / TIMINGS)

    def close(self) -> None:
        """Close the files."""
        self._log.close()
        self._timings.close()

    @property
    def paid(self) -> int:
        """Architectures there are rows of."""
        return len({canonical for canonical, _ in self._rows})

    def score(self, keys: Sequence[str]) -> list[Row]:
        """A row for each key; those that failed before and are proposed again are tried again."""
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

    def lines(self, asked: Asked) -> Sequence[str]:
        """The rows of a trial, for the other processes of a shared study."""
        return [
            self._rows[asked.point, point].to_json(proxy=kind(text), point=point)
            for text, point in self._points.items()
        ]

    def adopt(self, lines: Sequence[str]) -> None:
        """Take over rows that another process paid for."""
        for line in lines:
            data = json.loads(line)
            row = Row.from_json(data)
            canonical = self.plan.space.canonical(row.key)
            new = not any((canonical, point) in self._rows for point in self._points.values())
            known = self._rows.get((canonical, data["point"]))
            if known is None or known.key != row.key or (known.status == "failed" and row.status != "failed"):
                self._log.append(line)
                self._rows[canonical, data["point"]] = row
            if new:
                self._done()

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

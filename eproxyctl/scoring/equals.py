"""Networks that compute the same function are scored once.

Proxies that see pruned networks cannot tell architectures of equal canonical key apart: these are built alike, with the
same weights. One is scored, the others get its row with their own key, sizes and cost mix.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from eproxyctl.contracts import Proxy, Space
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.runs import files
from eproxyctl.runs.ledger import POINT, ROWS, Ledger
from eproxyctl.runs.rows import Row
from eproxyctl.scoring.pace import Pace
from eproxyctl.scoring.settings import Settings
from eproxyctl.scoring.worker import Context, ScoringJob
from eproxyctl.workers.executors import Outcome, Workers

Result = tuple[ScoringJob, tuple[Outcome[Row], ...]]


BETWEEN = 4
"""Networks in the order of the spec between two that are drawn."""


class Shared:
    """Whose rows there are by canonical key and point, and the jobs that wait for one.

    Args:
        space: names architectures canonically.
        proxies: those that score networks; only rows of the ones that see pruned networks are shared.
        keys: of the run.
        ledger: of the run; rows that are there are known from the start.
        pace: is told what each job took.
    """

    def __init__(
        self, space: Space, proxies: Iterable[Proxy], keys: Sequence[str], ledger: Ledger[Row], pace: Pace
    ) -> None:
        self._space, self._ledger, self._pace = space, ledger, pace
        settings = {Settings.of(proxy.options): proxy.needs.official for proxy in proxies}
        self._point = {one.text: one.digest for one in settings}
        self._shared = {one.digest for one, official in settings.items() if not official}
        self._known: dict[tuple[str, str], str] = {}
        self._held: dict[str, list[ScoringJob]] = {}
        self._ready: deque[ScoringJob] = deque()
        self._sent: dict[str, ScoringJob] = {}
        self._lacking = [key for key in keys if ledger.lacking(key, self._point.values())]
        self._names = {key: self._canonical(key) for key in self._lacking}
        self._drawn: set[str] = set()
        self._first = self._firsts() if self._lacking else []
        self._scored = set(self._first)
        pace.expect(len(self._first), len(self._lacking) - len(self._first))

    def _firsts(self) -> list[str]:
        """Of the keys that lack rows those that are scored; the others equal one."""
        for line in files.lines(self._ledger.folder / ROWS):
            point = line.get(POINT, "")
            if point in self._shared and line["status"] != "failed" and self._ledger.there(line["key"], [point]):
                self._known.setdefault((line["canonical"], point), line["key"])
        if not self._shared:
            return self._lacking
        found: dict[str, str] = {}
        for key in self._lacking:
            name = self._names[key]
            if name not in found and any((name, point) not in self._known for point in self._shared):
                found[name] = key
        return list(found.values())

    def order(self) -> Iterator[str]:
        """The keys that lack rows: as in the spec, but every fifth network is drawn from all that are left.

        How long the run takes is told from these: a list that begins with its cheapest networks promises too much.
        """
        draws = iter(random.Random(0).sample(self._first, len(self._first)))
        sent: set[str] = set()
        count = 0
        for key in self._lacking:
            if key in sent:
                continue
            sent.add(key)
            yield key
            count += key in self._scored
            if key in self._scored and (count < BETWEEN or count % BETWEEN == 0):
                drawn = next((other for other in draws if other not in sent), None)
                if drawn is not None:
                    self._drawn.add(drawn)
                    sent.add(drawn)
                    yield drawn

    def results(self, workers: Workers, context: Context, jobs: Iterable[ScoringJob]) -> Iterator[Result]:
        """As `workers.results`, but of jobs on equal architectures one at a time, so that it is the only one scored.

        Whoever takes a result writes its rows before asking for the next.
        """
        pending = iter(jobs)
        more = True
        while more:
            for done, outcomes in workers.results(context, self._next(pending)):
                job = self._sent.pop(done.key)
                yield job, outcomes
                self._learn(job, outcomes)
                self._ready.extend(self._held.pop(self._names[job.key], ()))
            more = bool(self._ready)

    def _learn(self, job: ScoringJob, outcomes: tuple[Outcome[Row], ...]) -> None:
        """That its rows are there, for the architectures equal to it."""
        for text, outcome in zip(job.proxies, outcomes, strict=True):
            point = self._point[text]
            if point in self._shared and outcome.row.status != "failed":
                self._known.setdefault((outcome.row.canonical, point), job.key)
        seconds = sum(outcome.seconds for outcome in outcomes)
        fresh = any(outcome.fresh for outcome in outcomes)
        self._pace.done(seconds, trained=job.key in self._scored, drawn=job.key in self._drawn, fresh=fresh)

    def _next(self, pending: Iterator[ScoringJob]) -> Iterator[ScoringJob]:
        """Jobs to start, with the rows that need no scoring; those equal to one under way are held back."""
        while True:
            job = self._ready.popleft() if self._ready else next(pending, None)
            if job is None:
                return
            name = self._names[job.key]
            if name in self._held:
                self._held[name].append(job)
                continue
            points = [self._point[text] for text in job.proxies]
            others = [self._known.get((name, point)) for point in points]
            equals = tuple(
                None if other is None else self._ledger.get(other, point)
                for other, point in zip(others, points, strict=True)
            )
            if any(row is None and point in self._shared for row, point in zip(equals, points, strict=True)):
                self._held[name] = []
            self._sent[job.key] = job
            yield replace(job, equals=equals)

    def _canonical(self, key: str) -> str:
        try:
            return self._space.canonical(key)
        except InvalidArchitecture:
            return key

"""Networks that compute the same function are scored once.

Proxies that see pruned networks cannot tell architectures of equal canonical key apart: these are built alike, with the
same weights. One is scored, the others get its row with their own key, sizes and cost mix.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from eproxyctl.contracts import Proxy, Space
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.runs import files
from eproxyctl.runs.ledger import ROWS, Rows
from eproxyctl.runs.rows import Row
from eproxyctl.scoring.columns import section
from eproxyctl.scoring.pace import Pace
from eproxyctl.scoring.worker import Context, Job
from eproxyctl.workers.executors import Outcome, Workers

Result = tuple[Job, tuple[Outcome[Row], ...]]


BETWEEN = 4
"""Networks in the order of the spec between two that are drawn."""


class Shared:
    """Where the rows are by canonical key and section, and the jobs that wait for one.

    Args:
        space: names architectures canonically.
        proxies: those that score networks; only rows of the ones that see pruned networks are shared.
        sections: by point.
        rows: of the run; those that are there are known from the start.
        pace: is told what each job took.
    """

    def __init__(
        self, space: Space, proxies: Iterable[Proxy], sections: Mapping[str, str], rows: Rows[Row], pace: Pace
    ) -> None:
        self._space, self._rows, self._pace = space, rows, pace
        official = {section(proxy.options): proxy.needs.official for proxy in proxies}
        self._points = {text: point for point, text in sections.items() if not official[text]}
        self._known: dict[tuple[str, str], int] = {}
        self._held: dict[str, list[Job]] = {}
        self._ready: deque[Job] = deque()
        self._sent: dict[str, Job] = {}
        self._lacking = rows.lacking()
        self._names = {rows.keys[i]: self._canonical(rows.keys[i]) for i in self._lacking}
        self._drawn: set[str] = set()
        self._first = self._firsts(sections) if self._lacking else {}
        pace.expect(len(self._first), len(self._lacking) - len(self._first))

    def _firsts(self, sections: Mapping[str, str]) -> dict[str, int]:
        """Of the keys that lack rows those that are scored, and where they are in the spec; the others equal one."""
        for start, line in files.placed(self._rows.folder / ROWS):
            text = sections.get(line["point"], "")
            if text in self._points and line["status"] != "failed":
                self._known.setdefault((line["canonical"], text), start)
        if not self._points:
            return {self._rows.keys[i]: i for i in self._lacking}
        found: dict[str, int] = {}
        for i in self._lacking:
            name = self._names[self._rows.keys[i]]
            if name not in found and any((name, text) not in self._known for text in self._points):
                found[name] = i
        return {self._rows.keys[i]: i for i in found.values()}

    def order(self) -> Iterator[int]:
        """Places of the keys that lack rows: as in the spec, but every fifth network is drawn from all that are left.

        How long the run takes is told from these: a list that begins with its cheapest networks promises too much.
        """
        firsts = list(self._first.values())
        draws = iter(random.Random(0).sample(firsts, len(firsts)))
        sent: set[int] = set()
        count = 0
        for i in self._lacking:
            if i in sent:
                continue
            sent.add(i)
            yield i
            count += self._rows.keys[i] in self._first
            if self._rows.keys[i] in self._first and (count < BETWEEN or count % BETWEEN == 0):
                drawn = next((j for j in draws if j not in sent), None)
                if drawn is not None:
                    self._drawn.add(self._rows.keys[drawn])
                    sent.add(drawn)
                    yield drawn

    def results(self, workers: Workers, context: Context, jobs: Iterable[Job]) -> Iterator[Result]:
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

    def _learn(self, job: Job, outcomes: tuple[Outcome[Row], ...]) -> None:
        """Where its rows are, for the architectures equal to it."""
        for text, outcome in zip(job.proxies, outcomes, strict=True):
            point = self._points.get(text)
            if point is not None and outcome.row.status != "failed":
                self._known.setdefault((outcome.row.canonical, text), self._rows.start(job.key, point))
        seconds = sum(outcome.seconds for outcome in outcomes)
        fresh = any(outcome.fresh for outcome in outcomes)
        self._pace.done(seconds, trained=job.key in self._first, drawn=job.key in self._drawn, fresh=fresh)

    def _next(self, pending: Iterator[Job]) -> Iterator[Job]:
        """Jobs to start, with the rows that need no scoring; those equal to one under way are held back."""
        while True:
            job = self._ready.popleft() if self._ready else next(pending, None)
            if job is None:
                return
            name = self._names[job.key]
            if name in self._held:
                self._held[name].append(job)
                continue
            starts = [self._known.get((name, text)) for text in job.proxies]
            equals = tuple(None if start is None else self._rows.at(start) for start in starts)
            if any(row is None and text in self._points for text, row in zip(job.proxies, equals, strict=True)):
                self._held[name] = []
            self._sent[job.key] = job
            yield replace(job, equals=equals)

    def _canonical(self, key: str) -> str:
        try:
            return self._space.canonical(key)
        except InvalidArchitecture:
            return key

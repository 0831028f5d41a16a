"""Networks that compute the same function are scored once.

Proxies that see pruned networks cannot tell architectures of equal canonical key apart: these are built alike, with the
same weights. One is scored, the others get its row with their own key, sizes and cost mix.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from eproxyctl.contracts import Proxy, Space
from eproxyctl.engine import rundir
from eproxyctl.engine.columns import section
from eproxyctl.engine.executors import Outcome, Workers
from eproxyctl.engine.rows import Row
from eproxyctl.engine.streaming import ROWS
from eproxyctl.engine.worker import Context, Job
from eproxyctl.errors import InvalidArchitecture

Result = tuple[Job, tuple[Outcome[Row], ...]]


class Shared:
    """Rows by canonical key and section, and the jobs that wait for one.

    Args:
        space: names architectures canonically.
        proxies: those that score networks; only rows of the ones that see pruned networks are shared.
        sections: by point; rows of `folder` are known from the start.
        folder: a run directory.
    """

    def __init__(self, space: Space, proxies: Iterable[Proxy], sections: Mapping[str, str], folder: Path) -> None:
        self._space = space
        self._sections = frozenset(section(proxy.options) for proxy in proxies if not proxy.needs.official)
        self._rows: dict[tuple[str, str], Row] = {}
        self._held: dict[str, list[Job]] = {}
        self._ready: deque[Job] = deque()
        self._sent: dict[str, Job] = {}
        for line in rundir.lines(folder / ROWS):
            text = sections.get(line["point"])
            if text is not None:
                self.learn(text, Row.from_json(line))

    def learn(self, text: str, row: Row) -> None:
        """Keep a section's row for the architectures equal to its own."""
        if text in self._sections and row.status != "failed":
            self._rows.setdefault((row.canonical, text), row)

    def results(self, workers: Workers, context: Context, jobs: Iterable[Job]) -> Iterator[Result]:
        """As `workers.results`, but of jobs on equal architectures one at a time, so that it is the only one scored."""
        pending = iter(jobs)
        more = True
        while more:
            for done, outcomes in workers.results(context, self._next(pending)):
                job = self._sent.pop(done.key)
                for text, outcome in zip(job.proxies, outcomes, strict=True):
                    self.learn(text, outcome.row)
                self._ready.extend(self._held.pop(self._canonical(job.key), ()))
                yield job, outcomes
            more = bool(self._ready)

    def _next(self, pending: Iterator[Job]) -> Iterator[Job]:
        """Jobs to start, with the rows that need no scoring; those equal to one under way are held back."""
        while True:
            job = self._ready.popleft() if self._ready else next(pending, None)
            if job is None:
                return
            name = self._canonical(job.key)
            if name in self._held:
                self._held[name].append(job)
                continue
            equals = tuple(self._rows.get((name, text)) for text in job.proxies)
            if any(row is None and text in self._sections for text, row in zip(job.proxies, equals, strict=True)):
                self._held[name] = []
            self._sent[job.key] = job
            yield replace(job, equals=equals)

    def _canonical(self, key: str) -> str:
        try:
            return self._space.canonical(key)
        except InvalidArchitecture:
            return key

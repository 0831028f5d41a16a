"""What a run of `score` would take, from a few architectures that are really scored."""

from __future__ import annotations

import time
from dataclasses import dataclass

from eproxyctl.scoring.architectures import architectures
from eproxyctl.scoring.plan import make_plan
from eproxyctl.scoring.settings import scored_with
from eproxyctl.scoring.worker import ScoringJob
from eproxyctl.spec.request import Request
from eproxyctl.workers.devices import one_thread

TIMED = 3
"""Architectures that are scored for it, spread over the list."""


@dataclass(frozen=True)
class Forecast:
    """How many architectures there are, and the seconds that one takes."""

    architectures: int
    each: float

    def total(self, workers: int) -> float:
        """Seconds of all with so many workers."""
        return self.each * self.architectures / max(1, min(workers, self.architectures))


def forecast(request: Request) -> Forecast:
    """Score three architectures spread over the list; nothing is kept."""
    plan = make_plan(request)
    keys = architectures(plan)
    wanted = tuple(settings.text for settings in scored_with(plan.proxies, plan.registry))
    with one_thread():
        ScoringJob(keys[0], wanted).run(plan.context)  # what is drawn once a process does not count
        started = time.perf_counter()
        timed = keys[:: max(1, len(keys) // TIMED)][:TIMED]
        for key in timed:
            ScoringJob(key, wanted).run(plan.context)
    return Forecast(len(keys), (time.perf_counter() - started) / len(timed))

"""Settings on architectures, for a proxy search: rows, none paid for twice, and how well they rank."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from eproxyctl.contracts import Goal, Known, Proxy, ProxyOptions, Readable, Readout
from eproxyctl.dps import objectives
from eproxyctl.dps.fidelity import CountedCosts
from eproxyctl.ranking import Floats, ranked
from eproxyctl.runs.ledger import POINT, Ledger
from eproxyctl.runs.rows import Row, scored
from eproxyctl.scoring.columns import column, known_of, traced
from eproxyctl.scoring.plan import Plan
from eproxyctl.scoring.settings import Settings, scored_with
from eproxyctl.scoring.worker import ScoringJob
from eproxyctl.workers.executors import Workers


@dataclass(frozen=True)
class Fit:
    """How well settings rank the training architectures, as `dps.objective` has it, and the read-out that does it."""

    value: float
    readout: Readout | None


class Evaluation:
    """Evaluates settings on architectures; every row is on disk before it counts.

    Args:
        plan: with a table, widened by the fidelities that are searched.
        ledger: of the run, by key.
        workers: where networks are trained.
        done: called once for each row paid for now.
    """

    def __init__(self, plan: Plan, ledger: Ledger[Row], workers: Workers, done: Callable[[], None]) -> None:
        self.plan = plan
        self._ledger, self._workers, self._done = ledger, workers, done
        self._costs = CountedCosts(plan)
        self._settings: dict[str, Settings] = {}
        self._proxies: dict[Settings, Proxy] = {}

    @property
    def workers(self) -> int:
        """How many networks are trained at once."""
        return self._workers.count

    def settings(self, point: str) -> Settings:
        """The settings that a point of the study stands for, read once."""
        if point not in self._settings:
            self._settings[point] = Settings.of(self.plan.registry.read("proxy", point))
        return self._settings[point]

    def proxy(self, settings: Settings) -> Proxy:
        """The proxy of settings, made once."""
        if settings not in self._proxies:
            self._proxies[settings] = self.plan.registry.create("proxy", settings.options)
        return self._proxies[settings]

    def rows(self, settings: Settings, keys: Sequence[str]) -> list[Row]:
        """Rows of settings for each key, trained where they are not yet there."""
        return column(self.proxy(settings), self.plan.space.traits, self.plan.registry, self._leaves(settings, keys))

    def known(self, settings: Settings, keys: Sequence[str]) -> Known:
        """What a proxy that learns may learn from."""
        traits, registry = self.plan.space.traits, self.plan.registry
        return known_of(traced(self.proxy(settings), traits, registry, self._leaves(settings, keys)), traits)

    def lines(self, settings: Settings, keys: Sequence[str]) -> list[str]:
        """Rows that there are, as they are written."""
        slots = [(key, point) for point in self._points(settings) for key in keys]
        return [self._ledger.line(key, point) for key, point in slots if self._ledger.there(key, [point])]

    def lacking(self, settings: Settings, keys: Sequence[str]) -> list[str]:
        """Those of `keys` without all of their rows."""
        points = self._points(settings)
        return [key for key in keys if self._ledger.lacking(key, points)]

    def adopt(self, lines: Sequence[str]) -> None:
        """Take over rows that another process paid for."""
        for line in lines:
            if self._ledger.adopt(line):
                self._done()

    def metric(self, keys: Sequence[str]) -> Floats:
        """Of each key, higher is better."""
        assert self.plan.table is not None
        return ranked([self.plan.table.value(key) for key in keys], higher_is_better=True)

    def fit(self, settings: Settings, keys: Sequence[str], beat: float | None = None) -> Fit:
        """Fitness on `keys`, and the read-out that is best on all of them, the first (simplest) of equals.

        With `dps.folds` the fitness is that of read-outs on architectures they were not chosen on. Settings that cannot
        reach `beat` are given up after a part of `keys`: their fitness on those, or the most they could reach.
        """
        metric, options, proxy = self.metric(keys), self.plan.spec.dps, self.proxy(settings)
        judge = objectives.fitness(options.objective)
        readouts: tuple[Readout | None, ...] = (None,)
        if isinstance(proxy, Readable):
            readouts = proxy.readouts(options.readout)
        for k in (*(_stages(len(keys)) if beat is not None else ()), len(keys)):
            rows = self.rows(settings, keys[:k])
            scores = np.stack([self.scores(proxy, rows, readout) for readout in readouts])
            place, value = objectives.best(scores, metric[:k], judge)
            if beat is not None and k < len(keys):
                most = max(objectives.reachable(each, metric) for each in scores)
                if most < beat:
                    return Fit(min(value, most), readouts[place])
        if options.parts:
            value = objectives.validated(scores, metric, judge, options.parts, self.plan.spec.seed)
        return Fit(value, readouts[place])

    def scored(self, settings: Settings, keys: Sequence[str]) -> int:
        """How many of `keys` have all their rows."""
        return len(keys) - len(self.lacking(settings, keys))

    def cost(self, settings: Settings, keys: Sequence[str]) -> float:
        """Counted multiply-adds of scoring one architecture, about the mean over `keys`; see `CountedCosts`."""
        return self._costs.of(self.proxy(settings), keys)

    def seconds(self, settings: Settings, keys: Sequence[str]) -> float:
        """What one architecture took, the mean over those of `keys` that were scored here; NaN where none was."""
        points = self._points(settings)
        taken = (self._ledger.seconds(key, point) for point in points for key in keys)
        found = [seconds for seconds in taken if seconds is not None]
        return math.fsum(found) * len(points) / len(found) if found else math.nan

    def scores(self, proxy: Proxy, rows: Sequence[Row], readout: Readout | None) -> Floats:
        """[n] scores through a read-out, higher is better; diverged and failed last."""
        values = [self._score(proxy, row, readout) for row in rows]
        return ranked(values, higher_is_better=proxy.higher_is_better)

    def _score(self, proxy: Proxy, row: Row, readout: Readout | None) -> float | None:
        if not isinstance(proxy, Readable):
            return row.score
        if row.params is None or row.macs is None or not row.traces:
            return None
        costs = self.plan.costs(row.params, row.macs)
        return float(np.mean([proxy.read(trace, costs, readout) for trace in row.traces]))

    def _points(self, settings: Settings) -> list[str]:
        return [leaf.training_digest for leaf in scored_with([self.proxy(settings)], self.plan.registry)]

    def _leaves(self, settings: Settings, keys: Sequence[str]) -> dict[Settings, list[Row]]:
        """The rows of the proxies that score networks themselves, trained where they are not yet there.

        Settings that differ in their read-out only are trained once.
        """
        wanted = scored_with([self.proxy(settings)], self.plan.registry)
        trained: dict[str, Settings] = {}
        for leaf in wanted:
            trained.setdefault(leaf.training_digest, leaf)
        lacking = {key: self._ledger.lacking(key, trained) for key in keys}
        jobs = (
            ScoringJob(key, tuple(trained[point].text for point in points)) for key, points in lacking.items() if points
        )
        for job, outcomes in self._workers.results(self.plan.context, jobs):
            for point, outcome in zip(lacking[job.key], outcomes, strict=True):
                self._ledger.pay(job.key, {POINT: point}, outcome)
                self._done()
        return {leaf: [self._read(leaf, key) for key in keys] for leaf in wanted}

    def _read(self, leaf: Settings, key: str) -> Row:
        """The row through the read-out of the settings: it may have been trained for another one."""
        proxy, row = self.proxy(leaf), self._ledger.get(key, leaf.training_digest)
        if not isinstance(proxy, Readable) or not row.traces:
            return row
        assert row.params is not None
        assert row.macs is not None
        costs = self.plan.costs(row.params, row.macs)
        return scored(row, [proxy.read(trace, costs) for trace in row.traces])


def clean(options: ProxyOptions) -> ProxyOptions:
    """Settings without what an earlier search wrote, which a new one replaces."""
    return options.model_copy(update={"provenance": None})


def repeated(settings: Settings, seeds: int) -> Settings:
    """The same, scored with so many seeds at least."""
    repeats = max(seeds, settings.options.repeats)
    return replace(settings, options=settings.options.model_copy(update={"repeats": repeats}))


def goals(plan: Plan) -> tuple[Goal, ...]:
    """Of a trial's values: the objective, and with nsga2 the counted cost."""
    return ("maximize", "minimize") if plan.spec.dps.sampler == "nsga2" else ("maximize",)


def _stages(n: int) -> tuple[int, ...]:
    """After how many of n architectures a trial may be given up: the half, and three quarters."""
    return math.ceil(n / 2), math.ceil(3 * n / 4)

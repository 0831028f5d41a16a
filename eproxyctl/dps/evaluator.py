"""Rows for a proxy search: settings on architectures, none paid for twice."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eproxyctl.contracts import Goal, Known, Proxy, ProxyOptions, Readable, Readout
from eproxyctl.dps import objectives
from eproxyctl.dps.fidelity import Costs, dimensions, widened
from eproxyctl.ranking import Floats, ranked
from eproxyctl.runs import files
from eproxyctl.runs.ledger import ROWS, TIMINGS, timing
from eproxyctl.runs.rows import Row, scored
from eproxyctl.scoring.columns import column, known_of, sections, traced
from eproxyctl.scoring.plan import Plan
from eproxyctl.scoring.worker import Job, parse_section
from eproxyctl.workers.executors import Workers


@dataclass(frozen=True)
class Fit:
    """How well settings rank the training architectures, as `dps.objective` has it, and the read-out that does it."""

    value: float
    readout: Readout | None


class Search:
    """Evaluates settings on architectures; every row is on disk before it counts.

    Args:
        plan: with a table.
        folder: a locked run directory.
        workers: where networks are trained.
        done: called once for each row paid for now.
    """

    def __init__(self, plan: Plan, folder: Path, workers: Workers, done: Callable[[], None]) -> None:
        self.plan = widened(plan, dimensions(plan))
        self._costs = Costs(self.plan)
        self._workers = workers
        self._done = done
        self._log, self._timings = files.Log(folder / ROWS), files.Log(folder / TIMINGS)
        self._seconds = {(line["point"], line["key"]): line["seconds"] for line in files.lines(folder / TIMINGS)}
        self._rows: dict[tuple[str, str], Row] = {}
        for line in files.lines(folder / ROWS):
            row = Row.from_json(line)
            if row.status != "failed":
                self._rows[line["point"], row.key] = row

    def close(self) -> None:
        """Close the files."""
        self._log.close()
        self._timings.close()

    @property
    def workers(self) -> int:
        """How many networks are trained at once."""
        return self._workers.count

    @property
    def paid(self) -> int:
        """Rows there are."""
        return len(self._rows)

    @property
    def failed(self) -> int:
        """Rows that say why they failed; the next run tries them again."""
        return sum(row.status == "failed" for row in self._rows.values())

    def rows(self, section: str, keys: Sequence[str]) -> list[Row]:
        """Rows of a proxy's section for each key, trained where they are not yet there."""
        return column(self.proxy(section), self.plan.space, self.plan.registry, self._members(section, keys))

    def known(self, section: str, keys: Sequence[str]) -> Known:
        """What a proxy that learns may learn from."""
        space, registry = self.plan.space, self.plan.registry
        return known_of(traced(self.proxy(section), space, registry, self._members(section, keys)), space)

    def lines(self, section: str, keys: Sequence[str]) -> list[str]:
        """Rows that there are, as they are written."""
        slots = [(point, key) for point in self._points(section) for key in keys]
        return [self._rows[slot].to_json(point=slot[0]) for slot in slots if slot in self._rows]

    def lacking(self, section: str, keys: Sequence[str]) -> list[str]:
        """Those of `keys` without all of their rows."""
        points = self._points(section)
        return [key for key in keys if any((point, key) not in self._rows for point in points)]

    def adopt(self, lines: Sequence[str]) -> None:
        """Take over rows that another process paid for."""
        for line in lines:
            data = json.loads(line)
            slot = data["point"], data["key"]
            known = self._rows.get(slot)
            if known is None or (known.status == "failed" and data["status"] != "failed"):
                self._log.append(line)
                self._rows[slot] = Row.from_json(data)
                if known is None:
                    self._done()

    def _points(self, section: str) -> list[str]:
        return [training_digest(text) for text in sections([self.proxy(section)], self.plan.registry)]

    def _members(self, section: str, keys: Sequence[str]) -> dict[str, list[Row]]:
        """By section, the rows of the proxies that score networks themselves."""
        proxy, registry = self.proxy(section), self.plan.registry
        wanted = sections([proxy], registry)
        points = [training_digest(text) for text in wanted]
        trained: dict[str, str] = {}
        for text, point in zip(wanted, points, strict=True):
            trained.setdefault(point, text)
        lacking = {
            key: tuple(text for point, text in trained.items() if (point, key) not in self._rows) for key in keys
        }
        jobs = (Job(key, texts) for key, texts in lacking.items() if texts)
        for job, outcomes in self._workers.results(self.plan.context, jobs):
            for text, outcome in zip(lacking[job.key], outcomes, strict=True):
                point = training_digest(text)
                self._log.append(outcome.row.to_json(point=point))
                self._timings.append(timing(job.key, outcome.seconds, point=point))
                self._rows[point, job.key] = outcome.row
                self._seconds[point, job.key] = outcome.seconds
                self._done()
        return {
            text: [self._read(self.proxy(text), self._rows[point, key]) for key in keys]
            for text, point in zip(wanted, points, strict=True)
        }

    def _read(self, proxy: Proxy, row: Row) -> Row:
        """The row through the read-out of the proxy's section: it may have been trained for another one."""
        if not isinstance(proxy, Readable) or not row.traces:
            return row
        assert row.params is not None
        assert row.macs is not None
        costs = self.plan.costs(row.params, row.macs)
        return scored(row, [proxy.read(trace, costs) for trace in row.traces])

    def metric(self, keys: Sequence[str]) -> Floats:
        """Of each key, higher is better."""
        assert self.plan.table is not None
        return ranked([self.plan.table.value(key) for key in keys], higher_is_better=True)

    def proxy(self, section: str) -> Proxy:
        """The proxy of a section."""
        registry = self.plan.registry
        found: Proxy = registry.create("proxy", parse_section(registry, "proxy", section))
        return found

    def fit(self, section: str, keys: Sequence[str], beat: float | None = None) -> Fit:
        """Fitness on `keys`, and the read-out that is best on all of them, the first (simplest) of equals.

        With `dps.folds` the fitness is that of read-outs on architectures they were not chosen on. Settings that cannot
        reach `beat` are given up after a part of `keys`: their fitness on those, or the most they could reach.
        """
        metric, options, proxy = self.metric(keys), self.plan.spec.dps, self.proxy(section)
        judge = objectives.fitness(options.objective)
        readouts: tuple[Readout | None, ...] = (None,)
        if isinstance(proxy, Readable):
            readouts = proxy.readouts(options.readout)
        for k in (*(_stages(len(keys)) if beat is not None else ()), len(keys)):
            rows = self.rows(section, keys[:k])
            scores = np.stack([self.scores(proxy, rows, readout) for readout in readouts])
            place, value = objectives.best(scores, metric[:k], judge)
            if beat is not None and k < len(keys):
                most = max(objectives.reachable(column, metric) for column in scores)
                if most < beat:
                    return Fit(min(value, most), readouts[place])
        if options.parts:
            value = objectives.validated(scores, metric, judge, options.parts, self.plan.spec.seed)
        return Fit(value, readouts[place])

    def scored(self, section: str, keys: Sequence[str]) -> int:
        """How many of `keys` have all their rows."""
        points = self._points(section)
        return sum(all((point, key) in self._rows for point in points) for key in keys)

    def cost(self, section: str, keys: Sequence[str]) -> float:
        """Counted multiply-adds of scoring one architecture, about the mean over `keys`; see `fidelity.Costs`."""
        return self._costs.of(self.proxy(section), keys)

    def seconds(self, section: str, keys: Sequence[str]) -> float:
        """What one architecture took, the mean over those of `keys` that were scored here; NaN where none was."""
        points = self._points(section)
        found = [self._seconds[point, key] for point in points for key in keys if (point, key) in self._seconds]
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


def training_digest(section: str) -> str:
    """A short name of a proxy's section, the read-out left out since it does not change the training."""
    data = json.loads(section)
    for name in ("readout", "provenance"):
        data.pop(name, None)
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def clean(options: ProxyOptions) -> ProxyOptions:
    """Settings without what an earlier search wrote, which a new one replaces."""
    return options.model_copy(update={"provenance": None})


def goals(plan: Plan) -> tuple[Goal, ...]:
    """Of a trial's values: the objective, and with nsga2 the counted cost."""
    return ("maximize", "minimize") if plan.spec.dps.sampler == "nsga2" else ("maximize",)


def _stages(n: int) -> tuple[int, ...]:
    """After how many of n architectures a trial may be given up: the half, and three quarters."""
    return math.ceil(n / 2), math.ceil(3 * n / 4)

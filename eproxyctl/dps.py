"""DPS, discrete proxy search: a proxy's settings, tuned on a few architectures whose metric is known.

Source: Li et al., "Extensible and Efficient Proxy for Neural Architecture Search", ICCV 2023. Read-outs, which do not
change the training, are chosen from each trial's traces and never trained for.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eproxyctl.contracts import Known, Proxy, ProxyOptions, Readout
from eproxyctl.engine import rundir
from eproxyctl.engine.columns import column, known_of, sections, traced, within
from eproxyctl.engine.executors import Workers
from eproxyctl.engine.labelling import spread
from eproxyctl.engine.plan import Plan
from eproxyctl.engine.rows import Row
from eproxyctl.engine.scoring import training_keys
from eproxyctl.engine.study import DiscreteStudy, Finished
from eproxyctl.engine.worker import Job, parse_section
from eproxyctl.errors import DataError, UsageError
from eproxyctl.ranking import STATISTICS, Estimate, Floats, estimate, ranked
from eproxyctl.registry import kind_of

SIZES = ("params", "macs")
UNDEFINED = -1.0
"""Fitness of settings that rank nothing: all scores equal, or none finite."""
ADD_TABLE = """add three lines under `task:` in the spec:
    table:
      path: table.csv        # columns: key, accuracy
      metric: accuracy"""


@dataclass(frozen=True)
class Split:
    """Architectures of the table: those the proxy is tuned on, and others to check it on.

    Attributes:
        training, held_out: keys; no held-out one is equal in function to a training one, or to one that the proxy of
            the spec, or a member of it, was tuned on before.
        equal: how many were left out of the held-out ones because they are.
    """

    training: tuple[str, ...]
    held_out: tuple[str, ...]
    equal: int


def split(plan: Plan) -> Split:
    """Draw from the table with the spec's seed.

    Raises:
        DataError: no table, or one that is too small.
    """
    for member in (one for one in within(plan.proxy, plan.registry) if one is not plan.proxy):
        member.ready()
    if plan.table is None:
        raise DataError("dps needs the metric of some architectures, and the task has no metric table", hint=ADD_TABLE)
    wanted, options = plan.spec.dps.architectures, plan.spec.dps
    keys = sorted(plan.table.metric)
    random.Random(f"dps {plan.spec.seed}").shuffle(keys)
    names = {key: plan.space.canonical(key) for key in keys}
    chosen = spread(plan.space, keys, wanted, plan.spec.seed) if options.pick == "spread" else keys
    training: dict[str, str] = {}
    for key in chosen:
        if len(training) < wanted:
            training.setdefault(names[key], key)
    if len(training) < wanted:
        raise DataError(
            f"dps.architectures is {wanted}, and the table has {len(training)} that differ in function",
            hint=f"dps.architectures: {max(3, len(training) // 2)}",
        )
    known = training.keys() | training_keys(plan)
    others = [key for key in keys if names[key] not in known]
    held_out = tuple(others[: options.held_out])
    equal = len(keys) - len(others) - len(training)
    return Split(tuple(training.values()), held_out, equal)


@dataclass(frozen=True)
class Fit:
    """How well settings rank the training architectures, with the read-out that does it best."""

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
        self.plan = plan
        self._workers = workers
        self._done = done
        self._log = rundir.Log(folder / "rows.jsonl")
        self._rows: dict[tuple[str, str], Row] = {}
        for line in rundir.lines(folder / "rows.jsonl"):
            row = Row.from_json(line)
            if row.status != "failed":
                self._rows[line["point"], row.key] = row

    def close(self) -> None:
        """Close the file of rows."""
        self._log.close()

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

    def _members(self, section: str, keys: Sequence[str]) -> dict[str, list[Row]]:
        """By section, the rows of the proxies that score networks themselves."""
        proxy, registry = self.proxy(section), self.plan.registry
        wanted = sections([proxy], registry)
        points = [digest(text) for text in wanted]
        lacking = {
            key: tuple(text for text, point in zip(wanted, points, strict=True) if (point, key) not in self._rows)
            for key in keys
        }
        jobs = (Job(key, texts) for key, texts in lacking.items() if texts)
        for job, outcomes in self._workers.results(self.plan.context, jobs):
            for text, outcome in zip(lacking[job.key], outcomes, strict=True):
                point = digest(text)
                self._log.append(outcome.row.to_json(point=point))
                self._rows[point, job.key] = outcome.row
                self._done()
        return {text: [self._rows[point, key] for key in keys] for text, point in zip(wanted, points, strict=True)}

    def metric(self, keys: Sequence[str]) -> Floats:
        """Of each key, higher is better."""
        assert self.plan.table is not None
        return ranked([self.plan.table.value(key) for key in keys], higher_is_better=True)

    def proxy(self, section: str) -> Proxy:
        """The proxy of a section."""
        registry = self.plan.registry
        found: Proxy = registry.create("proxy", parse_section(registry, "proxy", section))
        return found

    def fit(self, section: str, keys: Sequence[str]) -> Fit:
        """Fitness on `keys`: the best over read-outs, the first (simplest) of equals."""
        rows, metric = self.rows(section, keys), self.metric(keys)
        statistic = STATISTICS[self.plan.spec.dps.objective]
        proxy = self.proxy(section)
        best = Fit(UNDEFINED, None)
        for readout in proxy.readouts(self.plan.spec.dps.readout) or (None,):
            value = statistic(self.scores(proxy, rows, readout), metric)
            if np.isfinite(value) and value > best.value + 1e-12:
                best = Fit(value, readout)
        return best

    def scores(self, proxy: Proxy, rows: Sequence[Row], readout: Readout | None) -> Floats:
        """[n] scores through a read-out, higher is better; diverged and failed last."""
        values = [self._score(proxy, row, readout) for row in rows]
        return ranked(values, higher_is_better=proxy.higher_is_better)

    def _score(self, proxy: Proxy, row: Row, readout: Readout | None) -> float | None:
        if not proxy.readouts():
            return row.score
        if row.params is None or row.macs is None or not row.traces:
            return None
        costs = self.plan.costs(row.params, row.macs)
        return float(np.mean([proxy.read(trace, costs, readout) for trace in row.traces]))


def digest(section: str) -> str:
    """A short name of a proxy's section, the read-out left out since it does not change the training."""
    data = json.loads(section)
    for name in ("readout", "provenance"):
        data.pop(name, None)
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Entrant:
    """One line of the result: settings, or a baseline.

    Attributes:
        name: `trial 17`, `proxy of the spec`, `params`, `macs`.
        training, held_out: correlation on each set; held_out None where it was not computed.
        options: settings, None for a size column.
    """

    name: str
    training: Estimate
    held_out: Estimate | None
    options: ProxyOptions | None


def tune(study: DiscreteStudy, search: Search, parts: Split) -> list[Finished]:
    """Run the study up to the spec's number of trials; the best first. Fewer where the space is exhausted."""
    total = search.plan.spec.dps.trials
    for _ in study.run(total, lambda asked: [(search.fit(one.point, parts.training).value,) for one in asked]):
        pass
    return best_first(study.finished(), total)


def parameters(plan: Plan) -> tuple[dict[str, tuple[str | int | float | bool, ...]], Callable[..., str]]:
    """The trained space of the plan's proxy, and choices → section.

    Raises:
        UsageError: the proxy has nothing to tune.
    """
    found = dict(plan.proxy.parameters())
    if not found:
        raise UsageError(f"proxy '{plan.proxy.kind}' has no settings to tune", hint="use proxy: eproxy")
    return found, lambda choices: _clean(plan.proxy.encode(choices)).model_dump_json()


def _clean(options: ProxyOptions) -> ProxyOptions:
    """Settings without what an earlier search wrote, which a new one replaces."""
    return options.model_copy(update={"provenance": None})


def best_first(finished: Sequence[Finished], trials: int) -> list[Finished]:
    """The first `trials` owned points, the best first, the earlier of equals."""
    return sorted(sorted(finished, key=lambda f: f.number)[:trials], key=lambda f: (-f.value, f.number))


def entrants(search: Search, parts: Split, best: Sequence[Finished], finalists: int) -> list[Entrant]:
    """The best trials and the baselines, side by side; held-out ρ for the first `finalists` and the baselines."""
    plan = search.plan
    found = []
    for place, finished in enumerate(best):
        fit = search.fit(finished.point, parts.training)
        options = with_readout(search, finished.point, fit.readout)
        keys = parts.held_out if place < finalists else ()
        found.append(_entrant(search, f"trial {finished.number}", options, parts.training, keys))
    spec = _clean(plan.proxy.options)
    found.append(_entrant(search, "proxy of the spec", spec, parts.training, parts.held_out))
    rows = {row.key: row for row in search.rows(spec.model_dump_json(), [*parts.training, *parts.held_out])}
    return found + _sizes(search, parts, rows)


def _sizes(search: Search, parts: Split, rows: Mapping[str, Row]) -> list[Entrant]:
    found = []
    for size in SIZES:
        estimates = [
            _estimate(search, ranked([getattr(rows[key], size) for key in keys], higher_is_better=True), keys)
            for keys in (parts.training, parts.held_out)
        ]
        found.append(Entrant(size, estimates[0], estimates[1], None))
    return found


def learn(search: Search, parts: Split) -> list[Entrant]:
    """A proxy that learns, from the training architectures, beside its members and the size columns.

    The scale of each feature is made from training and held-out architectures alike; labels are those of training only.
    """
    plan = search.plan
    section = _clean(plan.proxy.options).model_dump_json()
    metric = [float(value) for value in search.metric(parts.training)]
    everything = [*parts.training, *parts.held_out]
    options = plan.proxy.learn(search.known(section, parts.training), metric, search.known(section, everything))
    found = [_entrant(search, "result", options, parts.training, parts.held_out)]
    rows: dict[str, Row] = {}
    for member in plan.proxy.members():
        text = _clean(member).model_dump_json()
        if kind_of(member) not in SIZES:
            found.append(_entrant(search, _name(member), _clean(member), parts.training, parts.held_out))
        rows = {row.key: row for row in search.rows(text, everything)}
    return found + _sizes(search, parts, rows)


def _name(options: ProxyOptions) -> str:
    return options.label or kind_of(options)


def with_readout(search: Search, section: str, readout: Readout | None) -> ProxyOptions:
    """A trial's settings with its read-out; the cost of the largest architecture is written into it."""
    proxy = search.proxy(section)
    if readout is None:
        return proxy.options
    params_max, macs_max = search.plan.context.largest
    cost = getattr(readout, "cost", None)
    if getattr(readout, "alpha", 0):
        readout = readout.model_copy(update={"cost_max": float(macs_max if cost == "macs" else params_max)})
    return proxy.with_readout(readout)


def _entrant(
    search: Search, name: str, options: ProxyOptions, training: Sequence[str], held_out: Sequence[str]
) -> Entrant:
    section = options.model_dump_json()
    proxy = search.proxy(section)
    readout = getattr(options, "readout", None)
    estimates = [
        _estimate(search, search.scores(proxy, search.rows(section, keys), readout), keys) if keys else None
        for keys in (training, held_out)
    ]
    assert estimates[0] is not None
    return Entrant(name, estimates[0], estimates[1], options)


def _estimate(search: Search, scores: Floats, keys: Sequence[str]) -> Estimate:
    statistic = STATISTICS[search.plan.spec.dps.objective]
    return estimate(statistic, scores, search.metric(keys), seed=search.plan.spec.seed)

"""DPS, discrete proxy search: a proxy's settings, tuned on a few architectures whose metric is known.

Source: Li et al., "Extensible and Efficient Proxy for Neural Architecture Search", ICCV 2023. Read-outs, which do not
change the training, are chosen from each trial's traces and never trained for.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from eproxyctl.contracts import Choice, Goal, Known, Proxy, ProxyOptions, Readout
from eproxyctl.engine import objectives, rundir
from eproxyctl.engine.columns import column, known_of, sections, traced
from eproxyctl.engine.executors import Workers
from eproxyctl.engine.fidelity import Costs, dimensions, widened
from eproxyctl.engine.labelling import Split
from eproxyctl.engine.plan import Plan
from eproxyctl.engine.rows import Row
from eproxyctl.engine.streaming import ROWS, TIMINGS, timing
from eproxyctl.engine.study import DiscreteStudy, Finished
from eproxyctl.engine.worker import Job, parse_section
from eproxyctl.errors import UsageError
from eproxyctl.ranking import Estimate, Floats, estimate, ranked
from eproxyctl.registry import kind_of

SIZES = ("params", "macs")


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
        self._log, self._timings = rundir.Log(folder / ROWS), rundir.Log(folder / TIMINGS)
        self._seconds = {(line["point"], line["key"]): line["seconds"] for line in rundir.lines(folder / TIMINGS)}
        self._rows: dict[tuple[str, str], Row] = {}
        for line in rundir.lines(folder / ROWS):
            row = Row.from_json(line)
            if row.status != "failed":
                self._rows[line["point"], row.key] = row

    def close(self) -> None:
        """Close the files."""
        self._log.close()
        self._timings.close()

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
                self._timings.append(timing(job.key, outcome.seconds, point=point))
                self._rows[point, job.key] = outcome.row
                self._seconds[point, job.key] = outcome.seconds
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
        """Fitness on `keys`, and the read-out that is best on all of them, the first (simplest) of equals.

        With `dps.folds` the fitness is that of read-outs on architectures they were not chosen on.
        """
        rows, metric, options = self.rows(section, keys), self.metric(keys), self.plan.spec.dps
        proxy, judge = self.proxy(section), objectives.fitness(options.objective)
        readouts = proxy.readouts(options.readout) or (None,)
        columns = [self.scores(proxy, rows, readout) for readout in readouts]
        place, value = objectives.best(columns, metric, judge)
        if options.parts:
            value = objectives.validated(columns, metric, judge, options.parts, self.plan.spec.seed)
        return Fit(value, readouts[place])

    def cost(self, section: str, keys: Sequence[str]) -> float:
        """Counted multiply-adds of scoring one architecture, about the mean over `keys`; see `fidelity.Costs`."""
        return self._costs.of(self.proxy(section), keys)

    def seconds(self, section: str, keys: Sequence[str]) -> float:
        """What one architecture took, the mean over those of `keys` that were scored here; NaN where none was."""
        points = [digest(text) for text in sections([self.proxy(section)], self.plan.registry)]
        found = [self._seconds[point, key] for point in points for key in keys if (point, key) in self._seconds]
        return math.fsum(found) * len(points) / len(found) if found else math.nan

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
        value: of a trial, what the search made large.
        cost: counted multiply-adds of scoring one architecture.
        seconds: what that took on the training architectures; not the same in every run.
    """

    name: str
    training: Estimate
    held_out: Estimate | None
    options: ProxyOptions | None
    value: float | None = None
    cost: float | None = None
    seconds: float | None = None


def tune(study: DiscreteStudy, search: Search, parts: Split) -> list[Finished]:
    """Run the study up to the spec's number of trials; the best first. Fewer where the space is exhausted."""
    total = search.plan.spec.dps.trials

    def judged(section: str) -> tuple[float, ...]:
        value = search.fit(section, parts.training).value
        return (value, search.cost(section, parts.training)) if len(goals(search.plan)) > 1 else (value,)

    for _ in study.run(total, lambda asked: [judged(one.point) for one in asked]):
        pass
    return best_first(study.finished(), total)


def goals(plan: Plan) -> tuple[Goal, ...]:
    """Of a trial's values: the objective, and with nsga2 the counted cost."""
    return ("maximize", "minimize") if plan.spec.dps.sampler == "nsga2" else ("maximize",)


def front(best: Sequence[Finished]) -> list[Finished]:
    """Of trials with a cost, those that no other beats without costing more; the best first."""
    kept: list[Finished] = []
    for one in sorted(best, key=lambda f: (f.values[1], -f.value, f.number)):
        if not kept or one.value > kept[-1].value:
            kept.append(one)
    return kept[::-1]


def parameters(plan: Plan) -> tuple[dict[str, tuple[Choice, ...]], Callable[[Mapping[str, Choice]], str]]:
    """The trained space of the plan's proxy, and choices → section.

    Raises:
        UsageError: the proxy has nothing to tune.
    """
    own, fidelity = dict(plan.proxy.parameters()), dimensions(plan)
    found = own | fidelity.parameters()
    if not found:
        raise UsageError(f"proxy '{plan.proxy.kind}' has no settings to tune", hint="use proxy: eproxy")

    def encode(choices: Mapping[str, Choice]) -> str:
        options = plan.proxy.encode({name: choices[name] for name in own}) if own else plan.proxy.options
        return _clean(fidelity.apply(options, choices)).model_dump_json()

    return found, encode


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
    for place, (finished, readout) in enumerate(compete(search, parts, best)):
        options = with_readout(search, finished.point, readout)
        keys = parts.held_out if place < finalists else ()
        entrant = _entrant(search, f"trial {finished.number}", options, parts.training, keys)
        found.append(replace(entrant, value=finished.value))
    spec = _clean(plan.proxy.options)
    found.append(_entrant(search, "proxy of the spec", spec, parts.training, parts.held_out))
    rows = {row.key: row for row in search.rows(spec.model_dump_json(), [*parts.training, *parts.held_out])}
    return found + _sizes(search, parts, rows)


def compete(search: Search, parts: Split, best: Sequence[Finished]) -> list[tuple[Finished, Readout | None]]:
    """Trials with their read-outs, the result first.

    With several `dps.seeds`, or a cost, the result is the cheapest of those within one standard error of the best
    (Breiman et al., Classification and Regression Trees, 1984, section 3.4.3); scores are averaged over the seeds.
    """
    options, metric = search.plan.spec.dps, search.metric(parts.training)
    if options.seeds == 1 and len(goals(search.plan)) == 1:
        return [(one, search.fit(one.point, parts.training).readout) for one in best]
    found = []
    for finished in best:
        section = _repeated(search, finished.point)
        fit, proxy = search.fit(section, parts.training), search.proxy(section)
        found.append((fit, finished, search.scores(proxy, search.rows(section, parts.training), fit.readout)))
    found.sort(key=lambda each: (-each[0].value, each[1].number))
    compute, (first, _, scores) = objectives.statistic(options.objective), found[0]
    tied = [
        (search.cost(one.point, parts.training), place)
        for place, (fit, one, others) in enumerate(found)
        if first.value - fit.value <= objectives.standard_error(compute, scores, others, metric, search.plan.spec.seed)
    ]
    winner = min(tied)[1]
    order = [winner, *(place for place in range(len(found)) if place != winner)]
    return [(found[place][1], found[place][0].readout) for place in order]


def _repeated(search: Search, section: str) -> str:
    """Settings scored with `dps.seeds` seeds."""
    options = search.proxy(section).options
    return options.model_copy(update={"repeats": max(search.plan.spec.dps.seeds, options.repeats)}).model_dump_json()


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
    cost, seconds = search.cost(section, training), search.seconds(section, training)
    return Entrant(name, estimates[0], estimates[1], options, cost=cost, seconds=seconds)


def _estimate(search: Search, scores: Floats, keys: Sequence[str]) -> Estimate:
    statistic = objectives.statistic(search.plan.spec.dps.objective)
    return estimate(statistic, scores, search.metric(keys), seed=search.plan.spec.seed)

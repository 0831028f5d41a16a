"""Who competes for the result of a proxy search: the best trials, what was learned, and the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from eproxyctl.contracts import Learner, ProxyOptions, Readable, Readout
from eproxyctl.dps import objectives
from eproxyctl.dps.evaluator import Search, clean, goals
from eproxyctl.ranking import Estimate, Floats, estimate, ranked
from eproxyctl.registry import kind_of
from eproxyctl.runs.rows import Row
from eproxyctl.scoring.columns import members
from eproxyctl.scoring.labelling import Split
from eproxyctl.scoring.results import SIZES
from eproxyctl.scoring.run import beside
from eproxyctl.studies.study import Finished

UNTUNED = "proxy of the spec"


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


def entrants(search: Search, parts: Split, best: Sequence[Finished], finalists: int) -> list[Entrant]:
    """The best trials and the baselines, side by side; held-out ρ for the first `finalists` and the baselines."""
    plan = search.plan
    found = []
    for place, (finished, readout) in enumerate(compete(search, parts, best)):
        options = with_readout(search, finished.point, readout)
        keys = parts.held_out if place < finalists else ()
        entrant = _entrant(search, f"trial {finished.number}", options, parts.training, keys)
        found.append(replace(entrant, value=finished.value))
    spec = clean(plan.proxy.options)
    found.append(_entrant(search, UNTUNED, spec, parts.training, parts.held_out))
    rows = {row.key: row for row in search.rows(spec.model_dump_json(), [*parts.training, *parts.held_out])}
    return found + _baselines(search, parts, rows)


def contest(search: Search, parts: Split, best: Sequence[Finished]) -> dict[str, Sequence[str]]:
    """What `compete` scores: architectures by the section they are scored with."""
    return {_repeated(search, one.point): parts.training for one in best}


def checked(search: Search, parts: Split, best: Sequence[Finished], finalists: int) -> dict[str, Sequence[str]]:
    """What `entrants` scores besides: architectures by the section they are scored with."""
    first = {one.point: parts.held_out for one, _ in compete(search, parts, best)[:finalists]}
    return first | {clean(search.plan.proxy.options).model_dump_json(): [*parts.training, *parts.held_out]}


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


def _baselines(search: Search, parts: Split, rows: Mapping[str, Row]) -> list[Entrant]:
    found = []
    for size in SIZES:
        estimates = [
            _estimate(search, ranked([getattr(rows[key], size) for key in keys], higher_is_better=True), keys)
            if keys
            else None
            for keys in (parts.training, parts.held_out)
        ]
        assert estimates[0] is not None
        found.append(Entrant(size, estimates[0], estimates[1], None))
    for name in search.plan.baselines:
        both = [_baseline(search, name, keys) if keys else None for keys in (parts.training, parts.held_out)]
        assert both[0] is not None
        found.append(Entrant(name, both[0], both[1], None))
    return found


def _baseline(search: Search, name: str, keys: Sequence[str]) -> Estimate:
    statistic = objectives.statistic(search.plan.spec.dps.objective)
    return estimate(statistic, *beside(search.plan, name, keys), seed=search.plan.spec.seed)


def learn(search: Search, parts: Split) -> list[Entrant]:
    """A proxy that learns, from the training architectures, beside its members and the size columns.

    The scale of each feature is made from training and held-out architectures alike; labels are those of training only.
    """
    plan = search.plan
    assert isinstance(plan.proxy, Learner)
    section = clean(plan.proxy.options).model_dump_json()
    metric = [float(value) for value in search.metric(parts.training)]
    everything = [*parts.training, *parts.held_out]
    options = plan.proxy.learn(search.known(section, parts.training), metric, search.known(section, everything))
    found = [_entrant(search, "result", options, parts.training, parts.held_out)]
    rows: dict[str, Row] = {}
    for member in members(plan.proxy):
        text = clean(member).model_dump_json()
        if kind_of(member) not in SIZES:
            found.append(_entrant(search, _name(member), clean(member), parts.training, parts.held_out))
        rows = {row.key: row for row in search.rows(text, everything)}
    return found + _baselines(search, parts, rows)


def _name(options: ProxyOptions) -> str:
    return options.label or kind_of(options)


def with_readout(search: Search, section: str, readout: Readout | None) -> ProxyOptions:
    """A trial's settings with its read-out; the cost of the largest architecture is written into it."""
    proxy = search.proxy(section)
    if readout is None:
        return proxy.options
    assert isinstance(proxy, Readable)
    return proxy.with_readout(readout, *search.plan.context.largest)


def _entrant(
    search: Search, name: str, options: ProxyOptions, training: Sequence[str], held_out: Sequence[str]
) -> Entrant:
    section = options.model_dump_json()
    proxy = search.proxy(section)
    estimates = [
        _estimate(search, search.scores(proxy, search.rows(section, keys), None), keys) if keys else None
        for keys in (training, held_out)
    ]
    assert estimates[0] is not None
    cost, seconds = search.cost(section, training), search.seconds(section, training)
    return Entrant(name, estimates[0], estimates[1], options, cost=cost, seconds=seconds)


def _estimate(search: Search, scores: Floats, keys: Sequence[str]) -> Estimate:
    statistic = objectives.statistic(search.plan.spec.dps.objective)
    return estimate(statistic, scores, search.metric(keys), seed=search.plan.spec.seed)

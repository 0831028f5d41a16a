"""Who competes for the result of a proxy search: the best trials, what was learned, and the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from eproxyctl.contracts import Learner, ProxyOptions, Readable, Readout
from eproxyctl.dps import objectives
from eproxyctl.dps.evaluation import Evaluation, clean, goals, repeated
from eproxyctl.ranking import Estimate, Floats, estimate, ranked
from eproxyctl.registry import kind_of
from eproxyctl.runs.rows import Row
from eproxyctl.scoring.labelling import Split
from eproxyctl.scoring.results import SIZES
from eproxyctl.scoring.settings import Settings, members
from eproxyctl.scoring.statistics import baseline
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


def entrants(evaluation: Evaluation, parts: Split, best: Sequence[Finished], finalists: int) -> list[Entrant]:
    """The best trials and the baselines, side by side; held-out ρ for the first `finalists` and the baselines."""
    plan = evaluation.plan
    found = []
    for place, (finished, readout) in enumerate(compete(evaluation, parts, best)):
        options = _with_readout(evaluation, evaluation.settings(finished.point), readout)
        keys = parts.held_out if place < finalists else ()
        entrant = _entrant(evaluation, f"trial {finished.number}", options, parts.training, keys)
        found.append(replace(entrant, value=finished.value))
    spec = clean(plan.proxy.options)
    found.append(_entrant(evaluation, UNTUNED, spec, parts.training, parts.held_out))
    rows = {row.key: row for row in evaluation.rows(Settings.of(spec), [*parts.training, *parts.held_out])}
    return found + _baselines(evaluation, parts, rows)


def contest(evaluation: Evaluation, parts: Split, best: Sequence[Finished]) -> dict[Settings, Sequence[str]]:
    """What `compete` scores: architectures by the settings they are scored with."""
    return {_over_seeds(evaluation, one): parts.training for one in best}


def to_check(
    evaluation: Evaluation, parts: Split, best: Sequence[Finished], finalists: int
) -> dict[Settings, Sequence[str]]:
    """What `entrants` scores besides: architectures by the settings they are scored with."""
    first: dict[Settings, Sequence[str]] = {
        evaluation.settings(one.point): parts.held_out for one, _ in compete(evaluation, parts, best)[:finalists]
    }
    return first | {Settings.of(evaluation.plan.proxy.options): [*parts.training, *parts.held_out]}


def compete(evaluation: Evaluation, parts: Split, best: Sequence[Finished]) -> list[tuple[Finished, Readout | None]]:
    """Trials with their read-outs, the result first.

    With several `dps.seeds`, or a cost, the result is the cheapest of those within one standard error of the best
    (Breiman et al., Classification and Regression Trees, 1984, section 3.4.3); scores are averaged over the seeds.
    """
    options, metric = evaluation.plan.spec.dps, evaluation.metric(parts.training)
    if options.seeds == 1 and len(goals(evaluation.plan)) == 1:
        return [(one, evaluation.fit(evaluation.settings(one.point), parts.training).readout) for one in best]
    found = []
    for finished in best:
        settings = _over_seeds(evaluation, finished)
        fit, proxy = evaluation.fit(settings, parts.training), evaluation.proxy(settings)
        found.append((fit, finished, evaluation.scores(proxy, evaluation.rows(settings, parts.training), fit.readout)))
    found.sort(key=lambda each: (-each[0].value, each[1].number))
    compute, (first, _, scores) = objectives.statistic(options.objective), found[0]
    tied = [
        (evaluation.cost(evaluation.settings(one.point), parts.training), place)
        for place, (fit, one, others) in enumerate(found)
        if first.value - fit.value
        <= objectives.standard_error(compute, scores, others, metric, evaluation.plan.spec.seed)
    ]
    winner = min(tied)[1]
    order = [winner, *(place for place in range(len(found)) if place != winner)]
    return [(found[place][1], found[place][0].readout) for place in order]


def _over_seeds(evaluation: Evaluation, trial: Finished) -> Settings:
    """A trial's settings, scored with `dps.seeds` seeds."""
    return repeated(evaluation.settings(trial.point), evaluation.plan.spec.dps.seeds)


def _baselines(evaluation: Evaluation, parts: Split, rows: Mapping[str, Row]) -> list[Entrant]:
    found = []
    for size in SIZES:
        estimates = [
            _estimate(evaluation, ranked([getattr(rows[key], size) for key in keys], higher_is_better=True), keys)
            if keys
            else None
            for keys in (parts.training, parts.held_out)
        ]
        assert estimates[0] is not None
        found.append(Entrant(size, estimates[0], estimates[1], None))
    for name in evaluation.plan.baselines:
        both = [_baseline(evaluation, name, keys) if keys else None for keys in (parts.training, parts.held_out)]
        assert both[0] is not None
        found.append(Entrant(name, both[0], both[1], None))
    return found


def _baseline(evaluation: Evaluation, name: str, keys: Sequence[str]) -> Estimate:
    statistic = objectives.statistic(evaluation.plan.spec.dps.objective)
    return estimate(statistic, *baseline(evaluation.plan, name, keys), seed=evaluation.plan.spec.seed)


def learned_entrants(evaluation: Evaluation, parts: Split) -> list[Entrant]:
    """A proxy that learns, from the training architectures, beside its members and the size columns.

    The scale of each feature is made from training and held-out architectures alike; labels are those of training only.
    """
    plan = evaluation.plan
    assert isinstance(plan.proxy, Learner)
    settings = Settings.of(plan.proxy.options)
    metric = [float(value) for value in evaluation.metric(parts.training)]
    everything = [*parts.training, *parts.held_out]
    options = plan.proxy.learn(
        evaluation.known(settings, parts.training), metric, evaluation.known(settings, everything)
    )
    found = [_entrant(evaluation, "result", options, parts.training, parts.held_out)]
    rows: dict[str, Row] = {}
    for member in members(plan.proxy):
        if kind_of(member) not in SIZES:
            found.append(_entrant(evaluation, _name(member), clean(member), parts.training, parts.held_out))
        rows = {row.key: row for row in evaluation.rows(Settings.of(member), everything)}
    return found + _baselines(evaluation, parts, rows)


def _name(options: ProxyOptions) -> str:
    return options.label or kind_of(options)


def _with_readout(evaluation: Evaluation, settings: Settings, readout: Readout | None) -> ProxyOptions:
    """A trial's settings with its read-out, under the name that the spec gives its proxy."""
    proxy = evaluation.proxy(settings)
    options = settings.options
    if readout is not None:
        assert isinstance(proxy, Readable)
        options = proxy.with_readout(readout, *evaluation.plan.context.largest)
    return options.model_copy(update={"label": evaluation.plan.proxy.options.label})


def _entrant(
    evaluation: Evaluation, name: str, options: ProxyOptions, training: Sequence[str], held_out: Sequence[str]
) -> Entrant:
    settings = Settings.of(options)
    proxy = evaluation.proxy(settings)
    estimates = [
        _estimate(evaluation, evaluation.scores(proxy, evaluation.rows(settings, keys), None), keys) if keys else None
        for keys in (training, held_out)
    ]
    assert estimates[0] is not None
    cost, seconds = evaluation.cost(settings, training), evaluation.seconds(settings, training)
    return Entrant(name, estimates[0], estimates[1], options, cost=cost, seconds=seconds)


def _estimate(evaluation: Evaluation, scores: Floats, keys: Sequence[str]) -> Estimate:
    statistic = objectives.statistic(evaluation.plan.spec.dps.objective)
    return estimate(statistic, scores, evaluation.metric(keys), seed=evaluation.plan.spec.seed)

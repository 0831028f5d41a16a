"""The trials of a proxy search: what is searched, how each is judged, which are the best.

Source: Li et al., "Extensible and Efficient Proxy for Neural Architecture Search", ICCV 2023. Read-outs, which do not
change the training, are chosen from each trial's traces and never trained for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from eproxyctl.contracts import Choice, Tunable
from eproxyctl.dps.evaluation import Evaluation, clean, goals
from eproxyctl.dps.fidelity import dimensions
from eproxyctl.errors import UsageError
from eproxyctl.scoring.labelling import Split
from eproxyctl.scoring.plan import Plan
from eproxyctl.scoring.settings import Settings
from eproxyctl.studies.study import DiscreteStudy, Finished

KEPT = 5
"""Best trials that are shown, and that compete over several seeds."""


def run_trials(study: DiscreteStudy, evaluation: Evaluation, parts: Split) -> list[Finished]:
    """Run the study up to the spec's number of trials; the best first. Fewer where the space is exhausted."""
    total = evaluation.plan.spec.dps.trials

    def judged(settings: Settings) -> tuple[float, ...]:
        value = evaluation.fit(settings, parts.training, _to_beat(evaluation.plan, study)).value
        return (value, evaluation.cost(settings, parts.training)) if len(goals(evaluation.plan)) > 1 else (value,)

    for _ in study.run(total, lambda asked: [judged(evaluation.settings(one.point)) for one in asked]):
        pass
    return best_trials(study.finished(), total)


def _to_beat(plan: Plan, study: DiscreteStudy) -> float | None:
    """With `dps.prune`, what a trial has to reach to be among the best KEPT."""
    values = sorted((one.value for one in study.finished()), reverse=True) if plan.spec.dps.prune else []
    return values[KEPT - 1] if len(values) >= KEPT else None


def pareto_front(best: Sequence[Finished]) -> list[Finished]:
    """Of trials with a cost, those that no other beats without costing more; the best first."""
    kept: list[Finished] = []
    for one in sorted(best, key=lambda f: (f.values[1], -f.value, f.number)):
        if not kept or one.value > kept[-1].value:
            kept.append(one)
    return kept[::-1]


def searched(plan: Plan) -> tuple[dict[str, tuple[Choice, ...]], Callable[[Mapping[str, Choice]], str]]:
    """The trained space of the plan's proxy, and choices → point, the JSON of the settings.

    Raises:
        UsageError: the proxy has nothing to tune.
    """
    own, fidelity = dict(plan.proxy.parameters()) if isinstance(plan.proxy, Tunable) else {}, dimensions(plan)
    found = own | fidelity.parameters()
    if not found:
        raise UsageError(f"proxy '{plan.proxy.kind}' has no settings to tune", hint="use proxy: eproxy")

    def encode(choices: Mapping[str, Choice]) -> str:
        options = plan.proxy.options
        if isinstance(plan.proxy, Tunable):
            options = plan.proxy.encode({name: choices[name] for name in own})
        return clean(fidelity.apply(options, choices)).model_dump_json()

    return found, encode


def best_trials(finished: Sequence[Finished], trials: int) -> list[Finished]:
    """The first `trials` owned points, the best first, the earlier of equals."""
    return sorted(sorted(finished, key=lambda f: f.number)[:trials], key=lambda f: (-f.value, f.number))

"""DPS, discrete proxy search: a proxy's settings, tuned on a few architectures whose metric is known.

Source: Li et al., "Extensible and Efficient Proxy for Neural Architecture Search", ICCV 2023. Read-outs, which do not
change the training, are chosen from each trial's traces and never trained for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from eproxyctl.contracts import Choice, Tunable
from eproxyctl.dps.entrants import UNTUNED, Entrant, checked, contest, entrants, learn
from eproxyctl.dps.evaluator import Search, clean, goals
from eproxyctl.dps.exchange import Exchange
from eproxyctl.dps.fidelity import dimensions
from eproxyctl.errors import UsageError
from eproxyctl.scoring.labelling import Split
from eproxyctl.scoring.plan import Plan
from eproxyctl.studies.study import DiscreteStudy, Finished

__all__ = [
    "KEPT",
    "UNTUNED",
    "Entrant",
    "Exchange",
    "Search",
    "best_first",
    "checked",
    "contest",
    "entrants",
    "front",
    "goals",
    "learn",
    "parameters",
    "tune",
]

KEPT = 5
"""Best trials that are shown, and that compete over several seeds."""


def tune(study: DiscreteStudy, search: Search, parts: Split) -> list[Finished]:
    """Run the study up to the spec's number of trials; the best first. Fewer where the space is exhausted."""
    total = search.plan.spec.dps.trials

    def judged(section: str) -> tuple[float, ...]:
        value = search.fit(section, parts.training, _to_beat(search.plan, study)).value
        return (value, search.cost(section, parts.training)) if len(goals(search.plan)) > 1 else (value,)

    for _ in study.run(total, lambda asked: [judged(one.point) for one in asked]):
        pass
    return best_first(study.finished(), total)


def _to_beat(plan: Plan, study: DiscreteStudy) -> float | None:
    """With `dps.prune`, what a trial has to reach to be among the best KEPT."""
    values = sorted((one.value for one in study.finished()), reverse=True) if plan.spec.dps.prune else []
    return values[KEPT - 1] if len(values) >= KEPT else None


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


def best_first(finished: Sequence[Finished], trials: int) -> list[Finished]:
    """The first `trials` owned points, the best first, the earlier of equals."""
    return sorted(sorted(finished, key=lambda f: f.number)[:trials], key=lambda f: (-f.value, f.number))

"""What `dps` writes: proxy.yaml, its result beside the baselines, every trial, and the summary of several specs."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eproxyctl.cli import output

if TYPE_CHECKING:
    from eproxyctl.contracts import ProxyOptions
    from eproxyctl.dps import Entrant, Search
    from eproxyctl.engine.labelling import Split
    from eproxyctl.engine.plan import Plan
    from eproxyctl.engine.study import Finished
    from eproxyctl.ranking import Estimate

RESULT, TRIALS = "proxy.yaml", "trials.csv"
HELD_OUT = ("held_out", "held_out_low", "held_out_high")


def write_trials(path: Path, search: Search, parts: Split, best: Sequence[Finished]) -> None:
    """Every trial by number: what the search made large, on how many architectures, the counted cost, the settings."""
    records = [
        {
            "trial": one.number,
            "objective": one.value,
            "architectures": search.scored(one.point, parts.training),
            "cost": search.cost(one.point, parts.training),
            "proxy": one.point,
        }
        for one in sorted(best, key=lambda one: one.number)
    ]
    output.emit(output.text(records, output.Format.csv), path)


def result(plan: Plan, found: Sequence[Entrant], parts: Split, trials: int) -> str:
    """proxy.yaml: the best settings, how they were found, and which architectures must stay out of correlations."""
    from ruamel.yaml import YAML

    from eproxyctl.contracts import Provenance

    best = found[0]
    options = best.options
    assert options is not None
    assert plan.table is not None
    provenance = Provenance(
        training=tuple(sorted(plan.space.canonical(key) for key in parts.training)),
        table_sha256=plan.table.sha256,
        seed=plan.spec.seed,
        readout=_readout(options),
    )
    stream = io.StringIO()
    yaml = YAML()
    yaml.width = 120
    yaml.dump(options.model_copy(update={"provenance": provenance}).model_dump(mode="json", exclude_none=True), stream)
    header = [
        f"A proxy tuned by `eproxyctl dps` on {len(parts.training)} architectures of '{plan.space.kind}'.",
        f"Use it as `proxy: {RESULT}` in a spec; the architectures it was tuned on are then left out of correlations.",
        f"{_origin(plan, best, trials)} (seed {plan.spec.seed}). {plan.spec.dps.objective}, 95 % intervals:",
        *(
            f"  {e.name:<18} training {_text(e.training)}  held-out {_text(e.held_out)}"
            for i, e in enumerate(found)
            if e.held_out or not i
        ),
    ]
    return "".join(f"# {line}\n" for line in header) + stream.getvalue()


def _origin(plan: Plan, best: Entrant, trials: int) -> str:
    """How the result came about."""
    choice = getattr(best.options, "choice", None)
    if choice is None:
        return f"Found as {best.name} of {trials} by {plan.spec.dps.sampler}"
    return f"Learned: {choice.name}: {choice.reason}"


def notes(found: Sequence[Entrant]) -> list[str]:
    """What a person should know: why the result was chosen, whether tuning gained, and what ranks clearly better."""
    from eproxyctl.dps import UNTUNED

    best, said = found[0], []
    if any(e.name == UNTUNED and e.training.value >= best.training.value for e in found):
        said.append(f"no trial ranks the training architectures better than the {UNTUNED}, as it is")
    choice = getattr(best.options, "choice", None)
    if choice is not None:
        said.append(f"the result is the {choice.name}: {choice.reason}")
    checked = [e for e in found[1:] if e.held_out and math.isfinite(e.held_out.value)]
    if best.held_out is None or best.held_out.high is None or not checked:
        return said
    rival = max(checked, key=lambda e: e.held_out.value if e.held_out else 0.0)
    if rival.held_out and rival.held_out.value > best.held_out.high:
        said.append(f"{rival.name} ranks held-out architectures better: {_text(rival.held_out)}")
    return said


def _text(e: Estimate | None) -> str:
    if e is None:
        return "–"
    return f"{e.value:.3f}" + (f" [{e.low:.3f}, {e.high:.3f}]" if e.low is not None else "") + f" on {e.n}"


def records(plan: Plan, found: Sequence[Entrant], *, timed: bool = False) -> list[dict[str, Any]]:
    """One an entrant. `timed`: with the seconds of a Pareto front, which differ from run to run."""
    options = plan.spec.dps
    return [
        {
            "proxy": e.name,
            **({"cross-validated": e.value} if options.parts and not plan.proxy.learns else {}),
            "training": e.training.value,
            "training_low": e.training.low,
            "training_high": e.training.high,
            "held_out": e.held_out.value if e.held_out else None,
            "held_out_low": e.held_out.low if e.held_out else None,
            "held_out_high": e.held_out.high if e.held_out else None,
            "n": e.held_out.n if e.held_out else None,
            "cost": e.cost,
            **({"seconds": e.seconds} if timed and options.sampler == "nsga2" else {}),
            "read-out": _readout(e.options) if e.options else "",
        }
        for e in found
    ]


def _readout(options: ProxyOptions) -> str:
    """A read-out in words: what differs from the default."""
    readout = getattr(options, "readout", None)
    if readout is None:
        return ""
    changed = readout.model_dump(exclude_defaults=True, exclude={"cost_max"})
    return " ".join(f"{name}={value}" for name, value in changed.items()) or "default"


def title(plan: Plan, parts: Split) -> str:
    return (
        f"{plan.loaded.name}: {plan.spec.dps.objective} on {len(parts.training)} training and "
        f"{len(parts.held_out)} held-out architectures ({parts.equal} equal to a training one left out)"
    )


def summary(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line a spec: the result and the baselines, held out, with their intervals; then the means of all."""
    specs = list(dict.fromkeys(r["spec"] for r in records))
    lines: list[dict[str, Any]] = []
    for spec in specs:
        result, *rest = [r for r in records if r["spec"] == spec]
        shown = {"result": result} | {r["proxy"]: r for r in rest if not r["proxy"].startswith("trial")}
        line: dict[str, Any] = {"spec": spec}
        for name, record in shown.items():
            value, low, high = (record[column] for column in HELD_OUT)
            line |= {name: math.nan if value is None else value, f"{name} low": low, f"{name} high": high}
        lines.append(line)
    mean: dict[str, Any] = {"spec": "mean"}
    for name in lines[0]:
        if all(f"{name} low" in line for line in lines):
            mean |= _mean(name, lines)
    return [*lines, mean]


def _mean(name: str, lines: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """The mean over specs and its interval: half-widths of independent intervals add up by their squares."""
    values = [(line[name], line[f"{name} low"], line[f"{name} high"]) for line in lines]
    mean = math.fsum(value for value, _, _ in values) / len(values)
    if any(low is None or high is None for _, low, high in values):
        return {name: mean, f"{name} low": None, f"{name} high": None}
    below, above = (
        math.hypot(*(value - edge for value, edge in edges)) / len(values)
        for edges in ([(v, low) for v, low, _ in values], [(v, high) for v, _, high in values])
    )
    return {name: mean, f"{name} low": mean - below, f"{name} high": mean + above}

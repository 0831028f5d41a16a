"""What `dps` writes and says of its result: proxy.yaml with its provenance, records, what to know of it."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML

from eproxyctl.contracts import Learner, Provenance, ProxyOptions, Readout
from eproxyctl.dps.entrants import UNTUNED, Entrant
from eproxyctl.ranking import Estimate
from eproxyctl.scoring.labelling import Split
from eproxyctl.scoring.plan import Plan

PROXY = "proxy.yaml"
FEWEST_HELD_OUT = 30
"""Below this many a 95 % interval of ρ spans about .7: it tells nothing."""


def proxy_yaml(plan: Plan, found: Sequence[Entrant], parts: Split, trials: int) -> str:
    """proxy.yaml: the best settings, how they were found, and which architectures must stay out of correlations."""
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
        f"Use it as `proxy: {PROXY}` in a spec; the architectures it was tuned on are then left out of correlations.",
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


def remarks(found: Sequence[Entrant]) -> list[str]:
    """What a person should know: why the result was chosen, whether tuning gained, and what ranks clearly better."""
    best, said = found[0], []
    if any(e.name == UNTUNED and e.training.value >= best.training.value for e in found):
        said.append(f"no trial ranks the training architectures better than the {UNTUNED}, as it is")
    choice = getattr(best.options, "choice", None)
    if choice is not None:
        said.append(f"the result is the {choice.name}: {choice.reason}")
    if best.held_out is not None and best.held_out.n < FEWEST_HELD_OUT:
        said.append(f"{best.held_out.n} held-out architectures cannot tell how well it ranks; a larger table would")
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


def entrant_records(plan: Plan, found: Sequence[Entrant], *, timed: bool = False) -> list[dict[str, Any]]:
    """One an entrant. `timed`: with the seconds of a Pareto front, which differ from run to run."""
    options = plan.spec.dps
    return [
        {
            "proxy": e.name,
            **({"cross-validated": e.value} if options.parts and not isinstance(plan.proxy, Learner) else {}),
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
    return readout.words() if isinstance(readout, Readout) else ""

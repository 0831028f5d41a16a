"""`eproxyctl dps`: tune the proxy to a metric table."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say
from eproxyctl.cli.progress import progress
from eproxyctl.cli.validate import resolved
from eproxyctl.errors import UsageError

if TYPE_CHECKING:
    from eproxyctl.contracts import ProxyOptions
    from eproxyctl.dps import Entrant, Search, Split
    from eproxyctl.engine.plan import Plan
    from eproxyctl.ranking import Estimate

SHOWN = 5
RESULT = "proxy.yaml"


def dps(
    specs: common.Specs = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Settings tried in total.", show_default="200")
    ] = None,
    run: common.Run = None,
    storage: common.Storage = None,
    finalists: Annotated[int, typer.Option("--finalists", min=1, help="Best trials checked on held-out rows.")] = 1,
    workers: common.WorkersFlag = None,
    dask: common.DaskFlag = None,
    format: common.FormatFlag = None,
    out: common.Output = None,
    sets: common.Sets = None,
    seed: common.SeedFlag = None,
    device: common.DeviceFlag = None,
    data: common.Data = None,
    plugin_folders: common.PluginFolders = None,
    no_plugins: common.NoPlugins = False,
) -> None:
    """Tune the proxy to the task's metric table: discrete proxy search (DPS).

    A few training architectures are drawn from the table; settings are searched that rank them as the metric does. The
    result, proxy.yaml in the run directory, is used by naming it as `proxy:` of any spec. It is checked on held-out
    architectures, beside the proxy of the spec and the size columns. The same command continues to the total of trials.

    Example: eproxyctl dps specs/nasbench201.yaml --data DIR --trials 40
    """
    request = common.request(sets, seed, device, data, plugin_folders, no_plugins)
    paths = common.spec_paths(specs)
    if run and len(paths) > 1:
        raise UsageError("--run names one directory, and there are several specs")
    request = request.overriding("--trials", "dps.trials", trials)
    chosen = output.choose(format, out)
    summary: list[dict[str, Any]] = []
    failed = 0
    for path in paths:
        plan = request.prepare(path)
        folder = run or Path("runs") / plan.loaded.name / "dps"
        found, parts, bad = _tune(plan, folder, storage, finalists, common.cores(workers, plan.spec.device), dask)
        failed += bad
        if len(paths) == 1:
            output.write(_records(found), chosen, out, title=_title(plan, parts))
        summary += [{"spec": plan.loaded.name, **record} for record in _records(found)]
        use = f"eproxyctl score {path} --set proxy={folder / RESULT} --run {folder.parent / 'tuned'}"
        say(f"result: {folder / RESULT}; next: {use}", always=False)
    if len(paths) > 1:
        output.write(_summary(summary), chosen, out, title="Held-out correlation by spec")
    if failed:
        say(f"{failed} row(s) failed and ranked last; rows.jsonl in the run directory says why", style="yellow")
        raise typer.Exit(1)


def _tune(
    plan: Plan, folder: Path, storage: str | None, finalists: int, workers: int, dask: str | None
) -> tuple[list[Entrant], Split, int]:
    """The result and its baselines, the split, and how many rows failed."""
    from eproxyctl import dps as search
    from eproxyctl.engine.plan import identity
    from eproxyctl.engine.rundir import RunDirectory, write

    parts = search.split(plan)
    learns = plan.proxy.learns
    own = plan.spec.dps.model_dump(include={"architectures", "objective", "sampler", "readout"})
    names = identity(plan, {"dps": hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:16]})
    files = {"spec.yaml": plan.loaded.text, "resolved.yaml": resolved(plan.loaded)}
    total = 0 if learns else plan.spec.dps.trials
    rows = (total + 1) * len(parts.training) + (finalists + 1) * len(parts.held_out)
    with (
        RunDirectory(folder, "dps", names, files, plan.origins, common.storage_stamp(storage)),
        common.pool(min(workers, len(parts.training)), dask, plan.spec.device) as pool,
        progress(f"dps {plan.loaded.name}", rows) as advance,
    ):
        evaluated = search.Search(plan, folder, pool, advance)
        for _ in range(min(rows, evaluated.paid)):
            advance()
        try:
            if learns:
                found, trials = search.learn(evaluated, parts), 0
            else:
                found, trials = _searched(evaluated, parts, names, folder, storage, finalists)
        finally:
            evaluated.close()
        write(folder / RESULT, result(plan, found, parts, trials))
        write(folder / "result.json", json.dumps([output.plain(r) for r in _records(found)], indent=2) + "\n")
    return found, parts, evaluated.failed


def _searched(
    evaluated: Search, parts: Split, names: dict[str, Any], folder: Path, storage: str | None, finalists: int
) -> tuple[list[Entrant], int]:
    """The result and its baselines, and how many trials there were."""
    from eproxyctl import dps as search
    from eproxyctl.engine.hosts import SharedStudy, Store

    plan = evaluated.plan
    choices, encode = search.parameters(plan)
    exchange = search.Exchange(evaluated, parts)
    name = "dps-" + hashlib.sha256(json.dumps(names, sort_keys=True).encode()).hexdigest()[:16]
    store = Store(folder, storage, exchange)
    study = store.study(name, choices, plan.spec.dps.sampler, plan.spec.seed, encode)
    best, total = search.tune(study, evaluated, parts), plan.spec.dps.trials
    if len(best) < total:
        say(f"exhausted: 100 draws in a row repeated a point; {len(best)} of {total} trials", style="yellow")
    if isinstance(study, SharedStudy):
        exchange.together(best[:finalists], study, evaluated.workers)
    return search.entrants(evaluated, parts, best[: max(SHOWN, finalists)], finalists), len(best)


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
        *(f"  {e.name:<18} training {_text(e.training)}  held-out {_text(e.held_out)}" for e in found if e.held_out),
    ]
    return "".join(f"# {line}\n" for line in header) + stream.getvalue()


def _origin(plan: Plan, best: Entrant, trials: int) -> str:
    """How the result came about."""
    choice = getattr(best.options, "choice", None)
    if choice is None:
        return f"Found as {best.name} of {trials} by {plan.spec.dps.sampler}"
    validated = ", ".join(f"{name} {value:.2f}" for name, value in choice.validated.items())
    return f"Learned: {choice.name}, for {choice.reason}; on labels left out: {validated}"


def _text(e: Estimate | None) -> str:
    if e is None:
        return "–"
    return f"{e.value:.3f}" + (f" [{e.low:.3f}, {e.high:.3f}]" if e.low is not None else "") + f" on {e.n}"


def _records(found: Sequence[Entrant]) -> list[dict[str, Any]]:
    return [
        {
            "proxy": e.name,
            "training": e.training.value,
            "training_low": e.training.low,
            "training_high": e.training.high,
            "held_out": e.held_out.value if e.held_out else None,
            "held_out_low": e.held_out.low if e.held_out else None,
            "held_out_high": e.held_out.high if e.held_out else None,
            "n": e.held_out.n if e.held_out else None,
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


def _title(plan: Plan, parts: Split) -> str:
    return (
        f"{plan.loaded.name}: {plan.spec.dps.objective} on {len(parts.training)} training and "
        f"{len(parts.held_out)} held-out architectures ({parts.equal} equal to a training one left out)"
    )


def _summary(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line a spec: the result and the baselines, held out; then the mean."""
    specs = list(dict.fromkeys(r["spec"] for r in records))
    lines: list[dict[str, Any]] = []
    for spec in specs:
        result, *rest = [r for r in records if r["spec"] == spec]
        baselines = {r["proxy"]: r["held_out"] for r in rest if not r["proxy"].startswith("trial")}
        held_out = {"result": result["held_out"], **baselines}
        lines.append({"spec": spec} | {n: math.nan if v is None else v for n, v in held_out.items()})
    mean = {name: sum(line[name] for line in lines) / len(lines) for name in lines[0] if name != "spec"}
    return [*lines, {"spec": "mean", **mean}]

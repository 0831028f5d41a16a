"""`eproxyctl search`: find architectures that score best within limits on their size."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say
from eproxyctl.cli.progress import progress
from eproxyctl.cli.validate import resolved
from eproxyctl.contracts import Trainable
from eproxyctl.errors import UsageError

if TYPE_CHECKING:
    from eproxyctl.runs.rows import Row
    from eproxyctl.scoring.plan import Plan
    from eproxyctl.search import Found
    from eproxyctl.search.latency import Latencies

TOP = "top.csv"
RESULT = "result.json"
TIMED = "milliseconds for one input, measured on this machine with one thread: another run may end elsewhere"


def search(
    specs: common.Specs = None,
    evaluations: Annotated[
        int | None,
        typer.Option("--evaluations", "-n", min=1, help="Architectures scored in total.", show_default="500"),
    ] = None,
    run: common.Run = None,
    storage: common.Storage = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Architectures shown.")] = 10,
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
    accept_versions: common.AcceptVersions = False,
) -> None:
    """Find the architectures that score best, within limits on params, macs and latency.

    Architectures are proposed by aging evolution (or tpe, random, nsga2), eight at a time, and scored over the workers;
    equal ones are paid for once, ones over `search.limits` not at all. Ends with the top list, for nsga2 with the best
    score at every size; with a metric table also the true metric, its rank and the regret. The same command continues
    to the total of evaluations. A proxy that `dps` tuned or taught is used with --set proxy=runs/<spec>/dps/proxy.yaml.
    Latency, as a limit or an objective, is measured here: kept for a run that continues, but another may end elsewhere.

    Example: eproxyctl search spec.yaml --evaluations 200 --set search.limits.params=1e6
    """
    request = common.request(sets, seed, device, data, plugin_folders, no_plugins)
    request = request.overriding("--evaluations", "search.evaluations", evaluations)
    paths = common.spec_paths(specs)
    if len(paths) > 1 and run:
        raise UsageError("--run names one directory, and there are several specs")
    chosen = output.choose(format, out)
    summary: list[dict[str, Any]] = []
    failed = False
    for path in paths:
        plan = request.prepare(path)
        folder = run or Path("runs") / plan.loaded.name / "search"
        count = common.cores(workers, plan.spec.device)
        found, records = _search(plan, folder, storage, count, dask, accept_versions=accept_versions)
        if len(paths) == 1:
            kind = f"best score for every size in {against}" if (against := plan.spec.search.against) else "best first"
            title = f"{plan.loaded.name}: {len(found.rows)} architectures scored, {kind}"
            output.write(records[:top], chosen, out, title=title)
        summary += [{"spec": plan.loaded.name, **record} for record in records[:1]]
        _say_more(plan, (path, *request.flags), found, records, folder)
        failed = failed or any(row.status == "failed" for row in found.rows)
    if len(paths) > 1:
        output.write(summary, chosen, out, title="The best of each spec")
    if failed:
        say("some architectures failed; rows.jsonl in the run directory says why", style="yellow")
        raise typer.Exit(1)


def _search(
    plan: Plan, folder: Path, storage: str | None, workers: int, dask: str | None, *, accept_versions: bool
) -> tuple[Found, list[dict[str, Any]]]:
    """All that was found, and the top list; both are in the run directory when this returns."""
    from eproxyctl import search as searching
    from eproxyctl.runs.directory import RunDirectory
    from eproxyctl.runs.files import write
    from eproxyctl.runs.identity import study_name
    from eproxyctl.scoring.plan import identity
    from eproxyctl.search.latency import Latencies
    from eproxyctl.studies.shared import Store

    searching.scored_alone(plan)  # before a run directory is made for a proxy that cannot be used
    options, context = plan.spec.search, plan.context
    own = options.model_dump(exclude={"evaluations", "minutes"})
    names = identity(plan, {"search": hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:16]})
    name = study_name("search", names)
    files = {"spec.yaml": plan.loaded.text, "resolved.yaml": resolved(plan.loaded)}
    with (
        RunDirectory(
            folder, "search", names, files, plan.origins, common.storage_stamp(storage), accept_versions=accept_versions
        ),
        common.pool(min(workers, options.batch), dask, plan.spec.device) as pool,
        progress(f"search {plan.loaded.name}", options.evaluations) as advance,
    ):
        latencies = Latencies(plan.space, context.shape, context.outputs, context.device, folder)
        evaluator = searching.Evaluator(plan, folder, pool, advance)
        for _ in range(min(options.evaluations, evaluator.paid)):
            advance()
        try:
            found = searching.explore(plan, evaluator, latencies, Store(folder, storage, evaluator), name)
        finally:
            evaluator.close()
        evaluator.settle(found.rows)
        ranked = searching.best_first(found.rows, evaluator.value)
        if against := options.against:
            ranked = searching.front(found.rows, evaluator.value, lambda row: searching.cost(row, against, latencies))
        records = _records(plan, ranked, latencies)
        write(folder / TOP, output.text(records, output.Format.csv))
        write(folder / RESULT, json.dumps(_result(plan, found, records), indent=2) + "\n")
    return found, records


def _records(plan: Plan, rows: Sequence[Row], latencies: Latencies) -> list[dict[str, Any]]:
    """Rows as a person or program reads them; what the metric table knows where there is one."""
    records = []
    for rank, row in enumerate(rows, start=1):
        record = {"rank": rank, "key": row.key, "score": row.score, "params": row.params, "macs": row.macs}
        if plan.spec.search.timed:
            record["latency"] = latencies.known(row.key)
        if plan.table:
            truth = plan.table.truth(row.key)
            record["metric"] = truth.metric if truth else None
            record["true_rank"] = truth.rank if truth else None
            record["regret"] = truth.regret if truth else None
        records.append(record | {"status": row.status})
    return records


def _result(plan: Plan, found: Found, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """result.json: the top list, and what `export` needs to build its networks without the task's data."""
    return {
        "evaluations": len(found.rows),
        "ended": found.ended,
        "failed": sum(row.status == "failed" for row in found.rows),
        "diverged": sum(row.status == "diverged" for row in found.rows),
        "latency": TIMED if plan.spec.search.timed else "",
        "notation": plan.space.notation(records[0]["key"]),
        "top": [output.plain(record) for record in records],
        "network": {
            "space": json.loads(plan.context.space),
            "task": _head(plan) if isinstance(plan.task, Trainable) else None,
            "shape": plan.context.shape,
            "outputs": plan.context.outputs,
            "seed": plan.spec.seed,
        },
    }


def _head(plan: Plan) -> dict[str, Any]:
    """The task's section, from which the head of its networks follows, the number of classes spelt out."""
    section = plan.spec.task.model_dump(mode="json", exclude={"table"})
    return section | ({"outputs": plan.context.outputs} if "outputs" in section else {})


def _say_more(
    plan: Plan, spec: Sequence[object], found: Found, records: Sequence[dict[str, Any]], folder: Path
) -> None:
    """On stderr: why it ended early, the winner in its usual notation, how long it took, and what comes next."""
    from eproxyctl.runs.files import lines
    from eproxyctl.runs.ledger import TIMINGS

    if found.ended:
        say(f"{found.ended}; {len(found.rows)} of {plan.spec.search.evaluations} evaluations", style="yellow")
    if plan.spec.search.timed:
        say(f"latency: {TIMED}", always=False)
    best = records[0]["key"] if records else ""
    if best and (notation := plan.space.notation(best)) != best:
        say(f"best: {notation}")
    seconds = sum(line["seconds"] for line in lines(folder / TIMINGS))
    say(f"scoring took {seconds:,.0f} s of one core in all; every architecture: {folder / TOP}", always=False)
    if isinstance(plan.task, Trainable) and best:
        kept = Path("runs") / plan.loaded.name / "best"
        train = common.command("benchmark", *spec, "--architecture", best, "--save", "--run", kept)
        say(f"next: {train}", always=False)
    or_else = "or, without training it" if isinstance(plan.task, Trainable) else "next"
    say(f"{or_else}: {common.command('export', folder, '--top', 1)}", always=False)

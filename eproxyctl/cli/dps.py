"""`eproxyctl dps`: tune the proxy to a metric table."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli import dps_report as report
from eproxyctl.cli.failures import say
from eproxyctl.cli.progress import progress
from eproxyctl.cli.validate import resolved
from eproxyctl.errors import UsageError

if TYPE_CHECKING:
    from eproxyctl.dps import Entrant, Search
    from eproxyctl.scoring.labelling import Split
    from eproxyctl.scoring.plan import Plan


def dps(
    specs: common.Specs = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Settings tried in total.", show_default="200")
    ] = None,
    pick: common.PickFlag = None,
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
    accept_versions: common.AcceptVersions = False,
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
    request = request.overriding("--trials", "dps.trials", trials).overriding("--pick", "dps.pick", pick)
    chosen = output.choose(format, out)
    summary: list[dict[str, Any]] = []
    failed = 0
    for path in paths:
        plan = request.prepare(path)
        from eproxyctl import dps as search  # what is wrong with a spec is said without waiting for Optuna

        if plan.spec.dps.prune and finalists > search.KEPT:
            raise UsageError(
                f"with dps.prune only the best {search.KEPT} are known: --finalists {finalists} is too many"
            )
        folder = run or Path("runs") / plan.loaded.name / "dps"
        count = common.cores(workers, plan.spec.device)
        found, parts, bad = _tune(plan, folder, storage, finalists, count, dask, accept_versions=accept_versions)
        failed += bad
        if len(paths) == 1:
            output.write(report.records(plan, found, timed=True), chosen, out, title=report.title(plan, parts))
        summary += [{"spec": plan.loaded.name, **record} for record in report.records(plan, found)]
        for note in report.notes(found):
            say(f"{plan.loaded.name}: {note}")
        use = (path, *request.flags, "--set", f"proxy={folder / report.RESULT}")
        rank = common.command("score", *use, "--run", folder.parent / "tuned")
        say(f"result: {folder / report.RESULT}", always=False)
        say(f"next: {common.command('search', *use)}", always=False)
        say(f"or, to rank given architectures: {rank}", always=False)
    if len(paths) > 1:
        output.write(report.summary(summary), chosen, out, title="Held-out correlation by spec")
    if failed:
        say(f"{failed} row(s) failed and ranked last; rows.jsonl in the run directory says why", style="yellow")
        raise typer.Exit(1)


def _tune(
    plan: Plan,
    folder: Path,
    storage: str | None,
    finalists: int,
    workers: int,
    dask: str | None,
    *,
    accept_versions: bool,
) -> tuple[list[Entrant], Split, int]:
    """The result and its baselines, the split, and how many rows failed."""
    from eproxyctl import dps as search
    from eproxyctl.contracts import Learner
    from eproxyctl.runs.directory import RunDirectory
    from eproxyctl.runs.files import write
    from eproxyctl.scoring.labelling import split
    from eproxyctl.scoring.plan import identity

    parts = split(plan)
    learns = isinstance(plan.proxy, Learner)
    own = plan.spec.dps.model_dump(exclude={"trials", "held_out", "seeds"}, mode="json")
    names = identity(plan, {"dps": hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:16]})
    files = {"spec.yaml": plan.loaded.text, "resolved.yaml": resolved(plan.loaded)}
    total = 0 if learns else plan.spec.dps.trials
    again = max(search.KEPT, finalists) if plan.spec.dps.seeds > 1 else 0
    rows = (total + again + 1) * len(parts.training) + (finalists + 1) * len(parts.held_out)
    with (
        RunDirectory(
            folder, "dps", names, files, plan.origins, common.storage_stamp(storage), accept_versions=accept_versions
        ),
        common.pool(min(workers, len(parts.training)), dask, plan.spec.device) as pool,
        progress(f"dps {plan.loaded.name}", rows) as advance,
    ):
        evaluated = search.Search(plan, folder, pool, advance)
        for _ in range(min(rows, evaluated.paid)):
            advance()
        try:
            if learns:
                if storage:
                    say(
                        "--storage is for proxies whose settings are searched: this one learns here alone",
                        style="yellow",
                    )
                found, trials = search.learn(evaluated, parts), 0
            else:
                found, trials = _searched(evaluated, parts, names, folder, storage, finalists)
        finally:
            evaluated.close()
        write(folder / report.RESULT, report.result(plan, found, parts, trials))
        write(
            folder / "result.json", json.dumps([output.plain(r) for r in report.records(plan, found)], indent=2) + "\n"
        )
    return found, parts, evaluated.failed


def _searched(
    evaluated: Search, parts: Split, names: dict[str, Any], folder: Path, storage: str | None, finalists: int
) -> tuple[list[Entrant], int]:
    """The result and its baselines, and how many trials there were."""
    from eproxyctl import dps as search
    from eproxyctl.runs.identity import study_name
    from eproxyctl.studies.shared import SharedStudy, Store
    from eproxyctl.studies.study import Terms

    plan = evaluated.plan
    choices, encode = search.parameters(plan)
    exchange = search.Exchange(evaluated, parts)
    name = study_name("dps", names)
    store = Store(folder, storage, exchange)
    goals = search.goals(plan)
    study = store.study(Terms(name, choices, plan.spec.dps.sampler, plan.spec.seed, encode, goals=goals))
    best, total = search.tune(study, evaluated, parts), plan.spec.dps.trials
    if len(best) < total:
        say(f"exhausted: 100 draws in a row repeated a point; {len(best)} of {total} trials", style="yellow")
    report.write_trials(folder / report.TRIALS, evaluated, parts, best)
    shown = search.front(best) if len(goals) > 1 else best[: max(search.KEPT, finalists)]
    if isinstance(study, SharedStudy):
        exchange.together(search.contest(evaluated, parts, shown), study, evaluated.workers)
        exchange.together(search.checked(evaluated, parts, shown, finalists), study, evaluated.workers)
    return search.entrants(evaluated, parts, shown, finalists), len(best)

"""`eproxyctl search`: find architectures that score best within limits on their size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say
from eproxyctl.cli.progress import bars
from eproxyctl.errors import UsageError

if TYPE_CHECKING:
    from eproxyctl.searching.run import SearchResult
    from eproxyctl.spec.request import Request


def search_command(
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
    flags = common.flags(sets, seed, device, data, plugin_folders, no_plugins)
    flags = flags.overriding("--evaluations", "search.evaluations", evaluations)
    paths = common.spec_paths(specs)
    if len(paths) > 1 and run:
        raise UsageError("--run names one directory, and there are several specs")
    chosen = output.chosen_format(format, out)
    summary: list[dict[str, Any]] = []
    failed = 0
    for path in paths:
        request = flags.load(path)
        from eproxyctl.searching.run import search

        with bars() as progress:
            found = search(
                request,
                run=run,
                workers=workers,
                dask=dask,
                accept_versions=accept_versions,
                storage=storage,
                progress=progress,
            )
        if len(paths) == 1:
            output.write_records(found.rows[:top], chosen, out, title=found.title)
        summary += [{"spec": found.name, **record} for record in found.rows[:1]]
        _say_more(request, (path, *flags.carried), found)
        failed += found.failed
    if len(paths) > 1:
        output.write_records(summary, chosen, out, title="The best of each spec")
    if failed:
        say("some architectures failed; rows.jsonl in the run directory says why", style="yellow")
        raise typer.Exit(1)


def _say_more(request: Request, spec: Sequence[object], found: SearchResult) -> None:
    """On stderr: why it ended early, the winner in its usual notation, how long it took, and what comes next."""
    from eproxyctl.contracts import Trainable
    from eproxyctl.registry import kind_of
    from eproxyctl.searching.run import TIMED, TOP

    common.say_notes(found.notes)
    if request.spec.search.timed:
        say(f"latency: {TIMED}", always=False)
    best = found.best["key"] if found.rows else ""
    if found.notation != best:
        say(f"best: {found.notation}")
    top = found.folder / TOP
    say(f"scoring took {found.seconds:,.0f} s of one core in all; every architecture: {top}", always=False)
    trains = issubclass(request.registry.get("task", kind_of(request.spec.task)).cls, Trainable)
    if trains and best:
        kept = Path("runs") / found.name / "best"
        train = common.command("benchmark", *spec, "--architecture", best, "--save", "--run", kept)
        say(f"next: {train}", always=False)
    or_else = "or, without training it" if trains else "next"
    say(f"{or_else}: {common.command('export', found.folder, '--top', 1)}", always=False)

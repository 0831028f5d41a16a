"""`eproxyctl dps`: tune the proxy to a metric table."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from eproxyctl.cli import common, output, tuning_summary
from eproxyctl.cli.failures import say
from eproxyctl.cli.progress import bars
from eproxyctl.errors import UsageError


def dps_command(
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
    flags = common.flags(sets, seed, device, data, plugin_folders, no_plugins)
    paths = common.spec_paths(specs)
    if run and len(paths) > 1:
        raise UsageError("--run names one directory, and there are several specs")
    flags = flags.overriding("--trials", "dps.trials", trials).overriding("--pick", "dps.pick", pick)
    chosen = output.chosen_format(format, out)
    summary: list[dict[str, Any]] = []
    failed = 0
    for path in paths:
        request = flags.load(path)
        from eproxyctl.dps.run import tune

        with bars() as progress:
            found = tune(
                request,
                run=run,
                workers=workers,
                dask=dask,
                accept_versions=accept_versions,
                storage=storage,
                finalists=finalists,
                progress=progress,
            )
        failed += found.failed
        if len(paths) == 1:
            output.write_records(found.rows, chosen, out, title=found.title)
        summary += [{"spec": found.name, **record} for record in found.rows]
        common.say_notes(found.notes)
        use = (path, *flags.carried, "--set", f"proxy={found.proxy}")
        rank = common.command("score", *use, "--run", found.folder.parent / "tuned")
        say(f"result: {found.proxy}", always=False)
        say(f"next: {common.command('search', *use)}", always=False)
        say(f"or, to rank given architectures: {rank}", always=False)
    if len(paths) > 1:
        title = "Held-out correlation by spec"
        output.write_records(tuning_summary.tunings_summary(summary), chosen, out, title=title)
    if failed:
        say(f"{failed} row(s) failed and ranked last; rows.jsonl in the run directory says why", style="yellow")
        raise typer.Exit(1)

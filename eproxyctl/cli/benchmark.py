"""`eproxyctl benchmark`: really train a few architectures, and so make a metric table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say
from eproxyctl.cli.output import Format
from eproxyctl.cli.progress import bars
from eproxyctl.errors import UsageError

if TYPE_CHECKING:
    from eproxyctl.spec.models import Spec
    from eproxyctl.training.run import Benchmark

ENOUGH = 3
"""Architectures that dps needs at least."""


def benchmark_command(
    specs: common.Specs = None,
    architectures: Annotated[
        int | None, typer.Option("--architectures", "-n", min=1, help="How many to train.", show_default="20")
    ] = None,
    architecture: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--architecture", metavar="KEY", help="Train this one; repeatable.", show_default=False),
    ] = None,
    pick: common.PickFlag = None,
    save: Annotated[bool, typer.Option("--save", help="Keep the weights, as safetensors.")] = False,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Override train.epochs.", show_default=False)
    ] = None,
    run: common.Run = None,
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
    """Really train architectures on the task, and write their metric to table.csv in the run directory.

    They are drawn from the space by the seed, no two of them equal in function; or they are those that the spec lists.
    With --pick spread they differ as much as they can in structure, from which a few-shot proxy learns more.
    How they are trained is the spec's section `train`. The metric is the task's (`eproxyctl describe task KIND` says
    which), that of the last epoch on the validation examples; with train.patience, of the best. The same command
    continues where it stopped, and with a larger number it trains the new ones only. `dps` and `score` read the table
    through task.table.path.

    Example: eproxyctl benchmark spec.yaml --architectures 20
    """
    flags = common.flags(sets, seed, device, data, plugin_folders, no_plugins)
    for name, value in {"architectures": architectures, "epochs": epochs, "pick": pick}.items():
        flags = flags.overriding(f"--{name}", f"train.{name}", value)
    paths = common.spec_paths(specs)
    if len(paths) > 1 and (run or architecture):
        raise UsageError(f"{'--run' if run else '--architecture'} is for one spec, and there are several")
    chosen = output.chosen_format(format, out)
    summary: list[dict[str, Any]] = []
    failed = 0
    for path in paths:
        request = flags.load(path)
        from eproxyctl.training.run import benchmark

        with bars() as progress:
            found = benchmark(
                request,
                architectures=architecture or (),
                run=run,
                workers=workers,
                dask=dask,
                accept_versions=accept_versions,
                save=save,
                progress=progress,
            )
        failed += found.failed
        common.say_notes(found.notes)
        if len(paths) == 1:
            shown = found.ranked if chosen is Format.table else found.rows
            output.write_records(shown, chosen, out, title=str(found))
        summary.append(found.summary())
        say(f"table: {found.table}", always=False)
        say(f"next: {_next(request.spec, (path, *flags.carried), found, save=save)}", always=False)
    if len(paths) > 1:
        output.write_records(summary, chosen, out, title="Metric by spec")
    if failed:
        raise typer.Exit(1)


def _next(own: Spec, spec: Sequence[object], found: Benchmark, *, save: bool) -> str:
    from eproxyctl.training.run import weights_file

    best = found.best
    if save and best["status"] == "ok":
        file = weights_file(found.folder, best["key"])
        return common.command("export", "--spec", *spec, "--architecture", best["key"], "--weights", file)
    known = sum(record["status"] == "ok" for record in found.rows)
    if known < ENOUGH:
        return common.command("benchmark", *spec, "--architectures", 20)
    changes = [f"dps.architectures={known}"] if known < own.dps.architectures else []
    if not found.own_table:
        changes += [f"task.table.path={found.table}", f"task.table.metric={found.metric}"]
        changes += ["task.table.goal=minimize"] if found.goal == "minimize" else []
    return common.command("dps", *spec, *(word for change in changes for word in ("--set", change)))

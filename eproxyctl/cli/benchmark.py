"""`eproxyctl benchmark`: really train a few architectures, and so make a metric table."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say
from eproxyctl.cli.output import Format
from eproxyctl.cli.progress import progress
from eproxyctl.cli.validate import resolved
from eproxyctl.errors import EproxyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eproxyctl.engine.benchmarking import Bench
    from eproxyctl.engine.trainee import TrainedRow

ENOUGH = 3
"""Architectures that dps needs at least."""


def benchmark(
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
    request = common.request(sets, seed, device, data, plugin_folders, no_plugins)
    for name, value in {"architectures": architectures, "epochs": epochs, "pick": pick}.items():
        request = request.overriding(f"--{name}", f"train.{name}", value)
    paths = common.spec_paths(specs)
    if len(paths) > 1 and (run or architecture):
        raise UsageError(f"{'--run' if run else '--architecture'} is for one spec, and there are several")
    if save:
        _check_save(dask)
    chosen = output.choose(format, out)
    summary: list[dict[str, Any]] = []
    failed = 0
    for path in paths:
        from eproxyctl.engine import benchmarking

        bench = benchmarking.prepare(request.load(path), request.registry, request.sources)
        for note in bench.task.notes():
            say(f"task: {note}")
        folder = run or Path("runs") / bench.loaded.name / "benchmark"
        keys = benchmarking.choose(bench, architecture or ())
        rows, records = _train(bench, keys, folder, common.cores(workers, bench.spec.device), dask, save=save)
        failed += _warn(rows)
        if len(paths) == 1:
            title = f"{bench.loaded.name}: {len(rows)} architectures, best first"
            shown = _ranked(bench, records) if chosen is Format.table else records
            output.write(shown, chosen, out, title=title)
        summary.append(_summary(bench, rows))
        say(f"table: {folder / benchmarking.TABLE}", always=False)
        if architecture:
            _compare(bench, folder, records)
        say(f"next: {_next(bench, (path, *request.flags), folder, records, save=save)}", always=False)
    if len(paths) > 1:
        output.write(summary, chosen, out, title="Metric by spec")
    if failed:
        raise typer.Exit(1)


def _train(
    bench: Bench, keys: list[str], folder: Path, workers: int, dask: str | None, *, save: bool
) -> tuple[list[TrainedRow], list[dict[str, Any]]]:
    """Rows and records of `keys`; the table on disk has every row of the run directory."""
    from eproxyctl.engine import benchmarking
    from eproxyctl.engine.rundir import RunDirectory

    files = {"spec.yaml": bench.loaded.text, "resolved.yaml": resolved(bench.loaded)}
    rows: list[TrainedRow] = []
    with (
        RunDirectory(folder, "benchmark", benchmarking.identity(bench), files, bench.origins),
        common.pool(min(workers, len(keys)), dask, bench.spec.device) as pool,
        progress(f"training {bench.loaded.name}", len(keys)) as advance,
    ):
        for row in benchmarking.benchmark(bench, keys, folder, pool, save=save):
            advance()
            rows.append(row)
        records = benchmarking.records(bench, folder)
        output.write(records, Format.csv, folder / benchmarking.TABLE)
    wanted = set(keys)
    return rows, [record for record in records if record["key"] in wanted]


def _check_save(dask: str | None) -> None:
    from importlib.util import find_spec

    if dask not in (None, "local"):
        raise UsageError("--save writes files where networks are trained", hint="leave out --save, or use --dask local")
    if find_spec("safetensors") is None:
        raise UsageError("--save needs the package safetensors", hint="pip install 'eproxyctl[export]'")


def _warn(rows: list[TrainedRow]) -> int:
    """Say which rows have no metric, and why; returns how many failed."""
    failed = [row for row in rows if row.status == "failed"]
    diverged = sum(row.status == "diverged" for row in rows)
    if diverged:
        say(f"{diverged} architecture(s) diverged and have no metric; a lower train.learning_rate may help")
    for row in failed[:3]:
        say(f"{row.key} failed: {row.cause}" + (f"; {row.hint}" if row.hint else ""), style="yellow")
    if failed:
        say(f"{len(failed)} architecture(s) failed; the same command tries them again", style="yellow")
    return len(failed)


def _ranked(bench: Bench, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Best first, those without a metric last."""
    name, sign = bench.task.metric, -1 if bench.task.metric_goal == "maximize" else 1
    return sorted(records, key=lambda r: (r[name] is None, sign * (r[name] or 0)))


def _summary(bench: Bench, rows: list[TrainedRow]) -> dict[str, Any]:
    values = sorted(row.metric for row in rows if row.metric is not None)
    found = {"lowest": values[0], "median": statistics.median(values), "highest": values[-1]} if values else {}
    empty = {"lowest": None, "median": None, "highest": None}
    return {"spec": bench.loaded.name, "metric": bench.task.metric, "architectures": len(rows)} | (found or empty)


def _compare(bench: Bench, folder: Path, records: list[dict[str, Any]]) -> None:
    """Say how the architectures that were named do beside those of the spec's metric table, if that is another."""
    from eproxyctl.engine.benchmarking import TABLE
    from eproxyctl.tasks.table import load

    own, metric = bench.spec.task.table, bench.task.metric
    if (
        own is None
        or own.metric not in (None, metric)
        or not Path(own.path).exists()
        or Path(own.path).resolve() == (folder / TABLE).resolve()
    ):
        return
    try:
        known = sorted(load(own, bench.space).metric.values())
    except EproxyError:  # a table that a search would refuse is no reason to fail after the training
        return
    best = known[-1] if bench.task.metric_goal == "maximize" else known[0]
    for record in records:
        if record[metric] is not None:
            beside = f"{own.path} has median {statistics.median(known):g}, best {best:g}"
            say(f"{metric} {record[metric]:g}; {beside}", always=False)


def _next(bench: Bench, spec: Sequence[object], folder: Path, records: list[dict[str, Any]], *, save: bool) -> str:
    from eproxyctl.engine.benchmarking import TABLE, weights

    own, metric = bench.spec.task.table, bench.task.metric
    best = _ranked(bench, records)[0]
    if save and best["status"] == "ok":
        file = weights(folder, best["key"])
        return common.command("export", "--spec", *spec, "--architecture", best["key"], "--weights", file)
    known = sum(record["status"] == "ok" for record in records)
    if known < ENOUGH:
        return common.command("benchmark", *spec, "--architectures", 20)
    changes = [f"dps.architectures={known}"] if known < bench.spec.dps.architectures else []
    if own is None or Path(own.path).resolve() != (folder / TABLE).resolve():
        changes += [f"task.table.path={folder / TABLE}", f"task.table.metric={metric}"]
        changes += ["task.table.goal=minimize"] if bench.task.metric_goal == "minimize" else []
    return common.command("dps", *spec, *(word for change in changes for word in ("--set", change)))

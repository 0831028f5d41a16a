"""`eproxyctl score`: rank architectures without training them."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say
from eproxyctl.cli.output import Format
from eproxyctl.cli.progress import progress
from eproxyctl.errors import UsageError

if TYPE_CHECKING:
    from eproxyctl.engine.plan import Plan
    from eproxyctl.engine.rows import Row
    from eproxyctl.engine.scoring import Correlation

TIMED = 3


def score(
    specs: common.Specs = None,
    run: common.Run = None,
    workers: common.WorkersFlag = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Rows shown in a table.")] = 20,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many, measure three, estimate the time.")] = False,
    format: common.FormatFlag = None,
    out: common.Output = None,
    sets: common.Sets = None,
    seed: common.SeedFlag = None,
    device: common.DeviceFlag = None,
    data: common.Data = None,
    plugin_folders: common.PluginFolders = None,
    no_plugins: common.NoPlugins = False,
) -> None:
    """Score architectures; with a metric table, say how well the scores rank them.

    A table is ranked, best first; csv and jsonl stream in the spec's order. Every row is kept in the run directory, and
    the same command continues where it stopped. With a metric table the correlations follow, each with its 95 %
    bootstrap interval, beside those of the size columns; architectures the proxy was tuned on are excluded.

    Example: eproxyctl score --set space.architectures.sample=8
    """
    request = common.request(sets, seed, device, data, plugin_folders, no_plugins)
    paths = common.spec_paths(specs)
    if run and len(paths) > 1:
        raise UsageError("--run names one directory, and there are several specs")
    chosen = output.choose(format, out)
    summary: list[dict[str, Any]] = []
    failed = 0
    for path in paths:
        plan = request.prepare(path)
        from eproxyctl.engine.plan import architectures

        keys = architectures(plan)
        if dry_run:
            estimate(plan, keys, common.cores(workers))
            continue
        folder = run or Path("runs") / plan.loaded.name / "score"
        rows = _run(plan, keys, folder, common.cores(workers), chosen, out, streams=len(paths) == 1)
        failed += sum(row.status == "failed" for row in rows)
        found = _report(plan, rows, folder, chosen, out, top, several=len(paths) > 1)
        summary += [{"spec": plan.loaded.name, **record} for record in found]
    if len(paths) > 1 and not dry_run:
        output.write(_with_means(summary), chosen, out, title="Spearman by spec")
    if failed:
        say(f"{failed} architecture(s) failed; their rows say why", style="yellow")
        raise typer.Exit(1)


def _run(
    plan: Plan, keys: list[str], folder: Path, workers: int, chosen: Format, out: Path | None, *, streams: bool
) -> list[Row]:
    from eproxyctl.cli.validate import resolved
    from eproxyctl.engine.executors import Workers
    from eproxyctl.engine.plan import identity
    from eproxyctl.engine.rundir import RunDirectory
    from eproxyctl.engine.scoring import score as run_score

    files = {"spec.yaml": plan.loaded.text, "resolved.yaml": resolved(plan.loaded)}
    stream = output.Stream(chosen) if streams and out is None and chosen in (Format.csv, Format.jsonl) else None
    rows: list[Row] = []
    with (
        RunDirectory(folder, "score", identity(plan), files, plan.origins),
        Workers(min(workers, len(keys))) as pool,
        progress(f"scoring {plan.loaded.name}", len(keys)) as advance,
    ):
        for row in run_score(plan, keys, folder, pool):
            advance()
            rows.append(row)
            if stream:
                stream.add(record(plan, row))
    return rows


def record(plan: Plan, row: Row) -> dict[str, Any]:
    """A row as a person or program reads it."""
    values: dict[str, Any] = {"key": row.key, "score": row.score, "params": row.params, "macs": row.macs}
    if plan.spec.proxy.repeats > 1:
        values["spread"] = row.spread
    if plan.table:
        values["metric"] = plan.table.metric.get(row.key)
    values["status"] = row.status
    values["cause"] = f"{row.cause}; {row.hint}" if row.hint else row.cause
    values["trace"] = row.traces[0] if len(row.traces) == 1 else row.traces
    return values


def _report(
    plan: Plan, rows: list[Row], folder: Path, chosen: Format, out: Path | None, top: int, *, several: bool
) -> list[dict[str, Any]]:
    """Write rows and correlations; returns one record for a summary of several specs."""
    from eproxyctl.engine import rundir
    from eproxyctl.engine.scoring import correlations, training_keys

    excluded = training_keys(plan)
    found = correlations(plan, rows, excluded=excluded)
    table = [correlation_record(c) for c in found]
    rundir.write(folder / "correlations.json", json.dumps([output.plain(r) for r in table], indent=2) + "\n")
    left_out = sum(plan.space.canonical(row.key) in excluded for row in rows) if excluded else 0
    if left_out:
        say(f"{left_out} architecture(s) equal one the proxy was tuned on and are excluded from the correlations")
    bad = sum(row.status != "ok" for row in rows)
    if bad and plan.table:
        say(f"{bad} architecture(s) diverged or failed; they rank last")
    if several:
        return [{"spearman": c.estimate.value, "column": c.column} for c in found if c.statistic == "spearman"]
    if chosen is Format.json:
        document = {
            "rows": [output.plain(record(plan, row)) for row in rows],
            "correlations": [output.plain(r) for r in table],
        }
        output.emit(json.dumps(document, indent=2) + "\n", out)
    elif chosen is Format.table:
        text = output.table(_ranked(plan, rows)[:top], f"{plan.loaded.name}: {len(rows)} architectures, best first")
        if table:
            text += "\n" + output.table(table, "Correlations with the metric, 95 % intervals")
        output.emit(text, out)
        say(f"all rows: {folder}", always=False)
    else:
        if out is not None:
            output.write([record(plan, row) for row in rows], chosen, out)
        if table:
            say(output.table(table, "Correlations with the metric, 95 % intervals").rstrip(), always=False)
    return []


def _ranked(plan: Plan, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows by rank, best first; diverged and failed ones last."""
    sign = -1 if plan.proxy.higher_is_better else 1
    order = sorted(rows, key=lambda row: (row.status == "failed", row.score is None, sign * (row.score or 0)))
    shown = []
    for rank, row in enumerate(order, start=1):
        values = record(plan, row)
        del values["trace"]
        if not any(r.cause for r in rows):
            del values["cause"]
        shown.append({"rank": rank, **values})
    return shown


def correlation_record(c: Correlation) -> dict[str, Any]:
    """A correlation as a person or program reads it."""
    e = c.estimate
    return {"column": c.column, "statistic": c.statistic, "value": e.value, "low": e.low, "high": e.high, "n": e.n}


def _with_means(summary: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One record a spec with a column for score, params and macs, then their mean."""
    if not summary:
        raise UsageError("several specs are summed up by their correlations, and none has a metric table")
    columns = list(dict.fromkeys(r["column"] for r in summary))
    specs = list(dict.fromkeys(r["spec"] for r in summary))
    value = {(r["spec"], r["column"]): r["spearman"] for r in summary}
    records: list[dict[str, Any]] = [{"spec": s} | {c: value.get((s, c), math.nan) for c in columns} for s in specs]
    mean = {c: sum(r[c] for r in records) / len(records) for c in columns}
    return [*records, {"spec": "mean", **mean}]


def estimate(plan: Plan, keys: list[str], workers: int) -> None:
    """Measure three architectures spread over the list and say how long all would take."""
    from eproxyctl.engine.worker import Job, run

    run(plan.context, Job(keys[0], plan.section))  # what is drawn once a process does not count
    started = time.perf_counter()
    timed = keys[:: max(1, len(keys) // TIMED)][:TIMED]
    for key in timed:
        run(plan.context, Job(key, plan.section))
    each = (time.perf_counter() - started) / len(timed)
    total = each * len(keys) / max(1, min(workers, len(keys)))
    output.emit(
        f"{plan.loaded.name}: {len(keys)} architectures, {each:.2f} s each, "
        f"about {_duration(total)} with {workers} worker(s)\n"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

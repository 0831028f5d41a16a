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
    from eproxyctl.engine.executors import Workers
    from eproxyctl.engine.plan import Plan
    from eproxyctl.engine.rows import Row
    from eproxyctl.engine.scoring import Correlation

TIMED = 3
CORRELATIONS = "Correlations with the metric, 95 % intervals"


def score(
    specs: common.Specs = None,
    run: common.Run = None,
    workers: common.WorkersFlag = None,
    dask: common.DaskFlag = None,
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
            estimate(plan, keys, common.cores(workers, plan.spec.device))
            continue
        folder = run or Path("runs") / plan.loaded.name / "score"
        pool = common.pool(min(common.cores(workers, plan.spec.device), len(keys)), dask, plan.spec.device)
        rows = _run(plan, keys, folder, pool, chosen, out, streams=len(paths) == 1)
        failed += sum(any(row.status == "failed" for row in each) for each in zip(*rows, strict=True))
        found = _report(plan, rows, folder, chosen, out, top, several=len(paths) > 1)
        summary += [{"spec": plan.loaded.name, **record} for record in found]
    if len(paths) > 1 and not dry_run:
        output.write(_with_means(summary), chosen, out, title="Spearman by spec, 95 % intervals")
    if failed:
        say(f"{failed} architecture(s) failed; their rows say why", style="yellow")
        raise typer.Exit(1)


def _run(
    plan: Plan, keys: list[str], folder: Path, workers: Workers, chosen: Format, out: Path | None, *, streams: bool
) -> list[list[Row]]:
    """For each proxy its rows. They are streamed as they come, unless a proxy ranks architectures together."""
    from eproxyctl.cli.validate import resolved
    from eproxyctl.engine.plan import identity
    from eproxyctl.engine.rundir import RunDirectory
    from eproxyctl.engine.scoring import columns
    from eproxyctl.engine.scoring import score as run_score

    files = {"spec.yaml": plan.loaded.text, "resolved.yaml": resolved(plan.loaded)}
    together = any(proxy.relative for proxy in plan.proxies)
    streamed = streams and out is None and chosen in (Format.csv, Format.jsonl)
    stream = output.Stream(chosen) if streamed and not together else None
    rows: list[tuple[Row, ...]] = []
    with (
        RunDirectory(folder, "score", identity(plan), files, plan.origins),
        workers as pool,
        progress(f"scoring {plan.loaded.name}", len(keys)) as advance,
    ):
        for each in run_score(plan, keys, folder, pool):
            advance()
            rows.append(each)
            if stream:
                one = columns(plan, [each])
                stream.add(record(plan, [column[0] for column in one]))
    found = columns(plan, rows)
    if streamed and together:
        output.write([record(plan, each) for each in zip(*found, strict=True)], chosen)
    return found


def record(plan: Plan, rows: Sequence[Row]) -> dict[str, Any]:
    """An architecture as a person or program reads it, from its row of each proxy."""
    from eproxyctl.engine.scoring import names

    named = list(zip(names(plan), plan.proxies, rows, strict=True))
    first = rows[0]
    values: dict[str, Any] = {"key": first.key}
    for name, proxy, row in named:
        values[name] = row.score
        if proxy.options.repeats > 1:
            values["spread" if len(rows) == 1 else f"{name} spread"] = row.spread
    values |= {"params": first.params, "macs": first.macs}
    if plan.table:
        values["metric"] = plan.table.metric.get(first.key)
    worst = [status for status in ("failed", "diverged") if any(row.status == status for row in rows)]
    values["status"] = worst[0] if worst else "ok"
    values["cause"] = "; ".join(dict.fromkeys(_cause(name, row, len(rows)) for name, _, row in named if row.cause))
    traces = {name: row.traces[0] if len(row.traces) == 1 else row.traces for name, _, row in named}
    values["trace"] = next(iter(traces.values())) if len(rows) == 1 else traces
    return values


def _cause(name: str, row: Row, several: int) -> str:
    text = f"{row.cause}; {row.hint}" if row.hint else row.cause
    return text if several == 1 else f"{name}: {text}"


def _report(
    plan: Plan, found: list[list[Row]], folder: Path, chosen: Format, out: Path | None, top: int, *, several: bool
) -> list[dict[str, Any]]:
    """Write rows and correlations; returns records for a summary of several specs."""
    from eproxyctl.engine import results, rundir
    from eproxyctl.engine.scoring import correlations, names, training_keys

    excluded = training_keys(plan)
    measured = correlations(plan, found, excluded=excluded)
    table = [correlation_record(c) for c in measured]
    rundir.write(folder / "correlations.json", json.dumps([output.plain(r) for r in table], indent=2) + "\n")
    results.write(plan, found, folder, excluded)
    left_out = sum(plan.space.canonical(row.key) in excluded for row in found[0]) if excluded else 0
    if left_out:
        say(f"{left_out} architecture(s) equal one the proxy was tuned on and are excluded from the correlations")
    bad = sum(any(row.status != "ok" for row in each) for each in zip(*found, strict=True))
    if bad and plan.table:
        say(f"{bad} architecture(s) diverged or failed; they rank last")
    if several:
        each = results.milliseconds(folder)
        kinds = {name: proxy.kind for name, proxy in zip(names(plan), plan.proxies, strict=True)}
        spearman = [c for c in measured if c.statistic == "spearman"]
        return [{**correlation_record(c), "ms": each.get(kinds.get(c.column, ""))} for c in spearman]
    records = [record(plan, rows) for rows in zip(*found, strict=True)]
    if chosen is Format.json:
        document = {
            "rows": [output.plain(one) for one in records],
            "correlations": [output.plain(r) for r in table],
        }
        output.emit(json.dumps(document, indent=2) + "\n", out)
    elif chosen is Format.table:
        by = "" if len(found) == 1 else f" by {next(name for name in records[0] if name != 'key')}"
        title = f"{plan.loaded.name}: {len(records)} architectures, best first{by}"
        text = output.table(_ranked(plan, found[0], records)[:top], title)
        if table:
            text += "\n" + output.table(_by_column(measured), CORRELATIONS)
        output.emit(text, out)
        say(f"all rows: {folder}", always=False)
    else:
        if out is not None:
            output.write(records, chosen, out)
        if table:
            say(output.table(_by_column(measured), CORRELATIONS).rstrip(), always=False)
    return []


def _ranked(plan: Plan, rows: Sequence[Row], records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records by the first proxy's rank, best first; diverged and failed ones last."""
    sign = -1 if plan.proxies[0].higher_is_better else 1
    caused = any(r["cause"] for r in records)

    def place(i: int) -> tuple[bool, bool, float]:
        return rows[i].status == "failed", rows[i].score is None, sign * (rows[i].score or 0)

    shown = []
    for rank, i in enumerate(sorted(range(len(rows)), key=place), start=1):
        values = dict(records[i])
        del values["trace"]
        if not caused:
            del values["cause"]
        shown.append({"rank": rank, **values})
    return shown


def correlation_record(c: Correlation) -> dict[str, Any]:
    """A correlation as a person or program reads it."""
    e = c.estimate
    return {"column": c.column, "statistic": c.statistic, "value": e.value, "low": e.low, "high": e.high, "n": e.n}


def _by_column(measured: Sequence[Correlation]) -> list[dict[str, Any]]:
    """For reading: a line for each column, a statistic beside the other."""
    statistics = list(dict.fromkeys(c.statistic for c in measured))
    found = {(c.column, c.statistic): c.estimate for c in measured}
    lines = []
    for column in dict.fromkeys(c.column for c in measured):
        estimates = {statistic: found.get((column, statistic)) for statistic in statistics}
        n = next(e.n for e in estimates.values() if e)
        lines.append({"column": column, "n": n} | {name: output.interval(e) for name, e in estimates.items()})
    return lines


def _with_means(summary: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One record for each spec and column, then the mean of each column over the specs."""
    if not summary:
        raise UsageError("several specs are summed up by their correlations, and none has a metric table")
    names = ("spec", "column", "value", "low", "high", "n", "ms")
    records = [{("spearman" if n == "value" else n): r[n] for n in names} for r in summary]
    for column in dict.fromkeys(r["column"] for r in records):
        values = [r["spearman"] for r in records if r["column"] == column]
        mean = math.fsum(values) / len(values)
        records.append({"spec": "mean", "column": column, "spearman": mean} | dict.fromkeys(("low", "high", "n", "ms")))
    return records


def estimate(plan: Plan, keys: list[str], workers: int) -> None:
    """Measure three architectures spread over the list and say how long all would take."""
    from eproxyctl.engine.columns import sections
    from eproxyctl.engine.worker import Job

    wanted = sections(plan.proxies, plan.registry)
    Job(keys[0], wanted).run(plan.context)  # what is drawn once a process does not count
    started = time.perf_counter()
    timed = keys[:: max(1, len(keys) // TIMED)][:TIMED]
    for key in timed:
        Job(key, wanted).run(plan.context)
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

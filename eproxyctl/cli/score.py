"""`eproxyctl score`: rank architectures without training them."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eproxyctl.cli import common, correlations, output
from eproxyctl.cli.failures import say
from eproxyctl.cli.output import Format
from eproxyctl.cli.progress import progress
from eproxyctl.errors import UsageError

if TYPE_CHECKING:
    from eproxyctl.runs.rows import Row
    from eproxyctl.scoring.found import Found
    from eproxyctl.scoring.plan import Plan
    from eproxyctl.scoring.run import Correlation
    from eproxyctl.workers.executors import Workers

TIMED = 3


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
    accept_versions: common.AcceptVersions = False,
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
        from eproxyctl.scoring.architectures import architectures

        keys = architectures(plan)
        if dry_run:
            estimate(plan, keys, common.cores(workers, plan.spec.device))
            continue
        folder = run or Path("runs") / plan.loaded.name / "score"
        pool = common.pool(min(common.cores(workers, plan.spec.device), len(keys)), dask, plan.spec.device)
        found, measured = _run(
            plan, keys, folder, pool, chosen, out, top, several=len(paths) > 1, accept_versions=accept_versions
        )
        failed += found.failed
        if len(paths) > 1:
            summary += correlations.summary(plan, measured, folder)
    if len(paths) > 1 and not dry_run:
        output.write(correlations.with_means(summary), chosen, out, title="Spearman by spec, 95 % intervals")
    if failed:
        say(f"{failed} architecture(s) failed; their rows say why", style="yellow")
        raise typer.Exit(1)


def _run(
    plan: Plan,
    keys: list[str],
    folder: Path,
    workers: Workers,
    chosen: Format,
    out: Path | None,
    top: int,
    *,
    several: bool,
    accept_versions: bool,
) -> tuple[Found, list[Correlation]]:
    """Score what has no row yet and report. Rows are written as they come, unless a proxy ranks them together."""
    from eproxyctl.cli.validate import resolved
    from eproxyctl.runs.directory import RunDirectory
    from eproxyctl.scoring.found import Found, together
    from eproxyctl.scoring.plan import identity

    files = {"spec.yaml": plan.loaded.text, "resolved.yaml": resolved(plan.loaded)}
    streams = not several and out is None and chosen in (Format.csv, Format.jsonl)
    as_they_come = streams and not any(together(proxy) for proxy in plan.proxies)
    found = Found(plan, keys, folder)
    with RunDirectory(folder, "score", identity(plan), files, plan.origins, accept_versions=accept_versions):
        with closing(_scored(plan, found, folder, workers)) as rows:
            if as_they_come:
                output.stream(output.lines((record(plan, found.of(i, each)) for i, each in rows), chosen))
            else:
                for _ in rows:
                    pass
        found.rank()
        measured = _measure(plan, found, folder)
        if streams and not as_they_come:
            output.stream(output.lines(_records(plan, found), chosen))
        if not several:
            _report(plan, found, measured, folder, chosen, out, top)
    return found, measured


def _scored(
    plan: Plan, found: Found, folder: Path, workers: Workers
) -> Generator[tuple[int, tuple[Row, ...]], None, None]:
    """(place, rows) of each architecture as it is done, one row a section of the plan."""
    from eproxyctl.scoring.pace import Pace
    from eproxyctl.scoring.run import score as run_score

    pace = Pace()
    with workers as pool, progress(f"scoring {plan.loaded.name}", len(found.keys), pace.left) as advance:
        for i, each in enumerate(run_score(plan, found.keys, folder, pool, pace)):
            advance()
            found.add(i, each)
            yield i, each


def _records(plan: Plan, found: Found) -> Iterator[dict[str, Any]]:
    return (record(plan, rows) for _, rows in found.rows())


def record(plan: Plan, rows: Sequence[Row]) -> dict[str, Any]:
    """An architecture as a person or program reads it, from its row of each proxy."""
    from eproxyctl.scoring.run import names

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


def _measure(plan: Plan, found: Found, folder: Path) -> list[Correlation]:
    """The correlations; they and the scores are in the run directory when this returns."""
    from eproxyctl.runs import files
    from eproxyctl.scoring import results
    from eproxyctl.scoring import run as scoring

    excluded = scoring.tuned(plan, found.keys)
    measured = scoring.correlations(plan, found, excluded=frozenset(excluded))
    table = [output.plain(correlations.as_record(c)) for c in measured]
    files.write(folder / "correlations.json", json.dumps(table, indent=2) + "\n")
    results.write(plan, found, folder, excluded)
    if excluded:
        say(f"{len(excluded)} architecture(s) equal one the proxy was tuned on and are excluded from the correlations")
    if found.bad and plan.table:
        say(f"{found.bad} architecture(s) diverged or failed; they rank last")
    return measured


def _report(
    plan: Plan,
    found: Found,
    measured: Sequence[Correlation],
    folder: Path,
    chosen: Format,
    out: Path | None,
    top: int,
) -> None:
    """Write rows, where they were not streamed, and correlations."""
    if chosen is Format.json:
        rest = {"correlations": [output.plain(correlations.as_record(c)) for c in measured]}
        output.emit(output.document("rows", _records(plan, found), rest), out)
    elif chosen is Format.table:
        text = _table(plan, found, top)
        if measured:
            text += "\n" + output.table(correlations.by_column(measured), correlations.TITLE)
        output.emit(text, out)
        say(f"all rows: {folder}", always=False)
    else:
        if out is not None:
            output.emit(output.lines(_records(plan, found), chosen), out)
        if measured:
            say(output.table(correlations.by_column(measured), correlations.TITLE).rstrip(), always=False)


def _table(plan: Plan, found: Found, top: int) -> str:
    """The best by the first proxy's rank; only their rows are read."""
    order = found.best_first()[:top]
    records = {i: record(plan, rows) for i, rows in found.rows(frozenset(order))}
    shown = []
    for rank, i in enumerate(order, start=1):
        values = records[i]
        del values["trace"]
        if not found.failed:
            del values["cause"]
        shown.append({"rank": rank, **values})
    by = "" if len(found.scores) == 1 else f" by {list(shown[0])[2]}"
    return output.table(shown, f"{plan.loaded.name}: {len(found.keys)} architectures, best first{by}")


def estimate(plan: Plan, keys: list[str], workers: int) -> None:
    """Measure three architectures spread over the list and say how long all would take."""
    from eproxyctl.scoring.columns import sections
    from eproxyctl.scoring.worker import Job

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

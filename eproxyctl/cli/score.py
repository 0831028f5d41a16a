"""`eproxyctl score`: rank architectures without training them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eproxyctl.cli import common, correlations, output
from eproxyctl.cli.failures import say
from eproxyctl.cli.output import Format
from eproxyctl.cli.progress import bars
from eproxyctl.errors import UsageError
from eproxyctl.runs.tabular import plain

if TYPE_CHECKING:
    from eproxyctl.scoring.run import Scores
    from eproxyctl.spec.request import Request


def score_command(
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
    flags = common.flags(sets, seed, device, data, plugin_folders, no_plugins)
    paths = common.spec_paths(specs)
    if run and len(paths) > 1:
        raise UsageError("--run names one directory, and there are several specs")
    chosen = output.chosen_format(format, out)
    several = len(paths) > 1
    summary: list[dict[str, Any]] = []
    failed = 0
    for path in paths:
        request = flags.load(path)
        if dry_run:
            _estimate(request, workers)
            continue
        from eproxyctl.scoring.run import score

        streams = not several and out is None and chosen in (Format.csv, Format.jsonl)
        on_row = output.streaming(chosen) if streams else None
        with bars() as progress:
            found = score(
                request,
                run=run,
                workers=workers,
                dask=dask,
                accept_versions=accept_versions,
                progress=progress,
                on_row=on_row,
            )
        common.say_notes(found.notes)
        failed += found.failed
        if several:
            summary += correlations.scores_summary(found)
        else:
            _report(found, chosen, out, top)
    if several and not dry_run:
        output.write_records(correlations.with_means(summary), chosen, out, title="Spearman by spec, 95 % intervals")
    if failed:
        say(f"{failed} architecture(s) failed; their rows say why", style="yellow")
        raise typer.Exit(1)


def _report(found: Scores, chosen: Format, out: Path | None, top: int) -> None:
    """Write rows, where they were not streamed, and correlations."""
    measured = found.correlations
    if chosen is Format.json:
        from eproxyctl.scoring.records import correlation_record

        rest = {"correlations": [plain(correlation_record(c)) for c in measured]}
        output.emit(output.document("rows", found.records(), rest), out)
    elif chosen is Format.table:
        text = _table(found, top)
        if measured:
            text += "\n" + output.table(correlations.by_column(measured), correlations.TITLE)
        output.emit(text, out)
        say(f"all rows: {found.folder}", always=False)
    else:
        if out is not None:
            output.emit(output.record_lines(found.records(), chosen), out)
        if measured:
            say(output.table(correlations.by_column(measured), correlations.TITLE).rstrip(), always=False)


def _table(found: Scores, top: int) -> str:
    """The best by the first proxy's rank."""
    shown = []
    for record in found.top(top):
        values = dict(record)
        del values["trace"]
        if not found.failed:
            del values["cause"]
        shown.append(values)
    by = "" if len(found.columns) == 1 else f" by {next(iter(found.columns))}"
    return output.table(shown, f"{found.name}: {len(found.keys)} architectures, best first{by}")


def _estimate(request: Request, workers: int | None) -> None:
    """Measure three architectures spread over the list and say how long all would take."""
    from eproxyctl.scoring.estimating import forecast
    from eproxyctl.workers.pool import default_count

    count = default_count(request.spec.device) if workers is None else workers
    found = forecast(request)
    output.emit(
        f"{request.name}: {found.architectures} architectures, {found.each:.2f} s each, "
        f"about {_duration(found.total(count))} with {count} worker(s)\n"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

"""The command line. typer and rich live here and nowhere else; each command imports what it needs when it runs."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from eproxyctl import __version__
from eproxyctl.cli import (
    benchmark,
    compare,
    doctor,
    dps,
    draw,
    export,
    init,
    listing,
    plugins,
    report,
    runs,
    score,
    search,
    validate,
)
from eproxyctl.cli.failures import BUG, Group

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)


def _version(value: bool) -> None:
    if value:
        sys.stdout.write(f"eproxyctl {__version__}\n")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Rank neural architectures in seconds without training them, and tune the ranking to your task.

    Example: eproxyctl score --set space.architectures.sample=8
    """


app.command("init")(init.init)
app.command("benchmark")(benchmark.benchmark_command)
app.command("score")(score.score_command)
app.command("dps")(dps.dps_command)
app.command("compare")(compare.compare_command)
app.command("search")(search.search_command)
app.command("export")(export.export_command)
app.command("draw")(draw.draw_command)
app.command("report")(report.report_command)
app.command("validate")(validate.validate)
app.command("schema")(validate.schema)
app.command("list")(listing.list_kinds)
app.command("describe")(listing.describe_command)
app.command("doctor")(doctor.doctor)
app.add_typer(plugins.app, name="plugins")
app.add_typer(runs.app, name="runs")


def main() -> None:
    """The console script. What no command expected is a bug, and says so."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # where the terminal has no such character its number is written
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except Exception:  # noqa: BLE001 - the last resort
        import traceback

        traceback.print_exc()
        sys.stderr.write("error: this is a bug in eproxyctl; please report it with the lines above\n")
        sys.exit(BUG)

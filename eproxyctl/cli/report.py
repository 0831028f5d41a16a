"""`eproxyctl report`: one self-contained page from run directories."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eproxyctl.cli import output
from eproxyctl.cli.failures import say
from eproxyctl.errors import UsageError

SUFFIXES = (".html", ".htm")


def report_command(
    runs: Annotated[list[Path], typer.Argument(help="Run directories.")],
    out: Annotated[Path, typer.Option("--output", "-o", envvar="EPROXYCTL_OUTPUT", help="Write to this file.")] = Path(
        "report.html"
    ),
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Make one HTML page from run directories, finished or not: figures, pictures of architectures, what was asked.

    The page holds all it needs and loads nothing: it can be mailed, printed and read on a phone. Several runs of
    `score` are compared too.

    Example: eproxyctl report runs/quickstart/score
    """
    from eproxyctl.report import report as make

    if out.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{out} would hold HTML", hint=f"name it {out.with_suffix('.html')}")
    output.emit(make(runs), out)
    say(f"report: {out}")
    if show:
        import webbrowser

        webbrowser.open(out.resolve().as_uri())

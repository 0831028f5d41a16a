"""`eproxyctl doctor`: what is installed, and how fast it is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say


def doctor(
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Measure the speed of one core, in about ten seconds.")
    ] = True,
    format: common.FormatFlag = None,
    out: common.Output = None,
    plugin_folders: common.PluginFolders = None,
    no_plugins: common.NoPlugins = False,
) -> None:
    """Say what is installed, which devices and plugins there are, and how fast one core is.

    The measurement gives the peak of matrix products and of convolutions, how many architectures a second three
    reference networks make, and the share of the convolution peak that they reach.

    Example: eproxyctl doctor --no-measure
    """
    chosen = output.chosen_format(format, out)
    registry, _ = common.open_plugins(plugin_folders, no_plugins)
    from eproxyctl.doctor import installation as engine

    found = list(engine.facts(registry))
    if measure:
        say("measuring, about ten seconds", style="dim", always=False)
        found += engine.measured(registry)
    output.write_records([asdict(fact) for fact in found], chosen, out)

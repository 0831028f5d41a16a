"""`eproxyctl draw`: an architecture as a picture."""

from __future__ import annotations

from typing import Annotated

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say
from eproxyctl.errors import UsageError

SUFFIX = ".svg"


def draw_command(
    space: Annotated[str, typer.Argument(help="A kind of space, a spec, a space's YAML file, or a run directory.")],
    key: Annotated[str, typer.Argument(help="The architecture, in any notation the space reads.")],
    out: common.Output = None,
    data: common.Data = None,
    plugin_folders: common.PluginFolders = None,
    no_plugins: common.NoPlugins = False,
) -> None:
    """Draw an architecture as SVG: its cells or blocks as graphs, dead parts grey, and the levels of the network.

    Without --output the SVG goes to stdout. Spaces of plugins are drawn too, where they say what is in an architecture.

    Example: eproxyctl draw transnasbench101 64-41414-3_12_021 --output cell.svg
    """
    from eproxyctl.drawing import drawing, opened_space

    if out is not None and out.suffix.lower() != SUFFIX:
        raise UsageError(f"{out} would hold an SVG", hint=f"name it {out.with_suffix(SUFFIX)}")
    registry, _ = common.open_plugins(plugin_folders, no_plugins)
    found = opened_space(space, registry, data or ())
    output.emit(drawing(found.space, key, resolution=found.resolution).svg, out)
    if out is not None:
        say(f"picture: {out}", always=False)

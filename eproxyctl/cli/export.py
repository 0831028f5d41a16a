"""`eproxyctl export`: a chosen architecture as a network of its own."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Optional

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say


class ExportFormat(StrEnum):
    """What a network is written as."""

    python = "python"
    pt2 = "pt2"
    onnx = "onnx"


def export_command(
    run: Annotated[Optional[Path], typer.Argument(help="A run directory of search.", show_default=False)] = None,  # noqa: UP045
    top: Annotated[int, typer.Option("--top", min=1, help="How many of the top list.")] = 1,
    architecture: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--architecture", metavar="KEY", help="This one instead of the top list.", show_default=False),
    ] = None,
    spec: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--spec", help="Spec of its space and task, where there is no RUN.", show_default=False),
    ] = None,
    format: Annotated[
        ExportFormat, typer.Option("--format", help="Python source, torch.export or ONNX.")
    ] = ExportFormat.python,
    weights: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--weights", metavar="FILE", help="Trained weights, safetensors.", show_default=False),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output", "-o", help="Folder to write to.", show_default="RUN/export"),
    ] = None,
    sets: common.Sets = None,
    data: common.Data = None,
    plugin_folders: common.PluginFolders = None,
    no_plugins: common.NoPlugins = False,
) -> None:
    """Write the chosen network as readable Python source that needs torch only, as torch.export (.pt2) or as ONNX.

    What is written is loaded again and compared with the network that was scored. Parameters keep their names, so that
    weights of one fit the other. Without --weights pt2 and onnx hold untrained ones, drawn from the spec's seed.

    Example: eproxyctl export runs/spec/search --top 1
    """
    flags = common.flags(sets, None, None, data, plugin_folders, no_plugins)
    from eproxyctl.exporting.run import export

    written = export(
        run,
        spec=flags.load(spec) if spec else None,
        architecture=architecture,
        top=top,
        format=format.value,
        weights=weights,
        output=out,
        plugins=flags.sources.folders,
    )
    for path in written:
        output.emit(f"{path}\n")
    if format is ExportFormat.python:
        say(f"{written[0]} says how the network is loaded and what it takes", always=False)

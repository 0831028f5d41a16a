"""`eproxyctl export`: a chosen architecture as a network of its own."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say
from eproxyctl.errors import UsageError

if TYPE_CHECKING:
    from eproxyctl.export import Subject


class ExportFormat(StrEnum):
    """What a network is written as."""

    python = "python"
    pt2 = "pt2"
    onnx = "onnx"


def export(
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
    from eproxyctl import export as exporting

    if (run is None) == (spec is None):
        raise UsageError("name a run of search, or --spec SPEC --architecture KEY", hint="eproxyctl runs lists runs")
    if spec and not architecture:
        raise UsageError("--spec names a space, and no architecture", hint="add --architecture KEY")
    if weights and top > 1:
        raise UsageError("--weights fit one architecture, and --top asks for several")
    request = common.request(sets, None, None, data, plugin_folders, no_plugins)
    if run:
        subject, keys = exporting.read_run(run, request.registry)
        folder = out or run / "export"
    else:
        assert spec is not None
        subject, keys = _of_spec(request, spec), []
        folder = out or Path("runs") / spec.stem / "export"
    if architecture:
        chosen = {"network": subject.space.parse(architecture)}
    elif top > len(keys):
        raise UsageError(f"--top {top}, and {run} has {len(keys)}", hint=f"--top {len(keys)}")
    else:
        chosen = {f"top{i}": key for i, key in enumerate(keys[:top], start=1)}
    values = exporting.read_weights(weights) if weights else None
    for name, key in chosen.items():
        one = replace(subject, key=key)
        for path in exporting.export(one, folder, name, format.value, values):
            output.emit(f"{path}\n")
    if format is ExportFormat.python:
        say(f"{folder / next(iter(chosen))}.py says how the network is loaded and what it takes", always=False)


def _of_spec(request: common.Request, path: Path) -> Subject:
    """The space and task of a spec; its architecture is still to be named."""
    from eproxyctl.export import Subject

    loaded = request.load(path)
    space = request.registry.create("space", loaded.spec.space)
    task = request.registry.create("task", loaded.spec.task)
    return Subject(space, "", task.shape, task.outputs, loaded.spec.seed, task)

"""`eproxyctl validate` and `eproxyctl schema`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say, show
from eproxyctl.errors import EproxyError, SpecError
from eproxyctl.spec.models import json_schema
from eproxyctl.spec.resolved import resolved

if TYPE_CHECKING:
    from eproxyctl.spec.request import Request


def validate(
    specs: common.Specs = None,
    show_resolved: Annotated[
        bool, typer.Option("--resolved", help="Print every value and where it came from.")
    ] = False,
    no_data: Annotated[
        bool, typer.Option("--no-data", help="Check the spec alone, not the files, tables and keys that it names.")
    ] = False,
    sets: common.Sets = None,
    seed: common.SeedFlag = None,
    device: common.DeviceFlag = None,
    data: common.Data = None,
    plugin_folders: common.PluginFolders = None,
    no_plugins: common.NoPlugins = False,
) -> None:
    """Check specs: every problem at once, with its line; then that the files they name are there, that their metric
    tables can be read, and that the architectures are of the space. Nothing is built or trained.

    Example: eproxyctl validate --resolved
    """
    flags = common.flags(sets, seed, device, data, plugin_folders, no_plugins)
    codes = set()
    for path in common.spec_paths(specs):
        try:
            request = flags.load(path)
        except SpecError as error:
            show(error)
            codes.add(error.exit_code)
            continue
        common.say_notes(request.loaded.notes)
        wrong = [] if no_data else _check_data(request)
        codes.update(error.exit_code for error in wrong)
        if show_resolved:
            output.emit(resolved(request.loaded))
        elif not wrong:
            say(f"{path}: valid", style="green")
    if codes:
        raise typer.Exit(min(codes))


def _check_data(request: Request) -> Sequence[EproxyError]:
    from eproxyctl.scoring.checking import check_data

    found = check_data(request)
    for error in found.errors:
        show(error)
    common.say_notes(found.notes)
    return found.errors


def schema(plugin_folders: common.PluginFolders = None, no_plugins: common.NoPlugins = False) -> None:
    """Print the JSON Schema of a spec, plugins included, for an editor's completion.

    A spec that starts with `# yaml-language-server: $schema=schema.json` is completed and checked while typing.

    Example: eproxyctl schema
    """
    registry, _ = common.open_plugins(plugin_folders, no_plugins)
    output.emit(json.dumps(json_schema(registry), indent=2) + "\n")

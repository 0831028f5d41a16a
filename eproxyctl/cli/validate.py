"""`eproxyctl validate` and `eproxyctl schema`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say, show
from eproxyctl.errors import SpecError
from eproxyctl.spec.models import json_schema
from eproxyctl.spec.resolved import resolved


def validate(
    specs: common.Specs = None,
    show_resolved: Annotated[
        bool, typer.Option("--resolved", help="Print every value and where it came from.")
    ] = False,
    sets: common.Sets = None,
    seed: common.SeedFlag = None,
    device: common.DeviceFlag = None,
    data: common.Data = None,
    plugin_folders: common.PluginFolders = None,
    no_plugins: common.NoPlugins = False,
) -> None:
    """Check specs: every problem at once, with its line. Nothing is built or run.

    Example: eproxyctl validate --resolved
    """
    flags = common.flags(sets, seed, device, data, plugin_folders, no_plugins)
    bad = 0
    for path in common.spec_paths(specs):
        try:
            loaded = flags.load(path).loaded
        except SpecError as error:
            show(error)
            bad += 1
            continue
        common.say_notes(loaded.notes)
        if show_resolved:
            output.emit(resolved(loaded))
        else:
            say(f"{path}: valid", style="green")
    if bad:
        raise typer.Exit(SpecError.exit_code)


def schema(plugin_folders: common.PluginFolders = None, no_plugins: common.NoPlugins = False) -> None:
    """Print the JSON Schema of a spec, plugins included, for an editor's completion.

    A spec that starts with `# yaml-language-server: $schema=schema.json` is completed and checked while typing.

    Example: eproxyctl schema
    """
    registry, _ = common.open_plugins(plugin_folders, no_plugins)
    output.emit(json.dumps(json_schema(registry), indent=2) + "\n")

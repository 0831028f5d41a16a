"""`eproxyctl validate` and `eproxyctl schema`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say, show
from eproxyctl.errors import SpecError
from eproxyctl.spec.loading import Loaded
from eproxyctl.spec.models import json_schema


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
    request = common.request(sets, seed, device, data, plugin_folders, no_plugins)
    bad = 0
    for path in common.spec_paths(specs):
        try:
            loaded = request.load(path)
        except SpecError as error:
            show(error)
            bad += 1
            continue
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


def resolved(loaded: Loaded) -> str:
    """The spec with every value, as YAML, and where each came from."""
    lines = list(_lines(loaded, loaded.spec.model_dump(mode="json"), ()))
    width = min(60, max(len(text) for text, _ in lines))
    return "".join(
        f"{text:<{width}}  # {origin}".rstrip(" #") + "\n" if origin else f"{text}\n" for text, origin in lines
    )


def _lines(loaded: Loaded, value: dict[str, Any], path: tuple[str | int, ...]) -> Iterator[tuple[str, str]]:
    indent = "  " * len(path)
    for name in sorted(value, key=lambda n: n != "kind"):
        item, here = value[name], (*path, name)
        if isinstance(item, dict) and item:
            yield f"{indent}{name}:", ""
            yield from _lines(loaded, item, here)
        else:
            yield f"{indent}{name}: {json.dumps(item, ensure_ascii=False)}", loaded.origin(here)

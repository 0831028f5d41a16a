"""`eproxyctl plugins`: what is loaded from where, and a working one to start from."""

from __future__ import annotations

import re
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from eproxyctl.cli import common, output
from eproxyctl.cli.failures import say
from eproxyctl.errors import UsageError

app = typer.Typer()


class Template(StrEnum):
    """What can be written."""

    task = "task"
    space = "space"
    proxy = "proxy"


@app.callback(invoke_without_command=True)
def list_plugins(
    context: typer.Context,
    format: common.FormatFlag = None,
    plugin_folders: common.PluginFolders = None,
    no_plugins: common.NoPlugins = False,
) -> None:
    """List the plugins that were found, what each defines, and what is wrong with the broken ones.

    Example: eproxyctl plugins
    """
    if context.invoked_subcommand:
        return
    registry, _ = common.open_plugins(plugin_folders, no_plugins)
    records: list[dict[str, Any]] = []
    for origin in registry.origins:
        if not origin.builtin:
            kinds = [f"{e.section} {e.kind}" for e in registry.entries.values() if e.origin == origin]
            records.append(_record(origin.name, origin.path, "ok", ", ".join(kinds), origin.sha256))
    for broken in registry.broken:
        origin = broken.origin
        records.append(_record(origin.name, broken.where, "broken", broken.cause, origin.sha256))
    if not records:
        say("no plugins found; `eproxyctl plugins new task NAME` writes one", always=False)
    output.write_records(records, output.chosen_format(format, None))


def _record(name: str, origin: str, status: str, defines: str, sha256: str) -> dict[str, Any]:
    return {"plugin": name, "origin": origin, "status": status, "defines": defines, "sha256": sha256[:12]}


@app.command("new")
def new(
    what: Annotated[Template, typer.Argument(help="What it defines.")],
    name: Annotated[str, typer.Argument(help="Its kind, and the file's name.")],
    folder: Annotated[Path, typer.Option("--folder", help="Where to write it.")] = Path("plugins"),
) -> None:
    """Write a working plugin and its test.

    Example: eproxyctl plugins new task thermal
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(f"'{name}' is no name for a plugin", hint="lower-case letters, digits and underscores")
    templates = files("eproxyctl") / "data" / "templates"
    targets = {folder / f"{name}.py": f"{what.value}.py.txt", folder / f"test_{name}.py": f"test_{what.value}.py.txt"}
    for target in targets:
        if target.exists():
            raise UsageError(f"{target} exists", hint="choose another name, or remove it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for target, template in targets.items():
            text = (templates / template).read_text("utf-8")
            title = "".join(part.title() for part in name.split("_"))
            target.write_text(text.replace("@name@", name).replace("@Title@", title), "utf-8")
            output.emit(f"{target}\n")
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}") from None
    say(f"next: eproxyctl describe {what.value} {name} --plugins {folder}; pytest {folder}", always=False)

"""`eproxyctl list` and `eproxyctl describe`."""

from __future__ import annotations

import inspect
import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from eproxyctl.cli import common, output
from eproxyctl.contracts import Trainable
from eproxyctl.registry import Entry, Registry, Section


class What(StrEnum):
    """What can be listed."""

    spaces = "spaces"
    tasks = "tasks"
    proxies = "proxies"
    blocks = "blocks"
    all = "all"


class One(StrEnum):
    """What can be described."""

    space = "space"
    task = "task"
    proxy = "proxy"
    block = "block"


PLURAL: dict[str, Section] = {"spaces": "space", "tasks": "task", "proxies": "proxy", "blocks": "block"}


def list_kinds(
    what: Annotated[What, typer.Argument(help="Which.")] = What.all,
    format: common.FormatFlag = None,
    plugin_folders: common.PluginFolders = None,
    no_plugins: common.NoPlugins = False,
) -> None:
    """List the spaces, tasks, proxies and blocks that a spec can name, built-in and from plugins.

    Example: eproxyctl list spaces
    """
    registry, _ = common.open_plugins(plugin_folders, no_plugins)
    sections = tuple(PLURAL.values()) if what is What.all else (PLURAL[what.value],)
    records = [_summary(entry) for section in sections for entry in registry.of(section)]
    output.write_records(records, output.chosen_format(format, None))


def _summary(entry: Entry) -> dict[str, Any]:
    record: dict[str, Any] = {"section": entry.section, "kind": entry.kind, "origin": _origin(entry)}
    record["description"] = (inspect.getdoc(entry.cls) or "").split("\n")[0]
    return record


def _origin(entry: Entry) -> str:
    return "built-in" if entry.origin.builtin else entry.origin.path


def describe_command(
    section: Annotated[One, typer.Argument(help="What it is.")],
    kind: Annotated[str, typer.Argument(help="Its name.")],
    plugin_folders: common.PluginFolders = None,
    no_plugins: common.NoPlugins = False,
) -> None:
    """Say what a space, task, proxy or block is, and what its options are.

    Example: eproxyctl describe space nasbench201
    """
    registry, _ = common.open_plugins(plugin_folders, no_plugins)
    entry = registry.get(section.value, kind)
    lines = [inspect.getdoc(entry.cls) or "", "", f"origin   {_origin(entry)}"]
    lines += _facts(registry, entry)
    records = list(_options(entry.options.model_json_schema()))
    output.emit("\n".join(lines) + "\n\n" + output.table(records, "Options"))


def _facts(registry: Registry, entry: Entry) -> list[str]:
    """What else a space, a task or a proxy has to say."""
    if entry.section == "task" and issubclass(entry.cls, Trainable):
        better = "higher" if entry.cls.metric_goal == "maximize" else "lower"
        return [f"metric   {entry.cls.metric}, {better} is better; `eproxyctl benchmark` trains networks on it"]
    if entry.section == "proxy":
        needs = entry.cls.needs
        labels = "needs labels" if needs.labels else "label-free"
        return [f"ranks    {'higher' if entry.cls.higher_is_better else 'lower'} is better; {labels}"]
    if entry.section != "space":
        return []
    space = registry.create("space", entry.options.model_validate({"kind": entry.kind}))
    size = space.size()
    lines = [f"size     {size:,} architectures" if size else "size     open"]
    if space.example:
        lines.append(f"example  {space.example}")
    if space.source:
        lines.append(f"source   {space.source}")
    choices = [f"{name}: {' | '.join(map(str, options))}" for name, options in space.parameters().items()]
    shown = choices if len(choices) <= 12 else [*choices[:12], f"… and {len(choices) - 12} more"]
    return [*lines, "", "Choices", *(f"  {line}" for line in shown)]


def _options(schema: dict[str, Any], prefix: str = "") -> list[dict[str, Any]]:
    """Every option with its type, default and description, nested ones dotted."""
    definitions = schema.get("$defs", {})
    records = []
    for name, part in schema.get("properties", {}).items():
        if name in ("kind", "provenance") and not prefix:
            continue
        target = definitions.get(part.get("$ref", "").rsplit("/", 1)[-1])
        if target and target.get("properties"):
            records += _options({**target, "$defs": definitions}, f"{prefix}{name}.")
            continue
        default = json.dumps(part["default"], ensure_ascii=False) if "default" in part else "required"
        records.append(
            {
                "option": prefix + name,
                "type": _type(part, definitions),
                "default": default if len(default) <= 40 else default[:39] + "…",
                "description": part.get("description", ""),
            }
        )
    return records


def _type(part: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in part:
        name = part["$ref"].rsplit("/", 1)[-1]
        target = definitions[name]
        return _type(target, definitions) if "enum" in target or "const" in target else name
    if "enum" in part:
        return "|".join(map(str, part["enum"]))
    if "const" in part:
        return str(part["const"])
    if "discriminator" in part:
        return "|".join(part["discriminator"]["mapping"])
    options = [_type(option, definitions) for option in part.get("anyOf", []) if option.get("type") != "null"]
    return "|".join(options) or str(part.get("type", "any"))

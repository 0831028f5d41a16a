"""The reference pages, made from the code when the documentation is built: no option is typed by hand.

mkdocs runs `on_files` as a hook. `pages` gives the text of each generated page by its path under `docs/`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import typer

from eproxyctl.cli.listing import PLURAL, _facts, _options
from eproxyctl.contracts import Options
from eproxyctl.plugins import Sources, load_plugins
from eproxyctl.registry import Entry, Registry
from eproxyctl.spec.models import DpsOptions, SearchOptions, Spec, TrainOptions

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

NOTE = "Made from the code when these pages are built.\n\n"
SECTIONS: tuple[tuple[str, type[Options]], ...] = (
    ("dps", DpsOptions),
    ("search", SearchOptions),
    ("train", TrainOptions),
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def pages() -> dict[str, str]:
    """Markdown of every generated page, by its path under `docs/`."""
    registry = load_plugins(Sources((), installed=False))
    found = {"reference/commands.md": commands(), "reference/spec.md": spec()}
    for plural, section in PLURAL.items():
        kinds = "\n".join(kind(registry, entry) for entry in registry.of(section))
        found[f"reference/{plural}.md"] = f"# {plural.title()}: kinds and options\n\n{NOTE}{kinds}"
    return found


def commands() -> str:
    """Every command with its arguments and options, as its `--help` has them."""
    return f"# Commands\n\n{NOTE}" + "\n".join(command(name, found) for name, found in leaves())


def leaves() -> Iterator[tuple[str, Any]]:
    """(`runs show`, the command) of every command, groups that are commands too included."""
    from eproxyctl.cli import app

    for name, found in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        yield name, found
        for below, inner in getattr(found, "commands", {}).items():
            yield f"{name} {below}", inner


def command(name: str, found: Any) -> str:
    """One command."""
    lines = [f"## {name}", "", _prose(found.help or ""), ""]
    context = typer.Context(found)
    rows = [_parameter(p, context) for p in found.params if p.name != "help" and not p.hidden]
    if rows:
        lines += ["| | takes | default | variable | |", "|---|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _parameter(p: Any, context: Any) -> str:
    option = p.param_type_name == "option"
    names = ", ".join(f"`{name}`" for name in p.opts) if option else f"`{p.metavar or p.name.upper()}`"
    takes = "" if getattr(p, "is_flag", False) else (option and p.metavar) or p.display_type_rich(ctx=context)
    return _row(names, _code(takes), _default(p), _code(p.envvar), p.help or "")


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _default(p: Any) -> str:
    shown = getattr(p, "show_default", None)
    if isinstance(shown, str):
        return _code(shown)
    if p.required:
        return "required"
    return "" if p.default is None or p.default is False or shown is False else _code(_word(p.default))


def _word(value: Any) -> str:
    return str(getattr(value, "value", value))


def _prose(text: str) -> str:
    """Help as Markdown: its example is a command to be copied."""
    text = re.sub(r"\n(?=\S)", "\n", inspect.cleandoc(text))
    return re.sub(r"(?m)^Example: (.+)$", r"```sh\n\1\n```", text)


def spec() -> str:
    """The sections of a spec that no plugin extends."""
    top = {name: part for name, part in Spec.model_json_schema()["properties"].items() if name not in _nested()}
    lines = ["# Spec", "", NOTE.strip(), "", "`eproxyctl schema` prints the whole as JSON Schema. The options of"]
    lines += [
        "[spaces](spaces.md), [tasks](tasks.md), [proxies](proxies.md) and [blocks](blocks.md) have their own pages.",
        "",
    ]
    lines += ["## The top level", "", *_table(_options({"properties": top}))]
    for name, model in SECTIONS:
        lines += [f"## {name}", "", _doc(model), "", *_table(_options(model.model_json_schema()))]
    return "\n".join(lines)


def _nested() -> set[str]:
    return {"space", "task", "proxy"} | {name for name, _ in SECTIONS}


def kind(registry: Registry, entry: Entry) -> str:
    """What `eproxyctl describe` says of one kind."""
    facts = "\n".join(_facts(registry, entry))
    lines = [f"## {entry.kind}", "", _doc(entry.cls), ""]
    if facts:
        lines += ["```text", facts, "```", ""]
    return "\n".join([*lines, *_table(_options(entry.options.model_json_schema()))])


def _doc(cls: type) -> str:
    return inspect.getdoc(cls) or ""


def _table(records: Iterator[Mapping[str, Any]]) -> list[str]:
    rows = [_row(f"`{r['option']}`", str(r["type"]), f"`{r['default']}`", str(r["description"])) for r in records]
    return ["| option | type | default | |", "|---|---|---|---|", *rows, ""] if rows else []


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"

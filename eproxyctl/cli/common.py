"""Options that several commands share, and the way from them to a loaded spec."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from eproxyctl import plugins
from eproxyctl.cli.failures import say
from eproxyctl.cli.output import Format
from eproxyctl.errors import UsageError
from eproxyctl.spec.loading import Override, load_spec, quickstart
from eproxyctl.spec.request import Request, assigned

if TYPE_CHECKING:
    from eproxyctl.registry import Registry

DEFAULT_PLUGINS = Path("plugins")
DEFAULT_SPEC = Path("spec.yaml")

Specs = Annotated[Optional[list[Path]], typer.Argument(help="Spec files.", show_default=False)]  # noqa: UP045 - typer
OneSpec = Annotated[Optional[Path], typer.Argument(help="Spec file.", show_default=False)]  # noqa: UP045
Sets = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--set", metavar="PATH=VALUE", help="Override a field of the spec; repeatable.", show_default=False),
]
SeedFlag = Annotated[
    int | None, typer.Option("--seed", envvar="EPROXYCTL_SEED", help="Override the seed.", show_default=False)
]
DeviceFlag = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--device",
        envvar="EPROXYCTL_DEVICE",
        help="Override the device: cpu, cuda:N, or cuda: the devices there are, one worker each.",
        show_default=False,
    ),
]
Data = Annotated[
    Optional[list[Path]],  # noqa: UP045
    typer.Option(
        "--data", envvar="EPROXYCTL_DATA", help="Folder in which relative paths are looked up too.", show_default=False
    ),
]
PluginFolders = Annotated[
    Optional[list[Path]],  # noqa: UP045
    typer.Option(
        "--plugins", envvar="EPROXYCTL_PLUGINS", help="Folder of plugin files; repeatable.", show_default="./plugins"
    ),
]
NoPlugins = Annotated[bool, typer.Option("--no-plugins", envvar="EPROXYCTL_NO_PLUGINS", help="Load no plugins at all.")]
WorkersFlag = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(
        "--workers",
        "-j",
        min=0,
        envvar="EPROXYCTL_WORKERS",
        help="Processes; 0: this one.",
        show_default="one a core, or a CUDA device",
    ),
]
DaskFlag = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--dask",
        metavar="ADDRESS|local",
        envvar="EPROXYCTL_DASK",
        help="Run on a Dask cluster: a scheduler's address, or `local`. Use one you trust: it runs what it is sent.",
        show_default=False,
    ),
]
FormatFlag = Annotated[
    Optional[Format],  # noqa: UP045
    typer.Option(
        "--format", envvar="EPROXYCTL_FORMAT", help="How to write.", show_default="table on a terminal, else csv"
    ),
]
Output = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--output", "-o", envvar="EPROXYCTL_OUTPUT", help="Write to this file.", show_default=False),
]
Storage = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--storage",
        envvar="EPROXYCTL_STORAGE",
        help="Database, so that many processes work on one study, each with its own --run: "
        "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, or sqlite:///FILE on one machine. Trials of processes that "
        "died are done by others. Without it trials are kept in a journal file, which is for one process: it could not "
        "tell the dead from the living.",
        show_default=False,
    ),
]
PickFlag = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--pick",
        metavar="random|spread",
        help="Which architectures get labels: drawn, or spread over the structure read from their keys.",
        show_default="random",
    ),
]
Run = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--run", envvar="EPROXYCTL_RUN", help="Run directory.", show_default="runs/<spec>/<command>"),
]

AcceptVersions = Annotated[
    bool,
    typer.Option(
        "--accept-versions",
        envvar="EPROXYCTL_ACCEPT_VERSIONS",
        help="Continue a run whose rows were made by another eproxyctl, torch or numpy.",
    ),
]


CARRIED = ("space", "task", "train", "seed", "device")
"""Sections whose --set the next command needs too."""


@dataclass(frozen=True)
class Flags:
    """The plugins and overrides of one command."""

    registry: Registry
    sources: plugins.Sources
    overrides: tuple[Override, ...]
    data: tuple[Path, ...]
    carried: tuple[str, ...]
    """What the next command needs too, as it is written after its spec."""

    def overriding(self, flag: str, path: str, value: object) -> Flags:
        """With one more override, where a flag was given."""
        if value is None:
            return self
        return replace(self, overrides=(*self.overrides, Override(flag, path, str(value))))

    def load(self, path: Path) -> Request:
        """A spec, as the flags change it."""
        return Request(load_spec(path, self.registry, self.overrides, self.data), self.registry, self.sources)


def open_plugins(folders: Sequence[Path] | None, none: bool) -> tuple[Registry, plugins.Sources]:
    """The registry; the default folder is announced, broken plugins are warned of."""
    if none and folders:
        raise UsageError("--plugins and --no-plugins exclude each other")
    sources = plugins.Sources((), installed=False)
    if not none:
        sources = plugins.Sources(plugins.folders(folders or (), DEFAULT_PLUGINS))
        if sources.folders and not folders:
            say(f"plugins from {DEFAULT_PLUGINS}{os.sep}", style="dim", always=False)
    registry = plugins.load_plugins(sources)
    for broken in registry.broken:
        say(f"warning: plugin {broken.where}: {broken.cause}", style="yellow")
    for (section, kind), origins in registry.clashes.items():
        paths = " and ".join(origin.path for origin in origins)
        say(f"warning: {section} '{kind}' is defined twice: in {paths}; neither is used", style="yellow")
    return registry, sources


def flags(
    sets: Sequence[str] | None,
    seed: int | None,
    device: str | None,
    data: Sequence[Path] | None,
    folders: Sequence[Path] | None,
    no_plugins: bool,
) -> Flags:
    """Gather the shared options. A flag for one field wins over --set, which wins over the spec."""
    overrides = [assigned(f"--set[{i}]", text) for i, text in enumerate(sets or ())]
    if seed is not None:
        overrides.append(Override("--seed", "seed", str(seed)))
    if device is not None:
        overrides.append(Override("--device", "device", device))
    registry, sources = open_plugins(folders, no_plugins)
    named = {"seed": seed, "device": device}
    changes = [text for text in sets or () if text.partition("=")[0].partition(".")[0].strip() in CARRIED]
    changes += [f"{name}={value}" for name, value in named.items() if value is not None]
    pairs = [("--data", data or ()), ("--plugins", folders or ()), ("--set", changes)]
    carried = [word for flag, values in pairs for value in values for word in (flag, str(value))]
    carried += ["--no-plugins"] if no_plugins else []
    return Flags(registry, sources, tuple(overrides), tuple(data or ()), tuple(carried))


def say_notes(notes: Sequence[str]) -> None:
    """What a verb has to say besides its result."""
    for note in notes:
        say(note, style="yellow")


def command(*words: object) -> str:
    """A command to be copied into a shell."""
    return shlex.join(["eproxyctl", *map(str, words)])


def spec_paths(specs: Sequence[Path] | None) -> list[Path]:
    """The specs named, else $EPROXYCTL_SPEC, else ./spec.yaml, else the built-in quickstart."""
    if specs:
        return list(specs)
    named = os.environ.get("EPROXYCTL_SPEC")
    if named:
        return [Path(named)]
    if DEFAULT_SPEC.exists():
        return [DEFAULT_SPEC]
    say("no spec named and no ./spec.yaml: using the built-in quickstart", style="dim")
    return [quickstart()]

"""Built-ins, plugin files and installed plugins → a registry.

A plugin is a Python file in a folder the person names, or an entry point of the group `eproxyctl.plugins`. A spec never
names code to run. A broken plugin is noted, and stops a command only if the spec needs it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from eproxyctl.errors import UsageError
from eproxyctl.registry import Broken, Origin, Registry
from eproxyctl.spaces.blocks import BLOCK_MODULES

GROUP = "eproxyctl.plugins"
BUILTINS = (
    *BLOCK_MODULES,
    "eproxyctl.spaces.declared.space",
    "eproxyctl.spaces.darts",
    "eproxyctl.spaces.mobilenet",
    "eproxyctl.spaces.nasbench101",
    "eproxyctl.spaces.nasbench201",
    "eproxyctl.spaces.nasbench_mr",
    "eproxyctl.spaces.nasbench_nlp",
    "eproxyctl.spaces.nds_cells",
    "eproxyctl.spaces.nds_residual",
    "eproxyctl.spaces.transnasbench101",
    "eproxyctl.tasks.images",
    "eproxyctl.tasks.regression",
    "eproxyctl.tasks.segmentation",
    "eproxyctl.tasks.self_supervised",
    "eproxyctl.tasks.sequences",
    "eproxyctl.tasks.volumes",
    "eproxyctl.proxies.activations",
    "eproxyctl.proxies.aznas",
    "eproxyctl.proxies.ensemble",
    "eproxyctl.proxies.eproxy",
    "eproxyctl.proxies.few_shot",
    "eproxyctl.proxies.saliency",
    "eproxyctl.proxies.size",
    "eproxyctl.proxies.zico",
)
KIND = re.compile(r"""^\s+kind\s*(?::[^=]+)?=\s*["']([^"']+)["']""", re.MULTILINE)


@dataclass(frozen=True)
class Sources:
    """Where plugins are looked for; picklable, so that workers load the same files.

    Attributes:
        folders: each holds plugin files.
        installed: whether entry points are loaded.
        moved: (path, its copy here) of what options name, on another machine.
    """

    folders: tuple[str, ...] = ()
    installed: bool = True
    moved: tuple[tuple[str, str], ...] = ()


def load_plugins(sources: Sources) -> Registry:
    """Built-ins first, then entry points, then files by folder and name."""
    registry = Registry(moved=dict(sources.moved))
    for name in BUILTINS:
        module = importlib.import_module(name)
        registry.add_module(
            module, Origin(name, str(module.__file__), _sha256(Path(str(module.__file__))), builtin=True)
        )
    if sources.installed:
        for point in sorted(entry_points(group=GROUP), key=lambda p: p.name):
            _add_entry_point(registry, point)
    for folder in sources.folders:
        if not Path(folder).is_dir():
            raise UsageError(f"no plugin folder {folder}")
        for path in sorted(Path(folder).glob("*.py")):
            if not path.name.startswith(("_", "test_")):
                _add_file(registry, path)
    return registry


def _add_entry_point(registry: Registry, point: EntryPoint) -> None:
    origin = Origin(point.name, point.value, "")
    try:
        module = importlib.import_module(point.module)
        origin = Origin(point.name, point.value, _sha256(Path(str(module.__file__))))
        registry.add_module(module, origin)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin raises is its own fault, and reported as such
        registry.broken.append(Broken(origin, point.value, _cause(error)))


def _add_file(registry: Registry, path: Path) -> None:
    text = path.read_bytes()
    origin = Origin(path.stem, str(path), hashlib.sha256(text).hexdigest())
    try:
        registry.add_module(import_file(path), origin)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin raises is its own fault, and reported as such
        kinds = tuple(KIND.findall(text.decode(errors="replace")))
        registry.broken.append(Broken(origin, _where(error, path), _cause(error), kinds))


def import_file(path: Path) -> ModuleType:
    """Run a plugin file as a module of its own name space."""
    name = f"eproxyctl_plugin_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _where(error: BaseException, path: Path) -> str:
    """file:line in the plugin at which it failed."""
    own = str(path.resolve())
    if isinstance(error, SyntaxError) and error.filename and str(Path(error.filename).resolve()) == own:
        return f"{path}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if str(Path(frame.filename).resolve()) == own]
    return f"{path}:{lines[-1]}" if lines else str(path)


def _cause(error: BaseException) -> str:
    first = str(error).splitlines()[:1]
    return f"{type(error).__name__}: {first[0]}" if first else type(error).__name__


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def folders(named: Sequence[Path], default: Path) -> tuple[str, ...]:
    """The folders to read: those named, else the default one where it exists."""
    return tuple(map(str, named)) or ((str(default),) if default.is_dir() else ())

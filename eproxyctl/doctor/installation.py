"""What this installation is: versions, devices, threads, plugins, cache, and how fast it is."""

from __future__ import annotations

import ast
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from eproxyctl.doctor import speed as measure
from eproxyctl.registry import Registry
from eproxyctl.workers.devices import cores, one_thread

PACKAGES = ("eproxyctl", "torch", "numpy", "scipy", "optuna", "pydantic", "scikit-learn", "typer")
OPTIONAL = {
    "distributed": "distributed",
    "psycopg": "distributed",
    "plotly": "report",
    "onnx": "export",
    "onnxscript": "export",
    "safetensors": "export",
}
"""Packages of the extras, by package."""


@dataclass(frozen=True)
class Fact:
    """One line of what was found.

    Attributes:
        topic: `version`, `device`, `threads`, `plugin`, `cache` or `measured`.
        value: None where there is none.
        note: what to make of it, or to do.
    """

    topic: str
    name: str
    value: str | int | float | None
    unit: str = ""
    note: str = ""


def facts(registry: Registry) -> Iterator[Fact]:
    """Everything that needs no measuring."""
    yield Fact("version", "python", platform.python_version())
    for name in PACKAGES:
        yield Fact("version", name, _version(name))
    for name, extra in OPTIONAL.items():
        found = _version(name)
        note = "" if found else f"optional: pip install 'eproxyctl[{extra}]'"
        yield Fact("version", name, found, note=note)
    yield from _devices()
    yield from _plugins(registry)
    yield _cache()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _devices() -> Iterator[Fact]:
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    yield Fact("device", "cpu", platform.machine(), note=f"torch uses {capability}")
    for i in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(i).total_memory / 2**30
        yield Fact("device", f"cuda:{i}", torch.cuda.get_device_name(i), note=f"{memory:.0f} GiB")
    yield Fact("threads", "cores", cores(), note="workers by default, one a core")
    yield Fact("threads", "of a worker", 1, note="always: results do not depend on the machine's cores")


def _plugins(registry: Registry) -> Iterator[Fact]:
    for origin in registry.origins:
        if not origin.builtin:
            kinds = [f"{e.section} {e.kind}" for e in registry.entries.values() if e.origin == origin]
            note = "imports torch at its top, which slows every command: import it where it is used"
            yield Fact("plugin", origin.name, ", ".join(kinds), note=note if imports_torch(origin.path) else "")
    for broken in registry.broken:
        yield Fact("plugin", broken.origin.name, "broken", note=f"{broken.where}: {broken.cause}")


def imports_torch(path: str) -> bool:
    """Whether a plugin file imports torch when it is read; False for an installed module."""
    if not Path(path).is_file():
        return False
    return any(_imports_torch(node) for node in ast.parse(Path(path).read_bytes()).body)


def _imports_torch(node: ast.stmt) -> bool:
    """Functions run later, and what is under TYPE_CHECKING never; a class body runs at once."""
    if isinstance(node, ast.Import):
        return any(name.name.partition(".")[0] == "torch" for name in node.names)
    if isinstance(node, ast.ImportFrom):
        return not node.level and (node.module or "").partition(".")[0] == "torch"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        return any(map(_imports_torch, node.orelse))
    return any(isinstance(child, ast.stmt) and _imports_torch(child) for child in ast.iter_child_nodes(node))


def _cache() -> Fact:
    import platformdirs

    folder = platformdirs.user_cache_path("eproxyctl")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Fact("cache", str(folder), round(size / 2**20, 1), "MiB", "" if folder.is_dir() else "not there yet")


def measured(
    registry: Registry, workloads: Sequence[measure.Workload] = measure.WORKLOADS, seconds: float = 1.0
) -> Iterator[Fact]:
    """Peaks of one thread, then what reference networks reach: about ten seconds of one core.

    Args:
        workloads: scored once each.
        seconds: spent on each peak.
    """
    with one_thread():
        yield Fact(
            "measured", "matrix products", round(measure.matmul_peak(seconds), 1), "GFLOP/s", "peak of one thread"
        )
        peak = measure.convolution_peak(seconds)
        yield Fact("measured", "convolutions", round(peak, 1), "GFLOP/s", "peak of one thread")
        for speed in measure.speeds(registry, workloads):
            name, share = speed.name, speed.gflops / peak
            yield Fact(
                "measured", name, round(1 / speed.seconds, 2), "architectures/s", "of one core, Eproxy's defaults"
            )
            yield Fact("measured", f"{name}, share of peak", round(100 * share, 1), "%", f"{speed.gflops:.1f} GFLOP/s")

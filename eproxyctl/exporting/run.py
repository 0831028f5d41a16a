"""`export`: chosen architectures as networks that need no eproxyctl."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from eproxyctl.errors import RunError, UsageError
from eproxyctl.exporting.network import Format, Subject, write_network
from eproxyctl.exporting.weights import read_weights
from eproxyctl.plugins import Sources, load_plugins
from eproxyctl.registry import Registry
from eproxyctl.runs.directory import read_stamp
from eproxyctl.spec.request import Changes, Request, Specification, requested


def export(
    run: str | Path | None = None,
    *,
    spec: Specification = None,
    architecture: str | None = None,
    top: int = 1,
    format: Format = "python",
    weights: str | Path | None = None,
    output: str | Path | None = None,
    **changes: Unpack[Changes],
) -> list[Path]:
    """Write the best architectures of a search, or one that is named, as networks that need torch only.

    Args:
        run: a run directory of `search`.
        spec: of the space and the task, where there is no `run`.
        architecture: this one instead of the top list.
        top: how many of the top list.
        format: Python source, torch.export or ONNX.
        weights: a safetensors file of trained weights.
        output: folder to write to; None: `export` in the run directory, or `runs/<spec>/export`.
        changes: of the spec, see `Changes`.

    Returns:
        the files that were written.

    Raises:
        EproxyError: whatever is wrong.
    """
    if (run is None) == (spec is None):
        hint = "eproxyctl runs lists runs"
        raise UsageError("name a run of search, or --spec SPEC --architecture KEY", hint=hint)
    if run is None and not architecture:
        raise UsageError("--spec names a space, and no architecture", hint="add --architecture KEY")
    if weights and top > 1:
        raise UsageError("--weights fit one architecture, and --top asks for several")
    subject, keys, folder = _of_run(Path(run), changes) if run is not None else _of_spec(spec, changes)
    if not architecture and top > len(keys):
        raise UsageError(f"--top {top}, and {run} has {len(keys)}", hint=f"--top {len(keys)}")
    return _write(subject, keys, Path(output) if output else folder, architecture, top, format, weights)


def _of_run(run: Path, changes: Changes) -> tuple[Subject, Sequence[str], Path]:
    """The best architecture of a search, its top list, and where its networks are written."""
    registry = load_plugins(Sources(tuple(str(folder) for folder in changes.get("plugins", ()))))
    return *read_run(run, registry), run / "export"


def _of_spec(spec: Specification, changes: Changes) -> tuple[Subject, Sequence[str], Path]:
    """The space and task of a spec, whose architecture is still to be named."""
    request = requested(spec, None if isinstance(spec, Request) else changes)
    space = request.registry.create("space", request.spec.space)
    task = request.registry.create("task", request.spec.task)
    subject = Subject(space, "", task.shape, task.outputs, request.spec.seed, task)
    return subject, (), Path("runs") / request.name / "export"


def _write(
    subject: Subject,
    keys: Sequence[str],
    folder: Path,
    architecture: str | None,
    top: int,
    format: Format,
    weights: str | Path | None,
) -> list[Path]:
    chosen = {f"top{i}": key for i, key in enumerate(keys[:top], start=1)}
    if architecture:
        chosen = {"network": subject.space.parse(architecture)}
    values = read_weights(Path(weights)) if weights else None
    return [
        path
        for name, key in chosen.items()
        for path in write_network(replace(subject, key=key), folder, name, format, values)
    ]


def read_run(folder: Path, registry: Registry) -> tuple[Subject, list[str]]:
    """The best architecture of a search, and the keys of its top list.

    Raises:
        RunError: no run of `search`, or one that is not finished.
    """
    stamp = read_stamp(folder)
    if stamp is None or stamp.get("command") != "search":
        raise RunError(
            f"{folder} is no run of `eproxyctl search`", hint="name a run of search, or --spec SPEC --architecture KEY"
        )
    try:
        result = json.loads((folder / "result.json").read_text("utf-8"))
        network, keys = result["network"], [str(record["key"]) for record in result["top"]]
        space = registry.create("space", registry.read("space", json.dumps(network["space"])))
        section = network.get("task")
        task = registry.create("task", registry.read("task", json.dumps(section))) if section else None
        return Subject(space, keys[0], tuple(network["shape"]), network["outputs"], network["seed"], task), keys
    except (OSError, ValueError, KeyError, IndexError):
        raise RunError(f"{folder} has no top list yet", hint="run the same `eproxyctl search` to its end") from None

"""From a loaded spec to what workers need: the context, the architectures, the metric table, the run's identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eproxyctl import plugins
from eproxyctl.contracts import Costs, Proxy, Space, TableOptions, Task
from eproxyctl.engine.columns import leaves
from eproxyctl.engine.worker import Ask, Context, Minibatch
from eproxyctl.errors import DataError, SpecError, UsageError
from eproxyctl.networks.counting import size_of
from eproxyctl.registry import SECTIONS, Origin, Registry, kind_of
from eproxyctl.spec.loading import PATH_SETTINGS, Loaded
from eproxyctl.spec.models import Spec
from eproxyctl.tasks.table import Table, load

TAKEN = ("key", "params", "macs", "metric", "status", "cause", "trace", "rank", "score")
"""Columns of every run, which a proxy's must not hide."""


@dataclass(frozen=True)
class Plan:
    """A spec made ready to run."""

    loaded: Loaded
    registry: Registry
    space: Space
    task: Task
    proxies: tuple[Proxy, ...]
    table: Table | None
    baselines: Mapping[str, Table]
    context: Context
    origins: tuple[Origin, ...]

    @property
    def spec(self) -> Spec:
        return self.loaded.spec

    @property
    def proxy(self) -> Proxy:
        """The only proxy.

        Raises:
            UsageError: there are several.
        """
        if len(self.proxies) > 1:
            raise UsageError(f"one proxy is tuned at a time, and the spec names {len(self.proxies)}")
        return self.proxies[0]

    def costs(self, params: int, macs: int) -> Costs:
        """Sizes beside those of the space's largest architecture."""
        return Costs(params, macs, *self.context.largest)


def prepare(loaded: Loaded, registry: Registry, sources: plugins.Sources) -> Plan:
    """Draw the minibatch, read the table, measure the largest architecture.

    Raises:
        DataError: images, table or device that cannot be used.
    """
    spec = loaded.spec
    space: Space = registry.create("space", spec.space)
    task: Task = registry.create("task", spec.task)
    proxies: list[Proxy] = [registry.create("proxy", options) for options in spec.proxies]
    labels = [label(proxy) for proxy in proxies]
    _distinct([*(labels if len(labels) > 1 else ()), *spec.task.baselines])
    table = load(spec.task.table, space) if spec.task.table else None
    baselines = {name: _baseline(name, options, space) for name, options in spec.task.baselines.items()}
    check_device(spec.device)
    check_rank(spec, space, task)
    scoring = [leaf for proxy in proxies for leaf in leaves(proxy, registry)]
    context = Context(
        sources,
        tuple(origin.sha256 for origin in registry.origins if not origin.builtin),
        spec.space.model_dump_json(exclude={"architectures"}),
        spec.seed,
        spec.device,
        task.shape,
        task.outputs,
        minibatches(task, spec.seed, scoring),
        size_of(space, space.largest(), task.shape, task.outputs),
        spec.tf32,
    )
    used = {registry.get("space", kind_of(spec.space)).origin, registry.get("task", kind_of(spec.task)).origin}
    used |= {registry.get("proxy", kind_of(one.options)).origin for one in (*proxies, *scoring)}
    origins = tuple(sorted(used, key=lambda origin: origin.name))
    return Plan(loaded, registry, space, task, tuple(proxies), table, baselines, context, origins)


def _baseline(name: str, options: TableOptions, space: Space) -> Table:
    """A table read as any other; what is wrong with it is said of the baseline."""
    try:
        return load(options, space)
    except DataError as error:
        hint = error.hint.replace("task.table", f"task.baselines.{name}")
        raise DataError(f"baseline '{name}': {error.message}", hint=hint) from None


def label(proxy: Proxy) -> str:
    """The name of a proxy's column."""
    return proxy.options.label or proxy.kind


def _distinct(columns: Sequence[str]) -> None:
    """Of several proxies, and of baselines."""
    for name in columns:
        if name in TAKEN:
            raise SpecError(
                f"a column would be called '{name}', as one that every run has",
                hint="leave that proxy out, or give it a label of its own; baselines are called as the spec has them",
            )
        if columns.count(name) > 1:
            raise SpecError(f"{columns.count(name)} columns are called '{name}'", hint="give each proxy its own label")


def minibatches(task: Task, seed: int, proxies: Sequence[Proxy]) -> tuple[tuple[Ask, Minibatch], ...]:
    """What the proxies see, each once.

    Raises:
        DataError: a proxy needs labels, and the task has none.
    """
    drawn: dict[Ask, Minibatch] = {}
    for proxy in proxies:
        ask = Ask.of(proxy)
        if ask not in drawn:
            batches = task.batch(seed, proxy.options.fidelity, proxy.needs.batches)
            labels = None if batches.labels is None else batches.labels.numpy()
            drawn[ask] = Minibatch(batches.inputs.numpy(), labels)
        if proxy.needs.labels and drawn[ask].labels is None:
            raise DataError(f"proxy '{proxy.kind}' needs labels, and the task has none", hint="use another source")
    return tuple(drawn.items())


def check_device(device: str) -> None:
    """Raises DataError where the device is not there."""
    if device != "cpu":
        import torch

        index = int(device.partition(":")[2] or 0)
        if index >= torch.cuda.device_count():
            raise DataError(
                f"no device {device}: torch sees {torch.cuda.device_count()} CUDA devices", hint="device: cpu"
            )


def check_rank(spec: Spec, space: Space, task: Task) -> None:
    """Raises DataError where the space has no networks for inputs such as the task's."""
    if len(task.shape) - 1 not in space.ranks:
        raise DataError(
            f"task '{kind_of(spec.task)}' gives inputs of rank {len(task.shape) - 1}, space "
            f"'{kind_of(spec.space)}' takes {' or '.join(map(str, space.ranks))}"
        )


def identity(plan: Plan, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    """What makes two runs the same, by part, so that a refusal can say what changed.

    Paths do not count, the content of what they lead to does; nor do samples, trials, baselines, workers and output.
    """
    spec = plan.spec
    whole = spec.model_dump(mode="json")
    parts: dict[str, Any] = {section: whole[section] for section in SECTIONS}
    parts["space"].pop("architectures", None)
    parts["task"].pop("baselines")
    digest = sections_identity(parts, spec, plan.task, plan.origins)
    digest["table"] = plan.table.sha256[:16] if plan.table else ""
    return digest | (extra or {})


def sections_identity(parts: Mapping[str, Any], spec: Spec, task: Task, origins: Sequence[Origin]) -> dict[str, Any]:
    """Digests of sections of a spec without their paths, and of the task's files and the plugins."""
    files = hashlib.sha256()
    for name in sorted(task.files()):
        files.update(hashlib.sha256(Path(name).read_bytes()).digest())
    digest: dict[str, Any] = {section: _sha256(_without_paths(part)) for section, part in parts.items()}
    device = f"{spec.device} tf32" if spec.tf32 else spec.device
    digest |= {"seed": spec.seed, "device": device, "images": files.hexdigest()[:16]}
    digest["plugins"] = _sha256([[o.name, o.sha256] for o in origins if not o.builtin])
    return digest


def _sha256(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def _without_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_paths(v) for key, v in value.items() if key not in PATH_SETTINGS}
    return [_without_paths(v) for v in value] if isinstance(value, list) else value

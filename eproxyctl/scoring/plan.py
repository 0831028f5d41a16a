"""From a loaded spec to what workers need: the context, the architectures, the metric table, the run's identity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eproxyctl.contracts import Costs, Proxy, Space, TableOptions, Task
from eproxyctl.errors import DataError, SpecError, UsageError
from eproxyctl.networks.counting import size_of
from eproxyctl.registry import SECTIONS, Origin, Registry, kind_of, shortcomings
from eproxyctl.runs.identity import contents, sections_identity
from eproxyctl.scoring.settings import leaves
from eproxyctl.scoring.worker import Ask, Context, Minibatch
from eproxyctl.spec.loading import Loaded
from eproxyctl.spec.models import Spec
from eproxyctl.spec.request import Request
from eproxyctl.tasks.table import Table, load_table
from eproxyctl.workers.devices import check_device

MOST_PARAMS = 10**11
"""Networks above this do not fit a machine's memory; a slip in a spec does make such."""
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
    def notes(self) -> list[str]:
        """What the person should know: what the spec's loading dropped, rows that tables left out or joined."""
        tables = ({"metric table": self.table} if self.table else {}) | {
            f"baseline '{name}'": table for name, table in self.baselines.items()
        }
        data = (f"task: {note}" for note in self.task.notes())
        lacks = shortcomings(self.registry.get("space", kind_of(self.spec.space)))
        return [
            *self.loaded.notes,
            *lacks,
            *data,
            *(f"{name}: {table.note}" for name, table in tables.items() if table.note),
        ]

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


def make_plan(request: Request) -> Plan:
    """Draw the minibatch, read the table, measure the largest architecture.

    Raises:
        DataError: images, table or device that cannot be used.
    """
    spec, registry = request.spec, request.registry
    space: Space = registry.create("space", spec.space)
    task: Task = registry.create("task", spec.task)
    proxies: list[Proxy] = [registry.create("proxy", options) for options in spec.proxies]
    labels = [label(proxy) for proxy in proxies]
    _distinct([*(labels if len(labels) > 1 else ()), *spec.task.baselines])
    table = load_table(spec.task.table, space) if spec.task.table else None
    baselines = {name: _baseline(name, options, space) for name, options in spec.task.baselines.items()}
    check_device(spec.device)
    check_rank(spec, space, task)
    scoring = [leaf for proxy in proxies for leaf in leaves(proxy, registry)]
    context = Context(
        sources=request.sources,
        code=tuple(origin.sha256 for origin in registry.origins if not origin.builtin),
        space=spec.space.model_dump_json(exclude={"architectures"}),
        seed=spec.seed,
        device=spec.device,
        shape=task.shape,
        outputs=task.outputs,
        minibatches=minibatches(task, spec.seed, scoring),
        largest=_largest(space, task),
        tf32=spec.tf32,
        files=contents([spec.space, *spec.proxies, *(leaf.options for leaf in scoring)], exclude={"architectures"}),
    )
    return Plan(
        loaded=request.loaded,
        registry=registry,
        space=space,
        task=task,
        proxies=tuple(proxies),
        table=table,
        baselines=baselines,
        context=context,
        origins=_origins(registry, spec, [*proxies, *scoring]),
    )


def _largest(space: Space, task: Task) -> tuple[int, int]:
    """(params, macs) of the costliest architecture. Raises DataError where no machine could build it."""
    params, macs = size_of(space, space.largest(), task.shape, task.outputs)
    if params > MOST_PARAMS:
        raise DataError(
            f"the largest architecture of the space has {params:.1e} parameters: no machine builds that",
            hint="lower its channels or its cells",
        )
    return params, macs


def _origins(registry: Registry, spec: Spec, proxies: Sequence[Proxy]) -> tuple[Origin, ...]:
    """Where what is used came from, by name."""
    used = {registry.get("space", kind_of(spec.space)).origin, registry.get("task", kind_of(spec.task)).origin}
    used |= {registry.get("proxy", kind_of(one.options)).origin for one in proxies}
    return tuple(sorted(used, key=lambda origin: origin.name))


def _baseline(name: str, options: TableOptions, space: Space) -> Table:
    """A table read as any other; what is wrong with it is said of the baseline."""
    try:
        return load_table(options, space)
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


def column_names(plan: Plan) -> list[str]:
    """The names of the proxies' columns; one alone is `score`."""
    return ["score"] if len(plan.proxies) == 1 else [label(proxy) for proxy in plan.proxies]


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
    left_out = {"space": {"architectures"}, "task": {"baselines"}}
    digest = sections_identity(plan.spec, SECTIONS, left_out, plan.origins)
    digest["table"] = plan.table.sha256[:16] if plan.table else ""
    digest["minibatch"] = drawn(plan.context.minibatches)
    return digest | (extra or {})


def drawn(minibatches: Sequence[tuple[Ask, Minibatch]]) -> str:
    """A digest of minibatches: data that no option names are noticed too."""
    data = hashlib.sha256()
    for ask, minibatch in minibatches:
        labels = minibatch.labels
        data.update(repr((ask, minibatch.inputs.shape, None if labels is None else labels.shape)).encode())
        data.update(minibatch.inputs.tobytes())
        data.update(b"" if labels is None else labels.tobytes())
    return data.hexdigest()[:16]

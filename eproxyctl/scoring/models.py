"""`rank`: any torch modules, by a proxy."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from eproxyctl import plugins
from eproxyctl.contracts import Batches, Costs, Proxy, Readable, Seed
from eproxyctl.errors import DataError, UsageError
from eproxyctl.registry import Registry
from eproxyctl.runs.rows import Row, scored
from eproxyctl.runs.tabular import Record, Tabular
from eproxyctl.scoring.columns import column
from eproxyctl.scoring.settings import Settings, leaves
from eproxyctl.scoring.worker import explain
from eproxyctl.workers.devices import one_thread

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Ranking(Tabular):
    """Models, the best first.

    Attributes:
        rows: rank, name, score, params, macs (of one input), status, cause.
    """

    proxy: str
    rows: Sequence[Record] = field(repr=False)

    def _table(self) -> tuple[str, Sequence[Record]]:
        return f"{len(self.rows)} models by {self.proxy}, best first", self.rows

    @property
    def best(self) -> Record:
        """The model that ranks first."""
        return self.rows[0]


def rank(
    models: Mapping[str, nn.Module] | Sequence[nn.Module],
    batch: torch.Tensor,
    proxy: str | Mapping[str, Any] = "az-nas",
    *,
    labels: torch.Tensor | None = None,
    seed: int = 0,
) -> Ranking:
    """Rank torch modules without training them.

    Feature maps are the last output of each resolution, found by hooks. Each module is copied, and its copy starts from
    weights drawn from the seed and its name: the modules given stay as they are.

    Args:
        models: by name, or a list; then they are called 0, 1, ….
        batch: one minibatch of inputs, [B, C, *spatial], normalised.
        proxy: a kind, or a section with a kind, of one that needs no metric table.
        labels: [B] class numbers, for proxies that need them.
        seed: of the weights and of whatever else a proxy draws.

    Raises:
        UsageError: no models, or a proxy that has to learn first.
        DataError: the proxy needs labels, and there are none.
        SpecError: no proxy has that kind.
    """
    named = dict(models) if isinstance(models, Mapping) else {str(i): model for i, model in enumerate(models)}
    if not named:
        raise UsageError("there are no models to rank")
    registry = plugins.load_plugins(plugins.Sources())
    section = {"kind": proxy} if isinstance(proxy, str) else dict(proxy)
    chosen: Proxy = registry.create("proxy", registry.parse("proxy", section))
    with one_thread():
        sizes = {name: _size(model, batch) for name, model in named.items()}
        rows = {
            Settings.of(leaf.options): [
                _row(leaf, name, model, sizes, batch, labels, seed) for name, model in named.items()
            ]
            for leaf in leaves(chosen, registry)
        }
    return Ranking(chosen.kind, _ranked(chosen, registry, rows))


def _ranked(proxy: Proxy, registry: Registry, rows: Mapping[Settings, Sequence[Row]]) -> list[Record]:
    sign = -1 if proxy.higher_is_better else 1
    found = column(proxy, lambda key: {}, registry, rows)
    order = sorted(found, key=lambda row: (row.score is None, sign * (row.score or 0.0)))
    return [
        {"rank": place, "name": row.key, "score": row.score, "params": row.params, "macs": row.macs}
        | {"status": row.status, "cause": row.cause}
        for place, row in enumerate(order, start=1)
    ]


def _size(model: nn.Module, batch: torch.Tensor) -> tuple[int, int]:
    from eproxyctl.networks.size import count

    def build() -> Any:
        return copy.deepcopy(model).to("meta")

    return count(build, tuple(batch.shape[1:]))


def _row(
    proxy: Proxy,
    name: str,
    model: nn.Module,
    sizes: Mapping[str, tuple[int, int]],
    batch: torch.Tensor,
    labels: torch.Tensor | None,
    seed: int,
) -> Row:
    from eproxyctl.networks.hooked import HookedNetwork

    if proxy.needs.labels and labels is None:
        raise DataError(f"proxy '{proxy.kind}' needs labels", hint="give labels=…, one class number an input")
    params, macs = sizes[name]
    row = Row(name, name, "ok", params=params, macs=macs)
    try:
        drawn = Seed.of(seed, name)
        score = proxy.score(HookedNetwork(copy.deepcopy(model), batch), Batches(batch, labels), drawn)
        costs = Costs(params, macs, max(p for p, _ in sizes.values()), max(m for _, m in sizes.values()))
        value = proxy.read(score.trace, costs) if isinstance(proxy, Readable) else score.value
        return scored(replace(row, traces=(score.trace,)), [value])
    except Exception as error:  # noqa: BLE001 - a model that cannot be scored is a row that says why
        cause, hint = explain(error)
        return replace(row, status="failed", cause=cause, hint=hint)

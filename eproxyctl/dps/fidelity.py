"""Fidelity as settings that DPS may search: what is trained, how long, and what that costs, counted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eproxyctl.contracts import Choice, Composite, Proxy, ProxyOptions
from eproxyctl.errors import UsageError
from eproxyctl.scoring.plan import Plan, minibatches
from eproxyctl.scoring.settings import leaves
from eproxyctl.scoring.worker import Ask
from eproxyctl.spec.models import FidelityChoices

if TYPE_CHECKING:
    from eproxyctl.contracts import Network

SHRUNK = (1.0, 0.5, 0.25)
PREFIX = "fidelity."
COUNTED = 5
"""Training architectures whose multiply-adds are averaged: enough to tell settings apart, and counting takes time."""


@dataclass(frozen=True)
class Dimensions:
    """The choices of each searched dimension, and the value it has where nothing is changed."""

    choices: Mapping[str, tuple[Choice, ...]]
    full: Mapping[str, Choice]

    def parameters(self) -> dict[str, tuple[Choice, ...]]:
        """As a study has them, beside those of the proxy."""
        return {PREFIX + name: values for name, values in self.choices.items()}

    def apply(self, options: ProxyOptions, chosen: Mapping[str, Choice]) -> ProxyOptions:
        """A proxy's options at the chosen fidelity."""
        own = {name: chosen[PREFIX + name] for name in self.choices}
        changed = {name: value for name, value in own.items() if value != self.full[name]}
        iterations = {n: v for n, v in changed.items() if n == "iterations"}
        fidelity = options.fidelity.model_copy(update={n: v for n, v in changed.items() if n not in iterations})
        return options.model_copy(update=iterations | {"fidelity": fidelity})


def dimensions(plan: Plan) -> Dimensions:
    """What the spec's `dps.fidelity` lets DPS search; nothing where it is false.

    Raises:
        UsageError: a dimension that the space or the proxy does not have.
    """
    wanted, options = plan.spec.dps.fidelity, plan.proxy.options
    if not wanted:
        return Dimensions({}, {})
    if isinstance(plan.proxy, Composite):
        raise UsageError(
            f"dps.fidelity is of proxies that score networks, and '{plan.proxy.kind}' is made of others",
            hint="give its members a fidelity each",
        )
    inputs = next(batch.inputs for ask, batch in plan.context.minibatches if ask == Ask.of(plan.proxy))
    full: dict[str, Choice] = {
        "width": options.fidelity.width,
        "depth": options.fidelity.depth,
        "resolution": inputs.shape[2],
        "batch": len(inputs) // plan.proxy.needs.batches,
    }
    full = {name: value for name, value in full.items() if name in plan.space.fidelities()}
    if "iterations" in type(options).model_fields:
        full["iterations"] = options.model_dump()["iterations"]
    if isinstance(wanted, FidelityChoices):
        named = {name: values for name, values in wanted.model_dump().items() if values}
        for name in named:
            if name not in full:
                raise UsageError(
                    f"dps.fidelity.{name}: not with space '{plan.space.kind}' and proxy '{plan.proxy.kind}'"
                )
        return Dimensions({name: tuple(dict.fromkeys(values)) for name, values in named.items()}, full)
    return Dimensions({name: _usual(name, value) for name, value in full.items()}, full)


def _usual(name: str, full: Choice) -> tuple[Choice, ...]:
    """Full, half and a quarter; a resolution no less than half, as deep networks halve it too."""
    shares = SHRUNK[:2] if name == "resolution" else SHRUNK
    scaled = [float(full) * share for share in shares]
    return tuple(dict.fromkeys(scaled if isinstance(full, float) else [max(1, round(value)) for value in scaled]))


def widened(plan: Plan, found: Dimensions) -> Plan:
    """The plan with the minibatches that proxies at all fidelities ask for."""
    if not found.choices:
        return plan
    sides, sizes = found.choices.get("resolution", (None,)), found.choices.get("batch", (None,))
    proxies: list[Proxy] = list(leaves(plan.proxy, plan.registry))
    for resolution, batch in itertools.product(sides, sizes):
        chosen = {PREFIX + name: found.full[name] for name in found.choices}
        chosen |= {PREFIX + n: v for n, v in (("resolution", resolution), ("batch", batch)) if v is not None}
        proxies.append(plan.registry.create("proxy", found.apply(plan.proxy.options, chosen)))
    return replace(plan, context=replace(plan.context, minibatches=minibatches(plan.task, plan.spec.seed, proxies)))


class CountedCosts:
    """Counted multiply-adds of scoring an architecture. `plan` is widened."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._sizes: dict[tuple[object, ...], tuple[int, tuple[int, ...]]] = {}

    def of(self, proxy: Proxy, keys: Sequence[str]) -> float:
        """Of one score: forward passes of the minibatch through network and heads, summed over repeats and members.

        The mean over the first COUNTED of `keys`; infinite where a network cannot be built.
        """
        return math.fsum(self._leaf(leaf, keys[:COUNTED]) for leaf in leaves(proxy, self._plan.registry))

    def _leaf(self, proxy: Proxy, keys: Sequence[str]) -> float:
        inputs = dict(self._plan.context.minibatches)[Ask.of(proxy)].inputs
        shape = (self._plan.context.shape[0], *inputs.shape[2:])
        try:
            works = [proxy.work(*self._size(key, proxy, shape), len(shape) - 1) for key in keys]
        except Exception:  # noqa: BLE001 - the rows of the architectures say what failed
            return math.inf
        return len(inputs) * proxy.options.repeats * math.fsum(works) / len(works)

    def _size(self, key: str, proxy: Proxy, shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        """(multiply-adds of one input, channels of the feature maps) of what is scored."""
        from eproxyctl.networks.size import count

        fidelity, pruned = proxy.options.fidelity, not proxy.needs.official
        slot = key, fidelity.width, fidelity.depth, shape, pruned
        if slot not in self._sizes:
            built: list[Network] = []

            def build() -> Network:
                built.append(self._plan.space.build(key, shape, self._plan.context.outputs, fidelity, pruned=pruned))
                return built[0]

            _, macs = count(build, shape)
            self._sizes[slot] = macs, built[0].channels
        return self._sizes[slot]

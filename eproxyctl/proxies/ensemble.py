"""Several proxies as one: the mean of their ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from eproxyctl.contracts import (
    Batches,
    Choice,
    Composite,
    Features,
    Proxy,
    ProxyOptions,
    Relative,
    Score,
    Seed,
    Trace,
    Tunable,
)
from eproxyctl.registry import AnyProxy

if TYPE_CHECKING:
    from eproxyctl.contracts import Network

WEIGHTS = (-1.0, -0.5, 0.0, 0.5, 1.0)


class EnsembleProxy(Proxy, Composite, Relative, Tunable):
    """The weighted mean of its members' ranks among the architectures scored together, in (0, 1], 1 the best.

    value = Σ wᵢ·rᵢ/n / Σ |wᵢ|: rᵢ the mean rank of n architectures by member i, n the best. A member that diverged
    ranks the architecture last. A negative weight takes a member the other way round. Without weights all count the
    same; `eproxyctl dps` chooses them on the training architectures of the metric table, which costs no training beyond
    the members' scores.
    """

    kind = "ensemble"

    class Options(ProxyOptions):
        members: tuple[AnyProxy, ...] = Field(min_length=2, description="the proxies: a kind, a path or a section each")
        weights: tuple[float, ...] | None = Field(None, description="one a member; unset: all 1")

        @model_validator(mode="after")
        def _matching(self) -> EnsembleProxy.Options:
            if self.weights is not None and len(self.weights) != len(self.members):
                raise ValueError(f"{len(self.members)} members need as many weights, not {len(self.weights)}")
            if self.weights is not None and not any(self.weights):
                raise ValueError("one weight at least must differ from 0")
            return self

    options: Options

    def members(self) -> tuple[ProxyOptions, ...]:
        return self.options.members

    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        raise TypeError("an ensemble is scored through its members")

    def place(self, traces: Sequence[Trace], features: Features) -> list[float]:
        from scipy.stats import rankdata

        columns = list(zip(*(trace[0] for trace in traces), strict=True))
        weights = self.options.weights or (1.0,) * len(columns)
        ranks = [rankdata(column) / len(traces) for column in columns]
        total = math.fsum(map(abs, weights))
        return [
            math.fsum(w * r for w, r in zip(weights, each, strict=True)) / total for each in zip(*ranks, strict=True)
        ]

    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        return {f"weight {i}": WEIGHTS for i in range(1, len(self.options.members) + 1)}

    def encode(self, choices: Mapping[str, Choice]) -> ProxyOptions:
        """Weights scaled to a largest of 1, so that proportional ones are one point; all 0 is all 1."""
        weights = [float(choices[f"weight {i}"]) for i in range(1, len(self.options.members) + 1)]
        largest = max(map(abs, weights))
        scaled = tuple(w / largest for w in weights) if largest else (1.0,) * len(weights)
        return self.options.model_copy(update={"weights": scaled})

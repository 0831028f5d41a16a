"""What a few labels teach: a ranking model over structure, size and other proxies' scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from eproxyctl import fewshot
from eproxyctl.contracts import (
    FULL,
    Batches,
    Composite,
    Features,
    Known,
    Learner,
    Proxy,
    ProxyOptions,
    Score,
    Seed,
    Trace,
)
from eproxyctl.errors import DataError
from eproxyctl.registry import AnyProxy, kind_of

if TYPE_CHECKING:
    from eproxyctl.contracts import Network

HINT = "eproxyctl dps SPEC, then name the proxy.yaml that it writes"


class FewShotProxy(Proxy, Composite, Learner):
    """Gaussian processes over sizes, traits of the key and the members' scores, learned by `eproxyctl dps`.

    Inputs are normal scores of ranks, groups of features vote alike, directions are learned (see `eproxyctl.fewshot`).
    `dps` learns from the training architectures of the metric table. Features of the group `prior`, which are other
    tasks' metrics or predictions of the same architectures, higher being better, are where it starts from: without
    labels their mean is the prediction, and labels correct it and say how much it counts.

    Only members may train networks; each architecture is scored once by each. A member is a group of its own; one that
    ranks architectures among each other (az-nas, an ensemble) gives what it ranks by, so that a prediction depends on
    its architecture only. The `fidelity` of the whole is that of all members that have none of their own.
    """

    kind = "few-shot"

    class Options(ProxyOptions):
        members: tuple[AnyProxy, ...] = Field(
            min_length=1, description="proxies whose scores are features: a kind, a path or a section each"
        )
        choice: fewshot.Choice | None = Field(None, description="what was learned; written by dps")

    options: Options

    def members(self) -> tuple[ProxyOptions, ...]:
        """With the fidelity of the few-shot proxy, but for those that have one of their own."""
        shared = {"fidelity": self.options.fidelity}
        return tuple(m.model_copy(update=shared) if m.fidelity == FULL else m for m in self.options.members)

    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        raise TypeError("a few-shot proxy is scored through its members")

    def ready(self) -> None:
        if self.options.choice is None:
            raise DataError("the few-shot proxy has learned nothing yet", hint=HINT)

    def place(self, traces: Sequence[Trace], features: Features) -> list[float]:
        self.ready()
        assert self.options.choice is not None
        return [float(value) for value in self.options.choice.model.predict(self._features(Known(traces, features)))]

    def learn(self, known: Known, metric: Sequence[float], every: Known) -> ProxyOptions:
        labels = np.asarray(metric, dtype=np.float64)
        features = self._features(every)
        priors = [name for name in features if fewshot.group(name) == fewshot.OTHER_TASKS]
        choice = fewshot.fit(self._features(known), labels, pool=features, priors=priors)
        return self.options.model_copy(update={"choice": choice})

    def _features(self, known: Known) -> fewshot.Features:
        """Sizes, traits, and of each member a group: its score, or what it would rank by. Unknown where it failed."""
        named = {name: np.asarray(values, dtype=np.float64) for name, values in known.features.items()}
        for i, member in enumerate(self.options.members):
            numbers = [trace[i] if trace else () for trace in known.traces]
            width = max(map(len, numbers), default=0)
            columns = zip(*(each or (math.nan,) * width for each in numbers), strict=True)
            for j, column in enumerate(columns, 1):
                named[f"{i + 1} {member.label or kind_of(member)}.{j}"] = np.asarray(column, dtype=np.float64)
        return named

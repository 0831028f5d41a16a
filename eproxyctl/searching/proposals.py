"""Which architectures a search may propose: those within the limits."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from eproxyctl.contracts import Choice
from eproxyctl.errors import InvalidArchitecture, RunError
from eproxyctl.networks.counting import size_of
from eproxyctl.scoring.plan import Plan
from eproxyctl.searching.latency import Latencies
from eproxyctl.studies.study import Asked, Finished, Values

LISTED = "key"
"""The one choice in a space without choices: which key."""


class Proposals:
    """The points a search may propose: from choices to key, and which keys are within the limits.

    Args:
        plan: with the limits.
        latencies: measures where latency is limited, those only that are within the other limits.
    """

    def __init__(self, plan: Plan, latencies: Latencies) -> None:
        self.plan = plan
        self.least: dict[str, float] = {}
        self._latencies = latencies
        self._limits = plan.spec.search.limits.model_dump(exclude_none=True)
        self._known: dict[str, bool] = {}

    def key(self, choices: Mapping[str, Choice]) -> str:
        """Choices → key. Raises InvalidArchitecture."""
        return str(choices[LISTED]) if LISTED in choices else self.plan.space.encode(choices)

    def point(self, choices: Mapping[str, Choice]) -> str:
        """Choices → canonical key."""
        return self.plan.space.canonical(self.key(choices))

    def admits(self, choices: Mapping[str, Choice]) -> bool:
        """Whether choices make an architecture, and one within the limits."""
        try:
            key = self.key(choices)
        except InvalidArchitecture:
            return False
        if self._limits and key not in self._known:
            self._known[key] = self._fits(key)
        return not self._limits or self._known[key]

    def _fits(self, key: str) -> bool:
        try:
            if not self._within(self._sizes(key)):
                return False
            return "latency" not in self._limits or self._within({"latency": self._latencies.of(key)})
        except RunError:
            raise
        except Exception:  # noqa: BLE001 - what cannot be built becomes a failed row, which says why
            return True

    def _within(self, costs: Mapping[str, float]) -> bool:
        for name, cost in costs.items():
            self.least[name] = min(cost, self.least.get(name, cost))
        return all(cost <= self._limits.get(name, cost) for name, cost in costs.items())

    def _sizes(self, key: str) -> dict[str, float]:
        params, macs = size_of(self.plan.space, key, self.plan.context.shape, self.plan.context.outputs)
        return {"params": params, "macs": macs}


class Listing:
    """Goes through the keys of a space without choices, each function once, in an order drawn from the seed."""

    def __init__(self, keys: Iterable[str], proposals: Proposals, batch: int) -> None:
        self._keys = sorted(keys)
        random.Random(f"search {proposals.plan.spec.seed}").shuffle(self._keys)
        self._proposals = proposals
        self._batch = batch
        self._finished: list[Finished] = []

    def finished(self) -> list[Finished]:
        """What was evaluated, in order."""
        return self._finished

    def run(self, trials: int, evaluate: Callable[[Sequence[Asked]], Values]) -> Iterator[Finished]:
        """As `DiscreteStudy.run`; what is on disk costs nothing, so there is nothing else to store."""
        points = itertools.islice(self._points(), trials)
        while asked := list(itertools.islice(points, self._batch)):
            for one, values in zip(asked, evaluate(asked), strict=True):
                self._finished.append(Finished(one.number, one.point, one.choices, values))
                yield self._finished[-1]

    def _points(self) -> Iterator[Asked]:
        seen = set()
        for number, key in enumerate(self._keys):
            choices = {LISTED: key}
            point = self._proposals.point(choices)
            if point not in seen and self._proposals.admits(choices):
                seen.add(point)
                yield Asked(number, point, choices)

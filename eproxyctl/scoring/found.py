"""What a run of `score` found, a few numbers an architecture: what statistics and tables need at once.

Traces and causes stay on disk and are read again where a row is shown. Only proxies that rank architectures together
keep more: of their members the score, of those without members the trace.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eproxyctl.contracts import Composite, Proxy, Relative
from eproxyctl.ranking import Floats
from eproxyctl.runs.ledger import settled
from eproxyctl.runs.rows import Row, Status
from eproxyctl.scoring.columns import column
from eproxyctl.scoring.plan import Plan
from eproxyctl.scoring.settings import Settings, leaves, scored_with

TOP = 10
"""As many as a person looks at."""
STATUSES: tuple[Status, ...] = ("ok", "diverged", "failed")


class Found:
    """The rows of a run as columns.

    Attributes:
        keys: of the architectures, in the order of the spec.
        scores: [proxies, n], NaN without one.
        status: [proxies, n], places in STATUSES.
        params, macs: [n], NaN where the network could not be built.

    Args:
        plan: of the run.
        keys: as it was asked for.
        folder: the run directory.
    """

    def __init__(self, plan: Plan, keys: Sequence[str], folder: Path) -> None:
        self.keys = keys
        shape = (len(plan.proxies), len(keys))
        self.scores: Floats = np.full(shape, np.nan)
        self.status: NDArray[np.int8] = np.zeros(shape, dtype=np.int8)
        self.params, self.macs = np.full(len(keys), np.nan), np.full(len(keys), np.nan)
        self._plan, self._folder = plan, folder
        self._settings = scored_with(plan.proxies, plan.registry)
        self._related = [p for p, proxy in enumerate(plan.proxies) if needs_others(proxy)]
        self._kept = self._needed()
        self._ranked: dict[int, list[Row]] = {}
        self._own = [
            None if p in self._related else self._settings.index(Settings.of(proxy.options))
            for p, proxy in enumerate(plan.proxies)
        ]

    def add(self, i: int, rows: Sequence[Row]) -> None:
        """The rows of an architecture, one each of the settings."""
        for p, j in enumerate(self._own):
            if j is not None:
                self._note(p, i, rows[j])
        self.params[i], self.macs[i] = (np.nan if n is None else n for n in (rows[0].params, rows[0].macs))
        for j, (kept, traced) in self._kept.items():
            kept.append(rows[j] if traced else replace(rows[j], traces=()))

    def rank(self) -> None:
        """All rows are there: rank the architectures by the proxies that do so together."""
        by_settings = {self._settings[j]: kept for j, (kept, _) in self._kept.items()}
        for p in self._related:
            self._ranked[p] = column(self._plan.proxies[p], self._plan.space.traits, self._plan.registry, by_settings)
            for i, row in enumerate(self._ranked[p]):
                self._note(p, i, row)
        self._kept.clear()

    def of(self, i: int, rows: Sequence[Row]) -> list[Row]:
        """One row a proxy from one row each of the settings."""
        return [self._ranked[p][i] if j is None else rows[j] for p, j in enumerate(self._own)]

    def rows(self, wanted: Container[int] | None = None) -> Iterator[tuple[int, list[Row]]]:
        """(place, a row of each proxy), read again from disk; of all architectures, or those at some places only."""
        for i, lines in settled(self._folder, len(self.keys), len(self._settings), wanted):
            yield i, self.of(i, [Row.from_json(line) for line in lines])

    @property
    def failed(self) -> int:
        """Architectures that a proxy failed on."""
        return int((self.status == STATUSES.index("failed")).any(axis=0).sum())

    @property
    def bad(self) -> int:
        """Architectures that a proxy failed or diverged on."""
        return int(self.status.any(axis=0).sum())

    def best_first(self) -> list[int]:
        """Places by the first proxy's score, the earlier of equals first; diverged and then failed ones last."""
        sign = -1 if self._plan.proxies[0].higher_is_better else 1
        order = np.lexsort((sign * self.scores[0], self.status[0]))
        return [int(i) for i in order]

    def ties(self) -> list[str]:
        """What to say where the first proxy cannot tell the best TOP architectures apart."""
        best = self.scores[0][self.best_first()[:TOP]]
        if len(best) < TOP or np.isnan(best).any() or best.min() < best.max():
            return []
        equal = int((self.scores[0] == best[0]).sum())
        return [f"the best {equal} architectures have one and the same score: their order is that of the spec"]

    def _note(self, p: int, i: int, row: Row) -> None:
        self.scores[p, i] = np.nan if row.score is None else row.score
        self.status[p, i] = STATUSES.index(row.status)

    def _needed(self) -> dict[int, tuple[list[Row], bool]]:
        """By place of the settings: rows that are ranked together, and whether their traces are needed for it."""
        plan = self._plan
        needed = [leaf for p in self._related for leaf in leaves(plan.proxies[p], plan.registry)]
        return {self._settings.index(Settings.of(leaf.options)): ([], isinstance(leaf, Relative)) for leaf in needed}


def needs_others(proxy: Proxy) -> bool:
    """Whether its value of one architecture depends on the others."""
    return isinstance(proxy, Relative | Composite)

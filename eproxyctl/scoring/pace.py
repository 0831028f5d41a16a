"""How long a run will still take."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable

RECENT = 100
"""Samples of a sort whose mean is taken: what is left looks more like the latest than like the first."""


class Pace:
    """Seconds left, from what the jobs of a run took so far.

    A job either trains a network or takes over the row of an equal one, many times as fast, so the two are counted
    apart. A spec may list its cheap networks first, so that those trained in its order tell nothing of the rest: where
    there are networks drawn at random from all that are left, only these count.

    Args:
        clock: seconds from any start.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._trained = self._equal = 0
        self._drawn, self._in_order, self._equals = (deque[float](maxlen=RECENT) for _ in range(3))
        self._started: float | None = None
        self._busy = 0.0

    def expect(self, trained: int, equal: int) -> None:
        """So many networks are to be trained, and so many rows to be taken over."""
        self._trained, self._equal = trained, equal

    def done(self, seconds: float, *, trained: bool, drawn: bool = False, fresh: bool = False) -> None:
        """A job is done.

        Args:
            seconds: it took in its worker.
            trained: a network was trained.
            drawn: it was drawn at random.
            fresh: it was the first of its worker, and took what does not come again.
        """
        self._trained -= trained
        self._equal -= not trained
        if fresh or self._started is None:
            self._started, self._busy = self._clock(), 0.0
            return
        self._busy += seconds
        (self._equals if not trained else self._drawn if drawn else self._in_order).append(seconds)

    def left(self) -> float | None:
        """Seconds; None while nothing is known."""
        if self._started is None or not self._busy:
            return None
        networks = self._drawn or self._in_order
        if self._trained > 0 and not networks:
            return None
        work = max(0, self._trained) * _mean(networks) + max(0, self._equal) * _mean(self._equals)
        return work * (self._clock() - self._started) / self._busy


def _mean(seconds: deque[float]) -> float:
    values = tuple(seconds)  # a copy: a progress bar asks from another thread
    return statistics.fmean(values) if values else 0.0

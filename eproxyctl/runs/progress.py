"""What a verb tells of its progress: events, to whoever listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        what: it does, such as `scoring quickstart`.
        done, total: rows, trials' rows, evaluations or trainings.
        left: seconds; None while nothing is known, or where nothing is told.
    """

    what: str
    done: int
    total: int
    left: float | None = None


Listener = Callable[[Progress], None]


class Counter:
    """Counts what is done and tells a listener.

    Args:
        what, total: of the events.
        listener: None: nobody listens.
        left: seconds that are left, asked at each event.
    """

    def __init__(
        self, what: str, total: int, listener: Listener | None, left: Callable[[], float | None] = lambda: None
    ) -> None:
        self._what, self._total, self._listener, self._left = what, total, listener, left
        self._done = 0
        self.advance(0)

    def advance(self, count: int = 1) -> None:
        """So many more are done; never more than the total is told."""
        self._done += count
        if self._listener is not None:
            self._listener(Progress(self._what, min(self._done, self._total), self._total, self._left()))

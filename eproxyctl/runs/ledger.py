"""Rows that cost something: on disk as they finish, never paid for twice, and in the order asked for."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Generic, Protocol, TypeVar

import numpy as np

from eproxyctl.runs import files
from eproxyctl.workers.executors import Outcome

ROWS = "rows.jsonl"
TIMINGS = "timings.jsonl"


class Keyed(Protocol):
    """A job on one architecture."""

    @property
    def key(self) -> str: ...


class Line(Protocol):
    """A row of one architecture."""

    @property
    def key(self) -> str: ...
    @property
    def status(self) -> str: ...
    def to_json(self, **extra: Any) -> str: ...


R = TypeVar("R", bound=Line)
J = TypeVar("J", bound=Keyed)
NOWHERE = -1
ALONE: tuple[Mapping[str, str], ...] = ({},)
"""The points of what has one row an architecture."""


Results = Callable[[Iterator[J]], Iterator[tuple[Keyed, tuple[Outcome[R], ...]]]]
"""Runs jobs: (job, an outcome for each point that its key lacked), in any order."""


class Rows(Generic[R]):
    """The rows of a run in its directory; a context manager that holds two files open.

    Of each row only its place in the file is in memory, so that memory does not grow with what rows hold.

    Args:
        folder: a locked run directory.
        keys: distinct.
        points: what each key has a row for, as its lines name it: distinct in `point`.
        read: a row from its parsed line.
        complete: whether all that a row stands for is there; else it runs again.

    A failed row is tried again by the next run; what it failed of may have been mended.
    """

    def __init__(
        self,
        folder: Path,
        keys: Sequence[str],
        points: Sequence[Mapping[str, str]],
        read: Callable[[dict[str, Any]], R],
        complete: Callable[[R], bool] = lambda row: True,
    ) -> None:
        self.folder, self.keys, self.points = folder, keys, points
        self._read = read
        self._place = {key: i for i, key in enumerate(keys)}
        self._order = {point.get("point", ""): j for j, point in enumerate(points)}
        self._starts = np.full((len(keys), len(points)), NOWHERE, dtype=np.int64)
        self._log, self._timings = files.Log(folder / ROWS), files.Log(folder / TIMINGS)
        self._stream = (folder / ROWS).open("rb")
        for start, data in files.placed(folder / ROWS):
            i, j = self._place.get(data["key"]), self._order.get(data.get("point", ""))
            if i is not None and j is not None and data["status"] != "failed" and complete(read(data)):
                self._starts[i, j] = start

    def __enter__(self) -> Rows[R]:
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()
        self._log.close()
        self._timings.close()

    def lacking(self) -> list[int]:
        """Places of the keys that lack a row."""
        return [int(i) for i in np.flatnonzero((self._starts == NOWHERE).any(axis=1))]

    def run(
        self, job: Callable[[str, Sequence[int]], J], results: Results[J, R], order: Iterable[int]
    ) -> Iterator[tuple[R, ...]]:
        """Run what has no row yet; yield the rows of each key, one a point, in the order of `keys`.

        Args:
            job: of a key and the points it lacks, by their places.
            results: runs jobs.
            order: of the places that lack rows, in which jobs are sent.
        """
        found_now = results(job(self.keys[i], self._missing(i)) for i in order)
        for i in range(len(self.keys)):
            while (self._starts[i] == NOWHERE).any():
                self._add(*next(found_now))
            yield tuple(self.at(start) for start in self._starts[i])
        settle(self.folder, self._place, self._order)

    def at(self, start: int) -> R:
        """The row whose line starts there."""
        self._stream.seek(start)
        return self._read(json.loads(self._stream.readline()))

    def start(self, key: str, point: str) -> int:
        """Where the line of a row that is there starts."""
        return int(self._starts[self._place[key], self._order[point]])

    def _missing(self, i: int) -> list[int]:
        return [int(j) for j in np.flatnonzero(self._starts[i] == NOWHERE)]

    def _add(self, done: Keyed, outcomes: tuple[Outcome[R], ...]) -> None:
        i = self._place[done.key]
        for j, outcome in zip(self._missing(i), outcomes, strict=True):
            self._starts[i, j] = self._log.append(outcome.row.to_json(**self.points[j]))
            self._timings.append(timing(done.key, outcome.seconds, **self.points[j]))


def stream(
    keys: Sequence[str],
    points: Sequence[Mapping[str, str]],
    folder: Path,
    job: Callable[[str, Sequence[int]], J],
    results: Results[J, R],
    read: Callable[[dict[str, Any]], R],
    complete: Callable[[R], bool] = lambda row: True,
) -> Iterator[tuple[R, ...]]:
    """Run what has no row yet, in the order of `keys`; yield the rows of each in that order. See `Rows`."""
    with Rows(folder, keys, points, read, complete) as rows:
        yield from rows.run(job, results, rows.lacking())


def timing(key: str, seconds: float, **point: str) -> str:
    """A line of TIMINGS."""
    return json.dumps({"key": key, **point, "seconds": round(seconds, 4)})


def settle(folder: Path, place: Mapping[str, int], order: Mapping[str, int]) -> None:
    """Put the rows into the order asked for, the last of each only, so that equal runs leave equal bytes."""
    path = folder / ROWS
    latest: dict[tuple[int | str, int | str], int] = {}
    count = 0
    for start, data in files.placed(path):
        key, point = data["key"], data.get("point", "")
        latest[place.get(key, key), order.get(point, point)] = start
        count += 1
    kept = sorted(latest, key=lambda slot: tuple(_rank(part) for part in slot))
    starts = [latest[slot] for slot in kept]
    if len(starts) == count and all(a < b for a, b in itertools.pairwise(starts)):
        return
    with path.open("rb") as rows:
        files.write(path, _lines_at(rows, starts))


def _rank(part: int | str) -> float:
    """Its place; all that were not asked for come after, as they stand."""
    return part if isinstance(part, int) else math.inf


def _lines_at(stream: BinaryIO, starts: Iterable[int]) -> Iterator[str]:
    for start in starts:
        stream.seek(start)
        yield stream.readline().decode()


def settled(
    folder: Path, keys: int, points: int, wanted: Container[int] | None = None
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """(place, its parsed lines, one a point) of each of the first `keys` keys of a finished run, in order.

    Args:
        folder: whose rows are in the order asked for.
        keys, points: how many.
        wanted: places of keys; the others are passed over. None: all.
    """
    with (folder / ROWS).open("rb") as stream:
        for i in range(keys):
            lines = list(itertools.islice(stream, points))
            if wanted is None or i in wanted:
                yield i, [json.loads(line) for line in lines]

"""Rows that cost something: on disk as they finish, never paid for twice, and in the order asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from eproxyctl.engine import rundir
from eproxyctl.engine.executors import Outcome

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
ALONE: tuple[Mapping[str, str], ...] = ({},)
"""The points of what has one row an architecture."""


def stream(
    keys: Sequence[str],
    points: Sequence[Mapping[str, str]],
    folder: Path,
    job: Callable[[str, Sequence[int]], J],
    results: Callable[[Iterator[J]], Iterator[tuple[Keyed, tuple[Outcome[R], ...]]]],
    read: Callable[[dict[str, Any]], R],
    complete: Callable[[R], bool] = lambda row: True,
) -> Iterator[tuple[R, ...]]:
    """Run what has no row yet; yield the rows of each key, one a point, in the order of `keys`.

    Args:
        keys: distinct.
        points: what each key has a row for, as its lines name it: distinct in `point`.
        folder: a locked run directory.
        job: of a key and the points it lacks, by their places.
        results: runs jobs; (job, an outcome for each point it lacked) in any order.
        read: a row from its parsed line.
        complete: whether all that a row stands for is there; else it runs again.

    A failed row is tried again by the next run; what it failed of may have been mended.
    """
    place = {key: i for i, key in enumerate(keys)}
    order = {point.get("point", ""): j for j, point in enumerate(points)}
    log, timings = rundir.Log(folder / ROWS), rundir.Log(folder / TIMINGS)
    try:
        waiting: dict[int, dict[int, R]] = {}
        for data in rundir.lines(folder / ROWS):
            i, j, row = place.get(data["key"]), order.get(data.get("point", "")), read(data)
            if i is not None and j is not None and row.status != "failed" and complete(row):
                waiting.setdefault(i, {})[j] = row
        lacking = {key: [j for j in range(len(points)) if j not in waiting.get(i, ())] for key, i in place.items()}
        found_now = results(job(key, missing) for key, missing in lacking.items() if missing)
        for i in range(len(keys)):
            while len(waiting.get(i, ())) < len(points):
                done, outcomes = next(found_now)
                for j, outcome in zip(lacking[done.key], outcomes, strict=True):
                    log.append(outcome.row.to_json(**points[j]))
                    timings.append(timing(done.key, outcome.seconds, **points[j]))
                    waiting.setdefault(place[done.key], {})[j] = outcome.row
            found = waiting.pop(i)
            yield tuple(found[j] for j in range(len(points)))
    finally:
        log.close()
        timings.close()
    settle(folder, place, order)


def timing(key: str, seconds: float, **point: str) -> str:
    """A line of TIMINGS."""
    return json.dumps({"key": key, **point, "seconds": round(seconds, 4)})


def settle(folder: Path, place: Mapping[str, int], order: Mapping[str, int]) -> None:
    """Put the rows into the order asked for, the last of each only, so that equal runs leave equal bytes."""
    path = folder / ROWS
    latest: dict[tuple[str, str], str] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            data = json.loads(line)
            latest[data["key"], data.get("point", "")] = line
    kept = sorted(latest, key=lambda slot: (place.get(slot[0], len(place)), order.get(slot[1], len(order))))
    rundir.write(path, "".join(latest[slot] for slot in kept))

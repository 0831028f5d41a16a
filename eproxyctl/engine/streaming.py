"""Rows that cost something: on disk as they finish, never paid for twice, and in the order asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from eproxyctl.engine import rundir
from eproxyctl.engine.executors import Job, Workers

ROWS = "rows.jsonl"
TIMINGS = "timings.jsonl"


class Line(Protocol):
    """A row of one architecture."""

    @property
    def key(self) -> str: ...
    @property
    def status(self) -> str: ...
    def to_json(self) -> str: ...


C = TypeVar("C")
R = TypeVar("R", bound=Line)


def stream(
    keys: Sequence[str],
    folder: Path,
    workers: Workers,
    context: C,
    job: Callable[[str], Job[C, R]],
    read: Callable[[dict[str, Any]], R],
    complete: Callable[[R], bool] = lambda row: True,
) -> Iterator[R]:
    """Run the keys that have no row yet; yield all rows in the order of `keys`.

    Args:
        keys: distinct.
        folder: a locked run directory.
        workers: where.
        context: all that a job needs.
        job: of a key.
        read: a row from its parsed line.
        complete: whether all that a row stands for is there; else its key runs again.

    A failed row is tried again by the next run; what it failed of may have been mended.
    """
    log, timings = rundir.Log(folder / ROWS), rundir.Log(folder / TIMINGS)
    place = {key: i for i, key in enumerate(keys)}
    try:
        rows = map(read, rundir.lines(folder / ROWS))
        known = ((place.get(row.key), row) for row in rows if row.status != "failed" and complete(row))
        waiting = {i: row for i, row in known if i is not None}
        have = set(waiting)
        results = workers.results(context, (job(key) for i, key in enumerate(keys) if i not in have))
        for i in range(len(keys)):
            while i not in waiting:
                done, row, seconds = next(results)
                log.append(row.to_json())
                timings.append(json.dumps({"key": done.key, "seconds": round(seconds, 4)}))
                waiting[place[done.key]] = row
            yield waiting.pop(i)
    finally:
        log.close()
        timings.close()
    _settle(folder, place)


def _settle(folder: Path, place: dict[str, int]) -> None:
    """Put the rows into the order asked for, the last row of each key only, so that equal runs leave equal bytes."""
    path = folder / ROWS
    latest: dict[str, str] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            latest[json.loads(line)["key"]] = line
    order = sorted(latest, key=lambda key: place.get(key, len(place)))
    rundir.write(path, "".join(latest[key] for key in order))

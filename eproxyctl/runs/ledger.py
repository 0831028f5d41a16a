"""Rows that cost something: on disk as they finish, never paid for twice, and in the order asked for."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Generic, Protocol, TypeVar

from eproxyctl.runs import files
from eproxyctl.workers.executors import Outcome

ROWS = "rows.jsonl"
TIMINGS = "timings.jsonl"
POINT = "point"
"""The field of a line that names the settings its architecture was scored with."""
About = Mapping[str, str]
"""What a line says beside its row: the point, and the kind of the proxy."""
ALONE: tuple[About, ...] = ({},)
"""For what has one row an architecture."""


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
Jobs = Callable[[Iterator[J]], Iterator[tuple[Keyed, tuple[Outcome[R], ...]]]]
"""Runs jobs: (job, an outcome for each point that its architecture lacked), in any order."""


class Ledger(Generic[R]):
    """The rows that a run directory has, by architecture and point; a context manager that holds its files open.

    Of each row only its place in the file is in memory, so that memory does not grow with what rows hold. A row that
    failed in an earlier run is known, and lacking all the same: each run tries it once more, as what it failed of may
    have been mended.

    Args:
        folder: a locked run directory.
        read: a row from its parsed line.
        name: of an architecture's key, by which its rows are kept: the key itself, or its canonical key.
        complete: whether all that a row stands for is there; else it is lacking.
    """

    def __init__(
        self,
        folder: Path,
        read: Callable[[dict[str, Any]], R],
        *,
        name: Callable[[str], str] = lambda key: key,
        complete: Callable[[R], bool] | None = None,
    ) -> None:
        self.folder = folder
        self._read, self._name = read, name
        self._starts: dict[str, dict[str, int]] = {}
        self._stale: set[tuple[str, str]] = set()
        self._failed: set[tuple[str, str]] = set()
        self._log, self._timings = files.Log(folder / ROWS), files.Log(folder / TIMINGS)
        self._stream = (folder / ROWS).open("rb")
        self.damaged: list[int] = []
        for start, data in files.placed(folder / ROWS, self.damaged):
            row = self._typed(data)
            if row is None:
                continue
            slot = (name(row.key), data.get(POINT, ""))
            self._note(slot, start)
            if row.status == "failed" or (complete is not None and not complete(row)):
                self._stale.add(slot)
        self._seconds: dict[tuple[str, str], float] | None = None

    def _typed(self, data: dict[str, Any]) -> R | None:
        """The row of a line, None where a line of an earlier version, without checksum, is no row."""
        try:
            return self._read(data)
        except (KeyError, TypeError, ValueError):
            self.damaged.append(0)
            return None

    @property
    def notes(self) -> list[str]:
        """What was damaged, for people."""
        if not self.damaged:
            return []
        named = ", ".join(str(number) for number in self.damaged[:5] if number)
        where = f" ({'line' if len(self.damaged) == 1 else 'lines'} {named})" if named else ""
        path = self.folder / ROWS
        return [f"{path}: {len(self.damaged)} damaged{where}; what they held is paid for again"]

    def __enter__(self) -> Ledger[R]:
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()
        self._log.close()
        self._timings.close()

    def __len__(self) -> int:
        """Rows that are not lacking."""
        return sum(map(len, self._starts.values())) - len(self._stale)

    @property
    def architectures(self) -> int:
        """How many have a row, failed ones included."""
        return len(set[str]().union(*self._starts.values()))

    @property
    def failed(self) -> int:
        """Rows that failed in this run; the next one tries them again."""
        return len(self._failed)

    def lacking(self, name: str, points: Iterable[str]) -> list[str]:
        """Those of the points at which an architecture has to be scored."""
        return [point for point in points if name not in self._starts.get(point, ()) or (name, point) in self._stale]

    def there(self, name: str, points: Iterable[str]) -> bool:
        """Whether an architecture has a row at each of the points, failed or not."""
        return all(name in self._starts.get(point, ()) for point in points)

    def get(self, name: str, point: str) -> R:
        """A row that is there."""
        return self._read(json.loads(self.line(name, point)))

    def line(self, name: str, point: str) -> str:
        """A row that is there, as it is written."""
        self._stream.seek(self._starts[point][name])
        return self._stream.readline().decode().rstrip("\n")

    def pay(self, name: str, about: About, outcome: Outcome[R]) -> None:
        """Write down a row and what it took."""
        line = files.sealed(outcome.row.to_json(**about))
        self._enter((name, about.get(POINT, "")), line, outcome.row.status)
        self._timings.append(json.dumps({"key": outcome.row.key, **about, "seconds": round(outcome.seconds, 4)}))
        if self._seconds is not None:
            self._seconds[outcome.row.key, about.get(POINT, "")] = outcome.seconds

    def adopt(self, line: str) -> bool:
        """Take over a row that another process paid for, if it is better than none; returns whether there was none."""
        data = json.loads(line)
        slot = self._name(data["key"]), data.get(POINT, "")
        new = not self.there(slot[0], [slot[1]])
        known = None if new else json.loads(self.line(*slot))
        if known is None or known["key"] != data["key"] or (known["status"] == "failed" and data["status"] != "failed"):
            self._enter(slot, line, data["status"])
        return new

    def seconds(self, key: str, point: str) -> float | None:
        """What a row took here; None where it was not paid for here."""
        if self._seconds is None:
            self._seconds = {(timing.key, timing.point): timing.seconds for timing in timings(self.folder)}
        return self._seconds.get((key, point))

    def settle(self, keys: Iterable[str], points: Iterable[str]) -> None:
        """Put the rows into the order asked for, the last of each only, so that equal runs leave equal bytes."""
        place = {key: i for i, key in enumerate(keys)}
        order = {point: i for i, point in enumerate(points)}
        path = self.folder / ROWS
        latest: dict[tuple[int | str, int | str], int] = {}
        count = 0
        for start, data in files.placed(path):
            if self._typed(data) is None:
                continue
            key, point = data["key"], data.get(POINT, "")
            latest[place.get(key, key), order.get(point, point)] = start
            count += 1
        kept = sorted(latest, key=lambda slot: tuple(_rank(part) for part in slot))
        starts = [latest[slot] for slot in kept]
        if len(starts) == count and not self.damaged and all(a < b for a, b in itertools.pairwise(starts)):
            return
        with path.open("rb") as rows:
            files.write(path, _lines_at(rows, starts))

    def _enter(self, slot: tuple[str, str], line: str, status: str) -> None:
        self._note(slot, self._log.append(line))
        self._stale.discard(slot)
        (self._failed.add if status == "failed" else self._failed.discard)(slot)

    def _note(self, slot: tuple[str, str], start: int) -> None:
        name, point = slot
        self._starts.setdefault(point, {})[name] = start
        self._stale.discard(slot)


@dataclass(frozen=True)
class Timing:
    """Seconds that a row took; `proxy` is the kind that scored it, where the run says so."""

    key: str
    point: str
    proxy: str
    seconds: float


def timings(folder: Path) -> Iterator[Timing]:
    """What rows of a run directory took; damaged lines are left out."""
    for line in files.lines(folder / TIMINGS):
        key, seconds = line.get("key"), line.get("seconds")
        if isinstance(key, str) and isinstance(seconds, int | float):
            yield Timing(key, str(line.get(POINT, "")), str(line.get("proxy", "")), float(seconds))


def stream(
    ledger: Ledger[R],
    keys: Sequence[str],
    abouts: Sequence[About],
    job: Callable[[str, Sequence[str]], J],
    run: Jobs[J, R],
    order: Iterable[str] | None = None,
) -> Iterator[tuple[R, ...]]:
    """Run what has no row yet; yield the rows of each key, one a point, in the order of `keys`.

    Args:
        ledger: by key.
        keys: distinct.
        abouts: what each key has a row for, as its lines name it.
        job: of a key and the points it lacks.
        run: jobs.
        order: of the keys that lack rows, in which jobs are sent; unset: that of `keys`.
    """
    named = {about.get(POINT, ""): about for about in abouts}
    lacking = (key for key in keys if ledger.lacking(key, named)) if order is None else order
    done = run(job(key, ledger.lacking(key, named)) for key in lacking)
    for key in keys:
        while ledger.lacking(key, named):
            finished, outcomes = next(done)
            for point, outcome in zip(ledger.lacking(finished.key, named), outcomes, strict=True):
                ledger.pay(finished.key, named[point], outcome)
        yield tuple(ledger.get(key, point) for point in named)
    ledger.settle(keys, named)


def settled(
    folder: Path, keys: int, points: int, wanted: Container[int] | None = None
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """(place, its parsed lines, one a point) of each of the first `keys` keys of a finished run, in order.

    Args:
        folder: whose rows are in the order asked for.
        keys, points: how many.
        wanted: places of keys; the others are passed over. None: all.
    """
    with (folder / ROWS).open("rb") as rows:
        for i in range(keys):
            lines = list(itertools.islice(rows, points))
            if wanted is None or i in wanted:
                yield i, [json.loads(line) for line in lines]


def _rank(part: int | str) -> float:
    """Its place; all that were not asked for come after, as they stand."""
    return part if isinstance(part, int) else math.inf


def _lines_at(stream: BinaryIO, starts: Iterable[int]) -> Iterator[str]:
    for start in starts:
        stream.seek(start)
        yield stream.readline().decode()

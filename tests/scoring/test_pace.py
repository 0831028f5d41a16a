"""Many architectures: the time left is right within a fifth, and memory does not grow with what rows hold."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from eproxyctl.proxies.eproxy import EproxyProxy
from eproxyctl.runs.ledger import POINT, Ledger, stream
from eproxyctl.runs.rows import Row
from eproxyctl.scoring.equals import Shared
from eproxyctl.scoring.pace import Pace
from eproxyctl.scoring.settings import Settings
from eproxyctl.scoring.worker import Context, ScoringJob
from eproxyctl.spaces.nasbench201 import NasBench201Space
from eproxyctl.workers.executors import Outcome, Workers

SPACE = NasBench201Space(NasBench201Space.Options.model_validate({}))
PROXY = EproxyProxy(EproxyProxy.Options())
SECONDS = {"nor_conv_3x3": 0.3, "nor_conv_1x1": 0.15, "avg_pool_3x3": 0.2, "skip_connect": 0.02, "none": 0.0}
TAKEN_OVER = 0.02
FRESH, STARTED = (0, 6), 30.0
"""The first jobs of the two workers, and what they take longer."""


class Clocked(Workers):
    """Pretends to score, two at a time, by moving a clock."""

    def __init__(self, iterations: int) -> None:
        super().__init__(0)
        self.now = 100.0
        self.iterations = iterations

    def results(
        self, context: object, jobs: Iterable[ScoringJob]
    ) -> Iterator[tuple[ScoringJob, tuple[Outcome[Row], ...]]]:  # type: ignore[override]
        for i, job in enumerate(jobs):
            known, fresh = job.equals[0], i in FRESH
            seconds = TAKEN_OVER if known else 0.2 + sum(job.key.count(name) * each for name, each in SECONDS.items())
            seconds += STARTED if fresh else 0
            self.now += seconds / 2
            trace = tuple((self.now + i / 3,) for i in range(self.iterations))
            row = Row(job.key, SPACE.canonical(job.key), "ok", 1.0, params=1, macs=1, traces=(trace,))
            yield job, (Outcome(row, seconds, fresh),)


def told(keys: Sequence[str], folder: Path, iterations: int = 1) -> list[tuple[float, float | None]]:
    """(clock, seconds left as told) after each row."""
    settings = Settings.of(PROXY.options)
    abouts = [{"proxy": "eproxy", POINT: settings.digest}]
    workers = Clocked(iterations)
    pace = Pace(lambda: workers.now)
    found = []
    with Ledger(folder, Row.from_json) as ledger:
        shared = Shared(SPACE, [PROXY], keys, ledger, pace)
        context = cast("Context", None)
        for row in stream(
            ledger,
            keys,
            abouts,
            lambda key, lacking: ScoringJob(key, (settings.text,)),
            lambda jobs: shared.results(workers, context, jobs),
            shared.order(),
        ):
            assert row[0].key == keys[len(found)]
            found.append((workers.now, pace.left()))
    return found


@pytest.mark.parametrize("step", [1, -1])
def test_time_left_is_right_within_a_fifth(tmp_path: Path, step: int) -> None:
    """2,233 architectures, in the order of the space, cheap ones first, and the other way round."""
    keys = list(SPACE.keys())[::7][::step]
    found = told(keys, tmp_path)
    start, end = found[FRESH[-1]][0], found[-1][0]
    checked = 0
    for now, left in found:
        if 0.05 < (now - start) / (end - start) < 0.9:
            assert left == pytest.approx(end - now, rel=0.2)
            checked += 1
    assert checked > 1000
    assert found[-1][1] == pytest.approx(0, abs=1)


def test_what_is_on_disk_costs_nothing(tmp_path: Path) -> None:
    """A run that continues counts what is left to do, not the rows that there are."""
    keys = list(SPACE.keys())[::26]
    told(keys[:400], tmp_path)
    found = told(keys, tmp_path)
    assert [left for _, left in found[:400]] == [None] * 400
    end = found[-1][0]
    now, left = found[500]
    assert left == pytest.approx(end - now, rel=0.2)


def test_memory_does_not_grow_with_what_rows_hold(tmp_path: Path) -> None:
    """Rows of 60 iterations take 5 kB each in memory; where they are on disk, and their names, a tenth."""
    keys = list(SPACE.keys())[:3000:6]
    for key in keys:
        SPACE.canonical(key)  # what a space remembers is bounded, and not of interest here
    peaks = []
    for count in (50, 500):
        folder = tmp_path / str(count)
        folder.mkdir()
        for _ in ("scored", "read again"):
            tracemalloc.start()
            told(keys[:count], folder, iterations=60)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    grown = (max(peaks[2:]) - min(peaks[:2])) / 450
    assert grown < 1_000


def test_nothing_is_told_before_anything_is_known() -> None:
    pace = Pace(lambda: 0.0)
    assert pace.left() is None
    pace.expect(10, 5)
    assert pace.left() is None

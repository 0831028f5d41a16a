"""Where jobs run: in this process, or in spawned ones with one torch thread each.

All are `concurrent.futures.Executor`s. One dead process breaks every future of a pool, so after that the pool is made
anew, what was in flight runs alone, and what dies again is a failed row.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from types import TracebackType

from eproxyctl.engine.rows import Row
from eproxyctl.engine.worker import Context, Job, Outcome, run

Result = tuple[Job, tuple[Outcome, ...]]
Flight = Future[tuple[Outcome, ...]]


class Workers:
    """Runs jobs; a context manager.

    Args:
        count: spawned processes; 0 runs in this one.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: Executor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def results(self, context: Context, jobs: Iterable[Job]) -> Iterator[Result]:
        """(job, outcomes) in the order they finish; at most 2 × count are in flight."""
        if self.count == 0:
            for job in jobs:
                yield job, run(context, job)
            return
        pending = iter(jobs)
        flying: dict[Flight, Job] = {}
        while True:
            for job in islice(pending, 2 * self.count - len(flying)):
                flying[self._submit(context, job)] = job
            if not flying:
                return
            done, _ = wait(flying, return_when=FIRST_COMPLETED)
            if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                yield from self._after_death(context, flying)
                flying.clear()
                continue
            for future in done:
                yield flying.pop(future), future.result()

    def _after_death(self, context: Context, flying: dict[Flight, Job]) -> Iterator[Result]:
        wait(flying)
        self._close()
        for future, job in flying.items():
            if future.exception() is None:
                yield job, future.result()
                continue
            try:
                yield job, self._submit(context, job).result()
            except BrokenProcessPool:
                self._close()
                cause = "the worker process died, twice"
                hint = "most often memory ran out: use fewer workers or a smaller proxy.fidelity"
                row = Row(job.key, "", "failed", cause=cause, hint=hint)
                yield job, (Outcome(row, 0.0),) * len(job.proxies)

    def _submit(self, context: Context, job: Job) -> Flight:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.count, mp_context=multiprocessing.get_context("spawn"), initializer=_initialise
            )
        try:
            return self._pool.submit(run, context, job)
        except BrokenProcessPool as error:
            failed: Flight = Future()
            failed.set_exception(error)
            return failed

    def _close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _initialise() -> None:
    """A worker leaves Ctrl-C to its parent, uses one thread, and ends when its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()

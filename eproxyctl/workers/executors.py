"""Where jobs run: in this process, or in spawned ones with one torch thread each.

All are `concurrent.futures.Executor`s. One dead process breaks every future of a pool, so after that the pool is made
anew, what was in flight runs alone, and what dies again is a failed row.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from eproxyctl.plugins import Sources
from eproxyctl.workers.devices import one_thread, take

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized


class Sent(Protocol):
    """What is sent to workers along with their jobs."""

    @property
    def sources(self) -> Sources: ...
    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """(path, digest of its content) of what the sections that workers read name."""
        ...


C = TypeVar("C", bound=Sent)
R = TypeVar("R")
C_contra = TypeVar("C_contra", bound=Sent, contravariant=True)
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """A row of one architecture, and the seconds it took; `fresh`: with what its worker did for the first time."""

    row: R
    seconds: float
    fresh: bool = False


class Job(Protocol[C_contra, R_co]):
    """What workers do with one architecture, in whatever process."""

    @property
    def key(self) -> str: ...

    def prepare(self, context: C_contra) -> None:
        """Read what a process reads once."""

    def run(self, context: C_contra) -> R_co:
        """What was found; what goes wrong with the architecture is said there."""

    def died(self, cause: str) -> R_co:
        """What is found where it killed every process it was tried in."""


class _Here(Generic[C]):
    """What a worker process was given at its start: the context of its run, sent once and not with each job."""

    context: C


_HERE: _Here[Any] = _Here()


def _run(job: Job[Any, R]) -> R:
    return job.run(_HERE.context)


class Workers:
    """Runs jobs; a context manager.

    Args:
        count: spawned processes; 0 runs in this one.
        devices: of which each process sees one, in turn; none: all see all. See `devices.take`.
    """

    def __init__(self, count: int, devices: Sequence[str] = ()) -> None:
        self.count = count
        self._devices = tuple(devices)
        self._pool: Executor | None = None
        self._context: object = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def results(self, context: C, jobs: Iterable[Job[C, R]]) -> Iterator[tuple[Job[C, R], R]]:
        """(job, what it found) in the order they finish; at most 2 × count are in flight."""
        if self.count == 0:
            yield from self._here(context, jobs)
            return
        pending = iter(jobs)
        flying: dict[Future[R], Job[C, R]] = {}
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

    @staticmethod
    def _here(context: C, jobs: Iterable[Job[C, R]]) -> Iterator[tuple[Job[C, R], R]]:
        """One thread while a job runs, as in a worker; between jobs, and afterwards, as many as the caller had."""
        for job in jobs:
            with one_thread():
                found = job.run(context)
            yield job, found

    def _after_death(self, context: C, flying: dict[Future[R], Job[C, R]]) -> Iterator[tuple[Job[C, R], R]]:
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
                yield job, job.died("the worker process died, twice")

    def _submit(self, context: C, job: Job[C, R]) -> Future[R]:
        if self._pool is not None and self._context != context:
            self._close()
        if self._pool is None:
            spawn = multiprocessing.get_context("spawn")
            self._context = context
            self._pool = ProcessPoolExecutor(
                self.count,
                mp_context=spawn,
                initializer=_initialise,
                initargs=(self._devices, spawn.Value("i", 0), context),
            )
        try:
            return self._pool.submit(_run, job)
        except BrokenProcessPool as error:
            failed: Future[R] = Future()
            failed.set_exception(error)
            return failed

    def _close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _initialise(devices: Sequence[str], started: Synchronized[int], context: Any) -> None:
    """A worker leaves Ctrl-C to its parent, uses one thread and one device, and ends when its parent is gone."""
    _HERE.context = context
    with started.get_lock():
        take(devices, started.value)
        started.value += 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()

"""Jobs on a Dask cluster, through `Client.get_executor`.

Dask runs what it is sent: whoever reaches a scheduler can run code on its workers. A worker that dies costs what it ran
a retry elsewhere; what four workers died of is a failed row.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Hashable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from importlib.metadata import version
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from eproxyctl.errors import DataError, UsageError
from eproxyctl.workers.executors import C, Job, R, Workers
from eproxyctl.workers.luggage import Luggage, pack, unpack

if TYPE_CHECKING:
    from distributed import Client
    from distributed import Future as DaskFuture

LOCAL = "local"
CONNECT_SECONDS = 10
IDLE_SECONDS = 30
"""How long a cluster without workers is waited for."""


class Cluster(Workers):
    """Runs jobs on a Dask cluster; a context manager.

    Args:
        address: of the scheduler, or `local`: processes of this machine, on a cluster that ends with the command.
        count: processes of a local cluster.
    """

    def __init__(self, address: str, count: int) -> None:
        super().__init__(count)
        self.address = address
        self._client: Client | None = None
        self._sent: tuple[object, DaskFuture[tuple[Any, Luggage]]] | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._client is not None:
            cluster = self._client.cluster
            self._client.close()  # what is still in flight is given up
            if cluster is not None:
                cluster.close()
            self._client = self._sent = None

    def results(self, context: C, jobs: Iterable[Job[C, R]]) -> Iterator[tuple[Job[C, R], R]]:
        """(job, what it found) in the order they finish; twice as many are in flight as the cluster has threads.

        Raises:
            DataError: the cluster cannot be reached, has another version, or has no workers left.
        """
        client = self._client = self._client or self._connect()
        executor = client.get_executor(pure=False)
        sent = self._send(client, context)
        pending = iter(jobs)
        flying: dict[Future[R], Job[C, R]] = {}
        while True:
            room = max(1, 2 * sum(client.nthreads().values())) - len(flying)
            for job in islice(pending, max(0, room)):
                flying[executor.submit(run_here, sent, job)] = job
            if not flying:
                return
            done, _ = wait(flying, timeout=IDLE_SECONDS, return_when=FIRST_COMPLETED)
            if not done and not client.nthreads():
                raise DataError(f"no workers are left at {self.address}", hint="start some; the same command continues")
            for future in done:
                yield self._result(flying.pop(future), future)

    def _send(self, client: Client, context: C) -> DaskFuture[tuple[C, Luggage]]:
        """Once, as the result of a task, which runs again where the worker that has it died."""
        if self._sent is None or self._sent[0] != context:
            packed = (context, pack(context, data=self.address != LOCAL))
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Sending large graph")
                self._sent = context, client.submit(_held, packed, pure=False)
        return self._sent[1]

    def _result(self, job: Job[C, R], future: Future[R]) -> tuple[Job[C, R], R]:
        from distributed import KilledWorker

        if future.cancelled():
            raise DataError(f"the scheduler at {self.address} is gone", hint="start it; the same command continues")
        try:
            return job, future.result()
        except KilledWorker:
            return job, job.died("every Dask worker it was tried on died")

    def _connect(self) -> Client:
        try:
            from distributed import Client, LocalCluster
        except ImportError:
            raise UsageError("--dask needs Dask", hint="pip install 'eproxyctl[distributed]'") from None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        if self.address == LOCAL:
            return Client(LocalCluster(n_workers=max(1, self.count), threads_per_worker=1, dashboard_address=":0"))
        try:
            client = Client(self.address, timeout=CONNECT_SECONDS)
        except (OSError, ValueError, TimeoutError) as error:
            cause = str(error).splitlines()[0]
            hint = "write --dask tcp://HOST:8786, or --dask local"
            raise DataError(f"no Dask scheduler answers at {self.address}: {cause}", hint=hint) from None
        try:
            self._check(client)
        except BaseException:
            client.close()
            raise
        return client

    def _check(self, client: Client) -> None:
        try:
            client.wait_for_workers(1, timeout=IDLE_SECONDS)
        except TimeoutError:
            hint = f"start one: dask worker {self.address}"
            raise DataError(f"the Dask scheduler at {self.address} has no workers", hint=hint) from None
        ours = version("eproxyctl")
        for worker, theirs in client.run(_version).items():
            if theirs != ours:
                raise DataError(
                    f"the Dask worker {worker} has {theirs or 'no'} eproxyctl, this is {ours}",
                    hint="install the same version everywhere",
                )


def _held(packed: tuple[C, Luggage]) -> tuple[C, Luggage]:
    return packed


def _version() -> str:
    """That of eproxyctl on a worker."""
    return version("eproxyctl")


def run_here(packed: tuple[C, Luggage], job: Job[C, R]) -> R:
    """The job on a worker, whatever thread it is in."""
    import torch

    torch.set_num_threads(1)  # counts for the calling thread only
    with _LOCK:  # what is read once is read by one thread
        local: C = unpack(*cast("tuple[Hashable, Luggage]", packed))
        job.prepare(local)
    return job.run(local)


_LOCK = threading.Lock()

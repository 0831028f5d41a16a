"""Jobs on a Dask cluster, through `Client.get_executor`.

Dask runs what it is sent: whoever reaches a scheduler can run code on its workers. A worker that dies costs what it ran
a retry elsewhere; what four workers died of is a failed row.
"""

from __future__ import annotations

import dataclasses
import logging
import tempfile
import threading
from collections.abc import Hashable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import lru_cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from eproxyctl import plugins
from eproxyctl.engine.executors import C, Job, R, Workers
from eproxyctl.errors import DataError, UsageError

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"
CONNECT_SECONDS = 10
IDLE_SECONDS = 30
"""How long a cluster without workers is waited for."""
Code = tuple[tuple[tuple[str, str], ...], ...]
"""[plugin folders][files] (name, text)."""


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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._client is not None:
            cluster = self._client.cluster
            self._client.close()  # what is still in flight is given up
            if cluster is not None:
                cluster.close()
            self._client = None

    def results(self, context: C, jobs: Iterable[Job[C, R]]) -> Iterator[tuple[Job[C, R], R]]:
        """(job, what it found) in the order they finish; twice as many are in flight as the cluster has threads.

        Raises:
            DataError: the cluster cannot be reached, has another version, or has no workers left.
        """
        client = self._client = self._client or self._connect()
        executor = client.get_executor(pure=False)
        code = read_code(context.sources)
        pending = iter(jobs)
        flying: dict[Future[R], Job[C, R]] = {}
        while True:
            room = max(1, 2 * sum(client.nthreads().values())) - len(flying)
            for job in islice(pending, max(0, room)):
                flying[executor.submit(run_here, context, code, job)] = job
            if not flying:
                return
            done, _ = wait(flying, timeout=IDLE_SECONDS, return_when=FIRST_COMPLETED)
            if not done and not client.nthreads():
                raise DataError(f"no workers are left at {self.address}", hint="start some; the same command continues")
            for future in done:
                yield self._result(flying.pop(future), future)

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
            return Client(LocalCluster(n_workers=max(1, self.count), threads_per_worker=1, dashboard_address=None))
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


def _version() -> str:
    """That of eproxyctl on a worker."""
    return version("eproxyctl")


def read_code(sources: plugins.Sources) -> Code:
    """The text of plugin files, which workers on other machines do not have."""
    return tuple(
        tuple((path.name, path.read_text("utf-8")) for path in sorted(Path(folder).glob("*.py")))
        for folder in sources.folders
    )


def run_here(context: C, code: Code, job: Job[C, R]) -> R:
    """The job on a worker, whatever thread it is in: plugins are read from the text that was sent."""
    import torch

    torch.set_num_threads(1)  # counts for the calling thread only
    with _LOCK:  # what is read once is read by one thread
        local: C = _localised(cast("Hashable", context), code)
        job.prepare(local)
    return job.run(local)


_LOCK = threading.Lock()
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
"""Held for as long as the process lives."""


@lru_cache(maxsize=16)
def _localised(context: Any, code: Code) -> Any:
    """The context with plugin folders of this machine."""
    folders = []
    for files in code:
        folder = tempfile.TemporaryDirectory(prefix="eproxyctl-plugins-")
        _FOLDERS.append(folder)
        folders.append(folder.name)
        for name, text in files:
            (Path(folder.name) / name).write_text(text, "utf-8")
    return dataclasses.replace(context, sources=plugins.Sources(tuple(folders), context.sources.installed))

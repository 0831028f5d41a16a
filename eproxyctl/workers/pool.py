"""Which workers a run gets: processes of this machine, or a Dask cluster."""

from __future__ import annotations

from eproxyctl.workers.devices import cores, visible
from eproxyctl.workers.executors import Workers


def default_count(device: str) -> int:
    """Worker processes where none are asked for: one a core this process may use; on CUDA one a device."""
    return cores() if device == "cpu" else max(1, len(_devices(device)))


def make_workers(count: int, dask: str | None, device: str = "cpu") -> Workers:
    """Where jobs run: `count` processes of this machine, each with a CUDA device in turn, or a Dask cluster.

    Args:
        count: of processes; 0: this one.
        dask: address of a scheduler, or `local`; None: no Dask.
        device: of the spec.
    """
    if dask is not None:
        from eproxyctl.workers.dask import Cluster

        return Cluster(dask, count)
    return Workers(count, _devices(device))


def _devices(device: str) -> tuple[str, ...]:
    """The CUDA devices to spread workers over: those there are for `cuda`, none for another device."""
    return visible() if device == "cuda" else ()

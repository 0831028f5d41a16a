"""CUDA devices: arithmetic that repeats itself, and a device for each worker."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from eproxyctl.errors import DataError


def settle(device: str, *, tf32: bool) -> None:
    """Make this process compute alike every time: one thread; on CUDA no algorithm that sums in no fixed order.

    Args:
        device: `cpu`, `cuda` or `cuda:N`.
        tf32: let matrix products and convolutions on CUDA round their inputs to 10 bits (TensorFloat-32), as torch
            would for convolutions: faster, and far enough from float32 to change rankings.
    """
    import torch

    torch.set_num_threads(1)
    if device == "cpu":
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS may sum in another order each time
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32


def check_device(device: str) -> None:
    """Raises DataError where the device is not there."""
    if device != "cpu":
        import torch

        index = int(device.partition(":")[2] or 0)
        if index >= torch.cuda.device_count():
            raise DataError(
                f"no device {device}: torch sees {torch.cuda.device_count()} CUDA devices", hint="device: cpu"
            )


def visible() -> tuple[str, ...]:
    """The names of the CUDA devices this process may use, as CUDA_VISIBLE_DEVICES has them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(name.strip() for name in named.split(",") if name.strip())
    import torch

    return tuple(map(str, range(torch.cuda.device_count())))


def take(devices: Sequence[str], place: int) -> None:
    """Let this process see one device only, before torch has looked for any: `cuda` is then that one.

    Args:
        devices: see `visible`; none: nothing is changed.
        place: of this process among the workers; more workers than devices share them evenly.
    """
    if devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[place % len(devices)]


@contextmanager
def one_thread() -> Iterator[None]:
    """As in a worker; the caller's number of threads is put back, and how torch computes on CUDA."""
    import torch

    threads, cudnn, matmul = torch.get_num_threads(), torch.backends.cudnn, torch.backends.cuda.matmul
    flags = cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32 = flags


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

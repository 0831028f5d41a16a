"""CUDA devices: arithmetic that repeats itself, and a device for each worker."""

from __future__ import annotations

import os
import sys
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
    """As in a worker; the caller's number of threads is put back, and how torch computes on CUDA.

    Torch is not imported for it: where it is imported meanwhile, the number of threads that it starts with is put back.
    """
    before = _arithmetic() if "torch" in sys.modules else None
    if before is not None:
        import torch

        torch.set_num_threads(1)
    try:
        yield
    finally:
        if "torch" in sys.modules:
            _put_back(before or (_default_threads(), (False, False, True, False)))


_Flags = tuple[bool, bool, bool, bool]


def _arithmetic() -> tuple[int, _Flags]:
    import torch

    cudnn = torch.backends.cudnn
    flags = cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    return torch.get_num_threads(), flags


def _put_back(before: tuple[int, _Flags]) -> None:
    import torch

    threads, flags = before
    torch.set_num_threads(threads)
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32 = flags


def _default_threads() -> int:
    """What torch starts with: as OpenMP is told, else one a core."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdecimal() and int(named) else cores()


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""CUDA devices for workers, and arithmetic on them; most of it without a device."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Cli

from eproxyctl.plugins import Sources
from eproxyctl.workers.devices import settle, take, visible
from eproxyctl.workers.executors import Workers


@dataclass(frozen=True)
class Nothing:
    sources: Sources


@dataclass(frozen=True)
class Look:
    """Says which devices its process sees; slow enough that one process does not take all."""

    key: str = ""

    def prepare(self, context: Nothing) -> None:
        pass

    def run(self, context: Nothing) -> tuple[int, str]:
        time.sleep(0.5)
        return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES", "all")

    def died(self, cause: str) -> tuple[int, str]:
        raise AssertionError(cause)


def test_each_worker_sees_a_device_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with Workers(2, ("3", "GPU-5")) as workers:
        found = dict(result for _, result in workers.results(Nothing(Sources(())), [Look()] * 6))
    assert sorted(found.values()) == ["3", "GPU-5"]
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_more_workers_than_devices_share_them_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 7")
    devices = visible()
    assert devices == ("2", "7")
    taken = []
    for place in range(5):
        take(devices, place)
        taken.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert taken == ["2", "7", "2", "7", "2"]


@pytest.mark.parametrize("tf32", [False, True])
def test_tf32_is_off_unless_asked_for(tf32: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark, cudnn.deterministic
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    settle("cuda", tf32=tf32)
    after = cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark, cudnn.deterministic
    cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark, cudnn.deterministic = before
    assert after == (tf32, tf32, False, True)


def test_out_of_memory_on_a_device_is_said() -> None:
    import torch

    from eproxyctl.scoring.worker import explain

    cause, hint = explain(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."))
    assert cause == "out of memory"
    assert "proxy.fidelity" in hint


def test_a_device_that_is_not_there(tiny: Path, cli: Cli) -> None:
    result = cli("score", tiny, "--device", "cuda:63")
    assert result.exit_code == 5
    assert "no device cuda:63" in result.stderr


def test_scores_on_a_device_repeat_and_agree_with_the_cpu(tiny: Path, cli: Cli) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    found = [cli("score", tiny, "--device", d, "--run", f"{d}{i}").stdout for d in ("cuda", "cpu") for i in range(2)]
    assert found[0] == found[1]
    on_cuda, on_cpu = ([line.split(",")[1] for line in text.splitlines()[1:]] for text in (found[0], found[2]))
    assert [float(score) for score in on_cuda] == pytest.approx([float(score) for score in on_cpu], rel=0.05)

"""Scoring on Dask: a local cluster, and a scheduler with worker processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cli
from distributed import KilledWorker

from eproxyctl.scoring.worker import ScoringJob
from eproxyctl.workers import dask as cluster
from eproxyctl.workers.dask import Cluster

DEADLY = """\
import os
import signal
from pathlib import Path
from eproxyctl import Needs, Proxy, Score

class DeadlyProxy(Proxy):
    \"\"\"Kills its process at the first call of all; then the seed of the weights.\"\"\"
    kind = "deadly"
    needs = Needs(official=True)

    def score(self, network, batches, seed):
        try:
            Path(@mark@).touch(exist_ok=False)
        except FileExistsError:
            return Score(float(seed.weights))
        os.kill(os.getpid(), signal.SIGKILL)
"""


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "eproxyctl", "score", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


Start = Callable[..., str]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a scheduler and workers with so many threads each, in a folder of their own; gives the address."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    started: list[subprocess.Popen[bytes]] = []

    def dask(*words: str) -> None:
        command = [sys.executable, "-m", "dask", *words]
        quiet = subprocess.DEVNULL
        started.append(subprocess.Popen(command, cwd=folder, stdout=quiet, stderr=quiet))

    def begin(*threads: int) -> str:
        file = folder / "scheduler.json"
        dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
        address = _address(file)
        for n in threads:
            dask("worker", address, "--no-nanny", "--no-dashboard", "--nthreads", str(n), "--host", "127.0.0.1")
        return address

    yield begin
    for process in reversed(started):
        process.kill()
        process.wait()


def _address(file: Path) -> str:
    for _ in range(600):
        try:
            return str(json.loads(file.read_text())["address"])
        except (FileNotFoundError, json.JSONDecodeError):
            time.sleep(0.1)
    raise AssertionError("the scheduler did not start")


def rows(folder: str) -> bytes:
    return Path(folder, "rows.jsonl").read_bytes()


def test_the_same_rows_from_processes_and_from_threads_and_processes_of_dask(
    tiny: Path, cli: Cli, start: Start
) -> None:
    """Several proxies, one of which keeps what it drew: threads of a worker must not meet in it."""
    several = (
        "--set",
        "proxy=[eproxy, {kind: eproxy, inputs: noise, label: noise}]",
        "--set",
        "space.architectures={sample: 10}",
    )
    places = {"one": ("--workers", "1"), "two": ("--workers", "2"), "threads": ("--dask", start(4))}
    for folder, place in places.items():
        result = cli("score", tiny, *several, *place, "--run", folder)
        assert (result.exit_code, result.stderr) == (0, "")
        assert rows(folder) == rows("one")
    result = run(tiny, *several, "--run", "local", "--dask", "local", "--workers", "2")
    assert (result.returncode, result.stderr) == (0, "")
    assert rows("local") == rows("one")


def test_threads_and_processes_give_the_same_rows(tiny: Path, cli: Cli, start: Start) -> None:
    """The images are in a file whose path leads nowhere where the workers run."""
    random = np.random.default_rng(0)
    labels = np.arange(48) % 3
    images = random.integers(0, 200, (48, 8, 8, 3)) + 20 * labels[:, None, None, None]
    np.savez("images.npz", images=images.astype(np.uint8), labels=labels)
    text = tiny.read_text().replace("{kind: photos}", "{kind: npz, path: images.npz}")
    tiny.write_text(text + "train: {architectures: 2, epochs: 1, batch_size: 8}\n")
    address = start(2, 1)
    for name, words in {"score": (), "benchmark": (), "search": ("-n", 9)}.items():
        for folder, place in {f"{name}-here": (), f"{name}-there": ("--dask", address)}.items():
            result = cli(name, tiny, *words, *place, "--run", folder)
            assert (result.exit_code, result.stderr) == (0, "")
        assert rows(f"{name}-here") == rows(f"{name}-there")
    refused = cli("benchmark", tiny, "--save", "--dask", address)
    assert refused.exit_code == 2
    assert "use --dask local" in refused.stderr


def test_plugins_are_sent_and_a_dead_worker_costs_a_retry(tiny: Path, cli: Cli, start: Start) -> None:
    """The workers run in another folder, so that the relative path of the plugins leads nowhere there."""
    plugins, mark = Path("own"), tiny.parent / "mark"
    plugins.mkdir()
    (plugins / "deadly.py").write_text(DEADLY.replace("@mark@", repr(str(mark))))
    words = (tiny, "--plugins", plugins, "--set", "proxy=deadly")
    result = run(*words, "--run", "there", "--dask", start(1, 1))
    assert (result.returncode, result.stderr) == (0, "")
    assert mark.exists()
    assert cli("score", *words, "--run", "here").exit_code == 0
    assert rows("there") == rows("here")


def test_what_every_worker_died_of_is_a_failed_row() -> None:
    future: Future[Any] = Future()
    future.set_exception(KilledWorker("task", None, 3))
    job, (outcome,) = Cluster("tcp://127.0.0.1:1", 1)._result(ScoringJob("key", ("{}",)), future)
    assert (job.key, outcome.row.status) == ("key", "failed")
    assert "died" in outcome.row.cause


def test_a_wrong_address_is_said(tiny: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    for address in ("tcp://127.0.0.1:1", "nonsense://x"):
        result = cli("score", tiny, "--dask", address)
        assert result.exit_code == 5
        assert result.stderr.startswith(f"error: no Dask scheduler answers at {address}")
        assert "--dask local" in result.stderr


MEASURED = """\
import numpy as np
from pathlib import Path
from eproxyctl import FULL, Batches, DataPath, Examples, Needs, Proxy, ProxyOptions, Score, TaskOptions
from eproxyctl.tasks.classification import ClassificationTask, statistics

class MeasuredTask(ClassificationTask):
    \"\"\"Measurements of three classes.\"\"\"
    kind = "measured"
    shape = (3, 8, 8)
    outputs = 3

    class Options(TaskOptions):
        measurements: DataPath

    def _inputs(self):
        import torch
        return torch.from_numpy(np.load(self.options.measurements))

    def batch(self, seed, fidelity=FULL, n=1):
        return Batches(self._inputs()[: 4 * n])

    def examples(self, seed, validation, limit=None):
        inputs = self._inputs()
        labels = np.arange(len(inputs)) % 3
        targets, training, held = self.labelled(inputs, labels, seed, validation, limit, what="measurement")
        return Examples(inputs, targets, training, held, *statistics(inputs[training]))

class RecordedProxy(Proxy):
    \"\"\"The length of the records.\"\"\"
    kind = "recorded"

    class Options(ProxyOptions):
        records: tuple[DataPath, ...]

    def score(self, network, batches, seed):
        return Score(float(sum(len(Path(path).read_text()) for path in self.options.records)))
"""


def test_what_options_of_plugins_name_is_sent(tiny: Path, cli: Cli, start: Start) -> None:
    """The workers run in another folder, so that the relative paths of the task and the proxy lead nowhere there."""
    Path("own").mkdir()
    Path("own", "measured.py").write_text(MEASURED)
    random = np.random.default_rng(0)
    np.save("m.npy", (random.random((24, 3, 8, 8)) + np.arange(24)[:, None, None, None] % 3).astype(np.float32))
    Path("a.txt").write_text("abc")
    Path("b.txt").write_text("de")
    head = tiny.read_text().partition("task:")[0]
    ours = "task: {kind: measured, measurements: m.npy}\nproxy: {kind: recorded, records: [a.txt, b.txt]}\n"
    tiny.write_text(head + ours + "train: {architectures: 2, epochs: 1, batch_size: 8}\n")
    address = start(2)
    for name in ("score", "benchmark"):
        for folder, place in {f"{name}-here": (), f"{name}-there": ("--dask", address)}.items():
            result = cli(name, tiny, "--plugins", "own", *place, "--run", folder)
            assert (result.exit_code, result.stderr) == (0, "")
        assert rows(f"{name}-here") == rows(f"{name}-there")
    assert json.loads(rows("score-there").splitlines()[0])["score"] == 5

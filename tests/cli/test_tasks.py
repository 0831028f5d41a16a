"""Every task that `benchmark` trains, from the outside: it learns, continues, others read its table, it is exported."""

from __future__ import annotations

import csv
import io
import json
import runpy
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Cli, spawn
from numpy.typing import NDArray

from eproxyctl import plugins
from eproxyctl.contracts import Task

SPEC = """\
version: 1
space: {{kind: nasbench201, channels: 4, cells: 1}}
task: {{batch_size: 4, {task}}}
proxy: {{kind: params}}
train: {{epochs: {epochs}, batch_size: 16, optimizer: adamw, learning_rate: 0.01}}
"""
LARGEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
BRANCH = "{features: [dot], transform_channels: 8, target_channels: 4}"
EPROXY = f"{{kind: eproxy, iterations: 2, map_size: 4, branches: [{BRANCH}]}}"
SIDE = 12
COUNT = 96
REGISTRY = plugins.load_plugins(plugins.Sources(installed=False))


def discs() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Bright discs on a gradient from black at the top, and where they are."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    images = np.empty((COUNT, SIDE, SIDE, 3), np.uint8)
    masks = np.empty((COUNT, SIDE, SIDE), np.uint8)
    for image, mask in zip(images, masks, strict=True):
        top, left, radius = random.integers(3, 9), random.integers(3, 9), random.integers(2, 5)
        mask[:] = (y - top) ** 2 + (x - left) ** 2 <= radius**2
        image[:] = (8 * y + random.integers(0, 20, (SIDE, SIDE)))[..., None]
        image[mask == 1] = (250, 200, 40)
    return images, masks


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with archives of everything."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(1)
    images, masks = discs()
    np.savez("images.npz", images=images)
    np.savez("masks.npz", x=images, y=masks)
    np.savez("values.npz", images=images, values=masks.sum((1, 2)) * 1000.0)
    classes = np.arange(COUNT) % 2
    steps = np.arange(24) * np.where(classes, 0.4, 1.2)[:, None]
    np.savez("sequences.npz", x=np.sin(steps + random.random((COUNT, 1)))[:, None], y=classes)
    volumes = random.integers(0, 100, (COUNT, 1, 6, 7, 8)).astype(np.int16)
    volumes[classes == 1, :, :3] += 60
    np.savez("volumes.npz", volumes=volumes, labels=classes)
    return tmp_path


IMAGES = "source: {kind: npz, path: images.npz}, resolution: 12"
TASKS = {
    "rotation": (f"kind: rotation, {IMAGES}", 2, "accuracy", 60),
    "jigsaw": (f"kind: jigsaw, {IMAGES}, permutations: 6", 3, "accuracy", 50),
    "autoencoding": (f"kind: autoencoding, {IMAGES}, decoder: 16", 6, "r2", 0.3),
    "segmentation": (
        "kind: segmentation, source: {kind: npz, path: masks.npz}, resolution: 12, decoder: 8",
        6,
        "miou",
        70,
    ),
    "regression": ("kind: regression, source: {kind: npz, path: values.npz}, resolution: 12", 10, "r2", 0.5),
    "sequences": ("kind: sequences, source: {kind: npz, path: sequences.npz}", 8, "accuracy", 90),
    "volumes": ("kind: volumes, source: {kind: npz, path: volumes.npz}", 6, "accuracy", 80),
}
"""Section, epochs, metric, and more than chance, the mean or the most frequent class gives."""
every_task = pytest.mark.parametrize("name", TASKS)


def write(name: str) -> Path:
    task, epochs, _, _ = TASKS[name]
    path = Path(f"{name}.yaml")
    path.write_text(SPEC.format(task=task, epochs=epochs))
    return path


def table(text: str) -> list[dict[str, str]]:
    return [{name: v for name, v in row.items() if name != "seconds"} for row in csv.DictReader(io.StringIO(text))]


def task(name: str) -> Task:
    """The task of a spec, here."""
    section = {"kind": name} | json.loads(json.dumps(OPTIONS[name]))
    made: Task = REGISTRY.create("task", REGISTRY.parse("task", section))
    return made


OPTIONS: dict[str, dict[str, object]] = {
    "segmentation": {"source": {"kind": "npz", "path": "masks.npz"}, "resolution": SIDE, "decoder": 8},
    "autoencoding": {"source": {"kind": "npz", "path": "images.npz"}, "resolution": SIDE, "decoder": 16},
    "regression": {"source": {"kind": "npz", "path": "values.npz"}, "resolution": SIDE},
}


@every_task
def test_training_learns_more_than_the_trivial_answer(data: Path, cli: Cli, name: str) -> None:
    _, _, metric, trivial = TASKS[name]
    result = cli("benchmark", write(name), "--architecture", LARGEST)
    assert result.exit_code == 0, result.stderr
    (row,) = table(result.stdout)
    assert list(row) == ["key", metric, "loss", "params", "macs", "epochs", "status"]
    assert float(row[metric]) > trivial


@every_task
def test_a_run_that_is_continued_equals_one_that_is_not(data: Path, cli: Cli, name: str) -> None:
    spec, short = write(name), ("--epochs", 1, "--set", "train.images=20", "--set", "train.augment=[crop]")
    cli("benchmark", spec, "-n", 1, "--run", "parts", *short)
    parts = cli("benchmark", spec, "-n", 3, "--run", "parts", *short)
    whole = cli("benchmark", spec, "-n", 3, "--run", "whole", *short)
    assert parts.exit_code == 0, parts.stderr
    assert table(parts.stdout) == table(whole.stdout)
    assert Path("parts/rows.jsonl").read_bytes() == Path("whole/rows.jsonl").read_bytes()


@pytest.mark.slow
def test_segmentation_continues_after_a_kill(data: Path, cli: Cli) -> None:
    spec, options = write("segmentation"), ("-n", 8, "--epochs", 2)
    whole = cli("benchmark", spec, "--run", "whole", *options)
    rows = Path("killed/rows.jsonl")
    process = spawn("benchmark", spec, "--run", "killed", "--workers", 1, *options, cwd=data)
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and (not rows.exists() or rows.read_bytes().count(b"\n") < 2):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = rows.read_bytes()
    assert 2 <= done.count(b"\n") < 8
    assert table(cli("benchmark", spec, "--run", "killed", *options).stdout) == table(whole.stdout)
    assert rows.read_bytes().startswith(done[: done.rindex(b"\n") + 1])


@pytest.mark.parametrize("name", ["segmentation", "regression"])
def test_other_commands_read_the_table(data: Path, cli: Cli, name: str) -> None:
    spec, metric = write(name), TASKS[name][2]
    cli("benchmark", spec, "-n", 4, "--epochs", 1, "--set", "train.images=20")
    use = ("--set", f"task.table.path=runs/{name}/benchmark/table.csv", "--set", f"task.table.metric={metric}")
    listed = cli("score", spec, *use, "--set", "space.architectures={table: true}", "--set", "proxy=naswot")
    assert listed.exit_code == 0, listed.stderr
    known = {row["key"]: row[metric] for row in table(Path(f"runs/{name}/benchmark/table.csv").read_text())}
    assert {row["key"]: float(row["metric"]) for row in table(listed.stdout)} == {k: float(v) for k, v in known.items()}
    tune = ("--set", "dps.architectures=4", "--set", "dps.trials=2", "--set", f"proxy={EPROXY}")
    found = cli("dps", spec, *use, *tune)
    assert found.exit_code == 0, found.stderr


@pytest.mark.parametrize(("name", "kind"), [("rotation", "snip"), ("jigsaw", "snip"), ("volumes", "snip")])
def test_made_labels_reach_the_proxies(data: Path, cli: Cli, name: str, kind: str) -> None:
    result = cli("score", write(name), "--set", f"proxy={kind}", "--set", "space.architectures.sample=2")
    assert result.exit_code == 0, result.stderr
    assert [row["status"] for row in table(result.stdout)] == ["ok", "ok"]
    refused = cli("score", write("segmentation"), "--set", f"proxy={kind}")
    assert refused.exit_code == 5
    assert "needs labels" in refused.stderr


@pytest.mark.parametrize("name", ["segmentation", "autoencoding", "regression"])
def test_the_exported_network_has_the_head_and_its_weights(data: Path, cli: Cli, name: str) -> None:
    from safetensors.torch import load_file

    spec, metric = write(name), TASKS[name][2]
    result = cli("benchmark", spec, "--architecture", LARGEST, "--save")
    (row,) = table(result.stdout)
    (weights,) = Path(f"runs/{name}/benchmark/weights").iterdir()
    written = cli("export", "--spec", spec, "--architecture", LARGEST, "--weights", weights, "-o", "out")
    assert written.exit_code == 0, written.stderr
    network = runpy.run_path("out/network.py")["Network"]()
    network.load_state_dict(load_file("out/network.safetensors"))
    found = task(name)
    examples, meter = found.examples(0, 0.25), found.meter()
    with torch.no_grad():
        inputs, targets = found.pairs(examples, examples.validation)
        meter.update(network.eval()(inputs), targets)
    assert float(meter.compute()) == pytest.approx(float(row[metric]), abs=1e-2)
    text = Path("out/network.py").read_text()
    assert "self.classifier" not in text or name == "regression"
    assert ("A value is output * " in text) == (name == "regression")


def test_a_search_is_exported_with_the_head_without_the_data(data: Path, cli: Cli) -> None:
    assert cli("search", write("segmentation"), "-n", 3).exit_code == 0
    Path("masks.npz").unlink()
    result = cli("export", "runs/segmentation/search")
    assert result.exit_code == 0, result.stderr
    network = runpy.run_path("runs/segmentation/search/export/top1.py")["Network"]().eval()
    assert network(torch.zeros(2, 3, SIDE, SIDE)).shape == (2, 2, SIDE, SIDE)


@pytest.mark.parametrize("name", ["rotation", "jigsaw", "sequences"])
def test_flips_that_would_spoil_the_targets_are_refused(data: Path, cli: Cli, name: str) -> None:
    result = cli("benchmark", write(name), "--set", "train.augment=[flip, crop]")
    assert result.exit_code == 5
    assert f"train.augment: flip would spoil the targets of task '{name}'" in result.stderr
    assert "train.augment: [crop]" in result.stderr


def test_every_task_is_described(cli: Cli) -> None:
    listed = {row["kind"] for row in json.loads(cli("list", "tasks", "--format", "json").stdout)}
    assert set(TASKS) | {"images"} <= listed
    for name in TASKS:
        text = cli("describe", "task", name).stdout
        assert f"metric   {TASKS[name][2]}, higher is better" in text
        assert "batch_size" in text

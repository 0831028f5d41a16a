"""`benchmark` from the outside: a table that other commands read, never paid for twice, equal after a kill."""

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
from conftest import Cli, spawn
from PIL import Image

from eproxyctl.scoring.labelling import pick_spread

SPEC = """\
version: 1
seed: 0
space: {kind: nasbench201, channels: 2, cells: 1}
task: {kind: images, source: {kind: digits}, resolution: 8, grey: true, batch_size: 4}
proxy:
  kind: eproxy
  iterations: 2
  map_size: 4
  branches: [{features: [dot], transform_channels: 8, target_channels: 4}]
train: {architectures: 4, epochs: 2, batch_size: 20, images: 40, validation: 0.1}
dps: {trials: 2, architectures: 4}
"""
ROWS = Path("runs/digits/benchmark/rows.jsonl")
TABLE = Path("runs/digits/benchmark/table.csv")


@pytest.fixture
def digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec that trains an architecture in a fraction of a second."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "digits.yaml"
    path.write_text(SPEC)
    return path


def paid(run: str = "runs/digits/benchmark") -> list[str]:
    return [json.loads(line)["key"] for line in Path(run, "timings.jsonl").read_text().splitlines()]


def without_seconds(text: str) -> list[dict[str, str]]:
    return [{name: v for name, v in row.items() if name != "seconds"} for row in csv.DictReader(io.StringIO(text))]


def test_the_table_is_on_stdout_and_on_disk(digits: Path, cli: Cli) -> None:
    result = cli("benchmark", digits)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout == TABLE.read_text()
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert list(rows[0]) == ["key", "accuracy", "loss", "params", "macs", "epochs", "seconds", "status"]
    assert [(row["epochs"], row["status"]) for row in rows] == [("2", "ok")] * 4
    assert all(0 <= float(row["accuracy"]) <= 100 and float(row["loss"]) > 0 for row in rows)
    assert json.loads(Path("runs/digits/benchmark/run.json").read_text())["stamp"]["versions"]["pytorch-ignite"]


def test_dps_and_score_read_the_table(digits: Path, cli: Cli) -> None:
    cli("benchmark", digits, "--architectures", 7)
    use = ("--set", f"task.table.path={TABLE}", "--set", "task.table.metric=accuracy")
    found = cli("dps", digits, *use)
    assert found.exit_code == 0
    assert "proxy of the spec" in found.stdout
    document = json.loads(
        cli("score", digits, *use, "--set", "space.architectures={table: true}", "--format", "json").stdout
    )
    metric = {row["key"]: row["metric"] for row in document["rows"]}
    assert metric == {row["key"]: float(row["accuracy"]) for row in csv.DictReader(io.StringIO(TABLE.read_text()))}


def test_dps_on_as_many_architectures_as_there_are(digits: Path, cli: Cli) -> None:
    cli("benchmark", digits)
    result = cli("dps", digits, "--set", f"task.table.path={TABLE}", "--set", "task.table.metric=accuracy")
    assert result.exit_code == 0


def test_a_larger_number_trains_the_new_ones_only(digits: Path, cli: Cli) -> None:
    small = cli("benchmark", digits).stdout.splitlines()
    large = cli("benchmark", digits, "-n", 6).stdout.splitlines()
    assert large[: len(small)] == small
    assert len(paid()) == len(set(paid())) == 6
    again = cli("benchmark", digits)
    assert again.stdout.splitlines() == small
    assert len(TABLE.read_text().splitlines()) == 7


def test_no_two_are_equal_in_function(digits: Path, cli: Cli) -> None:
    from eproxyctl.spaces.nasbench201 import NasBench201Space

    space = NasBench201Space(NasBench201Space.Options())
    given = json.dumps([*list(space.keys())[:600:3], space.example])
    cli("benchmark", digits, "--epochs", 1, "--set", f"space.architectures={{keys: {given}}}", "-n", 3)
    assert len({space.canonical(key) for key in paid()}) == 3


def test_architectures_may_be_spread_and_more_continue(digits: Path, cli: Cli) -> None:
    from itertools import islice

    from eproxyctl.spaces.nasbench201 import NasBench201Space

    space = NasBench201Space(NasBench201Space.Options())
    expected = pick_spread(space, list(islice(space.sample(0), 1000)), 6, 0)
    cheap = ("--epochs", 1, "--pick", "spread")
    assert cli("benchmark", digits, *cheap, "-n", 3).exit_code == 0
    assert cli("benchmark", digits, *cheap, "-n", 6).exit_code == 0
    assert paid() == expected
    named = json.dumps(list(space.keys())[:600:3])
    cli("benchmark", digits, *cheap, "-n", 3, "--set", f"space.architectures={{keys: {named}}}", "--run", "named")
    assert paid("named") == pick_spread(space, json.loads(named), 3, 0)
    assert cli("benchmark", digits, "--epochs", 1, "-n", 3).exit_code == 0  # how they are trained has not changed
    wrong = cli("benchmark", digits, "--pick", "wide")
    assert wrong.exit_code == 3
    assert "--pick" in wrong.stderr


def test_named_architectures(digits: Path, cli: Cli) -> None:
    key = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    rows = list(
        csv.DictReader(io.StringIO(cli("benchmark", digits, "--architecture", key, "--epochs", 3, "--run", "x").stdout))
    )
    assert [(row["key"], row["epochs"]) for row in rows] == [(key, "3")]
    wrong = cli("benchmark", digits, "--architecture", "|conv~0|")
    assert wrong.exit_code == 3
    assert "no operation 'conv'" in wrong.stderr


def test_same_rows_in_any_number_of_processes_and_after_a_kill(digits: Path, cli: Cli) -> None:
    more = ("-n", "16")
    whole = cli("benchmark", digits, "--run", "whole", *more).stdout
    rows = Path("killed/rows.jsonl")
    process = spawn("benchmark", digits, "--run", "killed", "--workers", 2, *more, cwd=digits.parent)
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and (not rows.exists() or rows.read_bytes().count(b"\n") < 3):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert rows.read_bytes().count(b"\n") >= 3
    with rows.open("a") as stream:
        stream.write('{"key":"half a li')
    continued = cli("benchmark", digits, "--run", "killed", *more)
    assert without_seconds(continued.stdout) == without_seconds(whole)
    assert rows.read_bytes() == Path("whole/rows.jsonl").read_bytes()
    assert len(paid("killed")) == len(set(paid("killed"))) == 16


def test_interrupted_and_continued(digits: Path, cli: Cli) -> None:
    more = ("-n", 8)
    whole = cli("benchmark", digits, "--run", "whole", *more).stdout
    rows = Path("stopped/rows.jsonl")
    process = spawn("benchmark", digits, "--run", "stopped", "--workers", 1, *more, cwd=digits.parent)
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and (not rows.exists() or rows.read_bytes().count(b"\n") < 2):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command continues" in stderr
    assert "Traceback" not in stderr
    assert 2 <= rows.read_bytes().count(b"\n") < 8
    assert without_seconds(cli("benchmark", digits, "--run", "stopped", *more).stdout) == without_seconds(whole)
    assert rows.read_bytes() == Path("whole/rows.jsonl").read_bytes()
    assert len(paid("stopped")) == len(set(paid("stopped"))) == 8


def test_another_seed_of_training_gives_other_numbers(digits: Path, cli: Cli) -> None:
    one = cli("benchmark", digits).stdout
    two = cli("benchmark", digits, "--set", "train.repeat=1", "--run", "two").stdout
    keys = [[row["key"] for row in csv.DictReader(io.StringIO(text))] for text in (one, two)]
    assert keys[0] == keys[1]
    assert without_seconds(one) != without_seconds(two)
    refused = cli("benchmark", digits, "--set", "train.repeat=1")
    assert refused.exit_code == 6
    assert "train changed" in refused.stderr


PLUGIN = """\
from eproxyctl.spaces.nasbench201 import NasBench201Space

class Flaky(NasBench201Space):
    "Some of its architectures cannot be built."
    kind = "flaky"

    def build(self, key, shape, outputs, *args, **kwargs):
        if key.count("skip_connect") > 1:
            raise RuntimeError("no")
        return super().build(key, shape, outputs, *args, **kwargs)
"""


def test_a_failed_architecture_is_a_row_and_no_part_of_the_table(digits: Path, cli: Cli) -> None:
    Path("plugins").mkdir()
    Path("plugins/flaky.py").write_text(PLUGIN)
    digits.write_text(SPEC.replace("nasbench201", "flaky"))
    result = cli("benchmark", digits, "-n", 8, "--epochs", 1)
    assert result.exit_code == 1
    assert "failed: RuntimeError: no" in result.stderr
    status = [row["status"] for row in csv.DictReader(io.StringIO(TABLE.read_text()))]
    assert {"ok", "failed"} == set(status)
    use = ("--set", f"task.table.path={TABLE}", "--set", "task.table.metric=accuracy")
    listed = cli("score", digits, *use, "--set", "space.architectures={table: true}")
    assert listed.exit_code == 0
    assert len(listed.stdout.splitlines()) == 1 + status.count("ok")


def test_several_specs_give_one_summary(digits: Path, cli: Cli) -> None:
    other = digits.with_name("other.yaml")
    other.write_text(SPEC.replace("seed: 0", "seed: 1"))
    rows = list(csv.DictReader(io.StringIO(cli("benchmark", digits, other, "-n", 2).stdout)))
    assert [row["spec"] for row in rows] == ["digits", "other"]
    assert all(float(row["lowest"]) <= float(row["median"]) <= float(row["highest"]) for row in rows)
    for flag, value in (("--run", "x"), ("--architecture", "|none~0|")):
        refused = cli("benchmark", digits, other, flag, value)
        assert refused.exit_code == 2
        assert f"{flag} is for one spec, and there are several" in refused.stderr


def images(root: Path, counts: dict[str, int], mode: str = "RGB") -> None:
    random = np.random.default_rng(0)
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = random.integers(0, 256, (12, 10, 4), dtype=np.uint8)
            Image.fromarray(pixels).convert(mode).save(root / name / f"{i}.png")


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_a_folder_of_images_of_any_mode(digits: Path, cli: Cli, mode: str) -> None:
    images(Path("photos"), {"cat": 9, "dog": 12}, mode)
    digits.write_text(SPEC.replace("{kind: digits}", "{kind: folder, path: photos}").replace(", grey: true", ""))
    result = cli("benchmark", digits, "-n", 1, "--set", "train.augment=[flip, crop]", "--set", "train.images=12")
    assert result.exit_code == 0
    assert result.stdout.count(",ok") == 1


def test_a_folder_of_mixed_modes(digits: Path, cli: Cli) -> None:
    images(Path("photos"), {"grey": 4, "cat": 4}, "L")
    for i, mode in enumerate(("RGBA", "P", "LA", "CMYK")):
        image = Image.open("photos/cat/0.png").convert("RGB").convert("RGB" if mode == "CMYK" else mode)
        image.convert(mode).save(f"photos/cat/{i}.{'tif' if mode == 'CMYK' else 'png'}")
    digits.write_text(SPEC.replace("{kind: digits}", "{kind: folder, path: photos}").replace(", grey: true", ""))
    result = cli("benchmark", digits, "-n", 1, "--epochs", 1, "--set", "train.validation=0.3")
    assert result.exit_code == 0, result.stderr


def test_a_place_that_nothing_can_be_written_to(digits: Path, cli: Cli) -> None:
    Path("runs").touch()
    for command in ("benchmark", "search"):
        result = cli(command, digits)
        assert result.exit_code == 6
        assert "cannot write runs/digits" in result.stderr
        assert "that you may write to" in result.stderr


def broken(root: Path) -> dict[str, Path]:
    images(root / "lonely", {"cat": 5, "dog": 1})
    images(root / "single", {"cat": 5})
    images(root / "corrupt", {"cat": 5, "dog": 5})
    (root / "corrupt/dog/0.png").write_bytes(b"no image")
    (root / "empty/cat").mkdir(parents=True)
    return {name: root / name for name in ("lonely", "single", "corrupt", "empty")}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lonely", "class 'dog' has one image"),
        ("single", "all of one class"),
        ("corrupt", "cannot read the image"),
        ("empty", "no images"),
        ("photos", "no labels"),
    ],
)
def test_images_that_nothing_can_be_trained_on(digits: Path, cli: Cli, name: str, expected: str) -> None:
    source = "{kind: photos}" if name == "photos" else f"{{kind: folder, path: {broken(digits.parent)[name]}}}"
    digits.write_text(SPEC.replace("{kind: digits}", source))
    result = cli("benchmark", digits)
    assert result.exit_code == 5
    assert expected in result.stderr
    assert not Path("runs").exists()


def test_a_task_without_a_metric(digits: Path, cli: Cli) -> None:
    plugins = Path(__file__).parents[2] / "plugins"
    text = SPEC.replace(SPEC.splitlines()[3], "task: {kind: stripes}")
    digits.write_text(text)
    result = cli("benchmark", digits, "--plugins", plugins)
    assert result.exit_code == 5
    assert "cannot be trained on task 'stripes'" in result.stderr


def test_saved_weights_classify_as_the_row_says(digits: Path, cli: Cli) -> None:
    torch, safetensors = pytest.importorskip("torch"), pytest.importorskip("safetensors")
    from eproxyctl.contracts import Examples
    from eproxyctl.spaces.nasbench201 import NasBench201Space
    from eproxyctl.tasks.images import ImagesTask

    key = NasBench201Space.example
    cli("benchmark", digits, "--architecture", key)
    assert not Path("runs/digits/benchmark/weights").exists()
    row = next(csv.DictReader(io.StringIO(cli("benchmark", digits, "--architecture", key, "--save").stdout)))
    assert len(paid()) == 2
    cli("benchmark", digits, "--architecture", key, "--save")
    assert len(paid()) == 2
    (path,) = Path("runs/digits/benchmark/weights").iterdir()
    with safetensors.safe_open(path, "pt") as file:
        about = file.metadata()
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a safetensors file is no mapping
    assert about["key"] == key
    options = {"source": {"kind": "digits"}, "resolution": 8, "grey": True}
    task = ImagesTask(ImagesTask.Options.model_validate(options))
    space = NasBench201Space(NasBench201Space.Options.model_validate({"channels": 2, "cells": 1}))
    model = task.model(space.build(key, task.shape, task.outputs)).eval()
    model.load_state_dict(weights)
    data: Examples = task.examples(0, 0.1, 40)
    mean, std = (torch.tensor(json.loads(about[name])).reshape(-1, 1, 1) for name in ("mean", "std"))
    with torch.no_grad():
        found = model((data.inputs[data.validation].float() - mean) / std).argmax(1)
    share = (found == data.targets[data.validation]).float().mean()
    assert 100 * float(share) == pytest.approx(float(row["accuracy"]), abs=1e-3)

    from safetensors.torch import load_file

    result = cli("export", "--spec", digits, "--architecture", key, "--weights", path, "-o", "out")
    assert result.exit_code == 0, result.stderr
    exported = runpy.run_path("out/network.py")["Network"]()
    exported.load_state_dict(load_file("out/network.safetensors"))
    with torch.no_grad():
        again = exported.eval()((data.inputs[data.validation].float() - mean) / std).argmax(1)
    assert torch.equal(again, found)


def test_saving_without_the_package_says_what_to_install(
    digits: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eproxyctl.training.run.find_spec", lambda name: None)
    result = cli("benchmark", digits, "--save")
    assert result.exit_code == 2
    assert "pip install 'eproxyctl[export]'" in result.stderr

"""`init` from the outside: a spec that runs, made from what is there; clear words where nothing can be made."""

from __future__ import annotations

import json
import os
import runpy
import shlex
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from conftest import Cli
from PIL import Image
from ruamel.yaml import YAML


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def images(root: Path, counts: dict[str, int], mode: str = "RGB", side: int = 20) -> Path:
    random = np.random.default_rng(0)
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = random.integers(0, 256, (side, side + 9, 4), dtype=np.uint8)
            Image.fromarray(pixels).convert(mode).save(root / name / f"{i}.png")
    return root


def written(path: str = "spec.yaml") -> dict[str, object]:
    loaded: dict[str, object] = YAML(typ="safe").load(Path(path).read_text())
    return loaded


def test_a_folder(cli: Cli) -> None:
    images(Path("my photos"), {"cat": 5, "dog": 6})
    result = cli("init", "my photos")
    assert result.exit_code == 0
    assert result.stdout == "spec.yaml\n"
    assert cli("validate", "spec.yaml").exit_code == 0
    task = written()["task"]
    assert isinstance(task, dict)
    assert task["source"] == {"kind": "folder", "path": "my photos"}
    assert (task["resolution"], task["grey"], task["batch_size"]) == (16, False, 11)
    first, second, *_ = Path("spec.yaml").read_text().splitlines()
    assert first == "# yaml-language-server: $schema=eproxyctl.schema.json"
    assert second == "# 11 images of 2 classes (cat, dog) from my photos."
    schema = json.loads(Path("eproxyctl.schema.json").read_text())
    jsonschema.validate(written(), schema)


def test_the_road_from_digits_to_one_prediction(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command is the one that the last names as next, as on a terminal."""
    for package in ("safetensors", "sklearn"):
        pytest.importorskip(package)
    monkeypatch.setattr("rich.console.Console.is_terminal", property(lambda self: True))
    small = ["--set", "space.channels=2", "--set", "space.cells=1", "--set", "train.images=40"]
    carried = ["--data", "here", *small, "--set", "seed=3"]
    epochs = ("--epochs", "1")  # how the first ones were trained is no part of what comes next

    def follow(*args: object) -> list[str]:
        result = cli(*args)
        assert result.exit_code == 0, result.stderr
        (line,) = [line for line in result.stderr.splitlines() if line.startswith("next: ")]
        return shlex.split(line.removeprefix("next: "))[1:]

    assert follow("init") == ["benchmark", "spec.yaml"]
    tune = follow("benchmark", "spec.yaml", "--data", "here", *small, "--seed", "3", *epochs, "-n", 7)
    assert tune == ["dps", "spec.yaml", *carried, "--set", "dps.architectures=7"]
    search = follow(*tune)
    assert search == ["search", "spec.yaml", *carried, "--set", "proxy=runs/spec/dps/proxy.yaml"]
    train = follow(*search, "-n", 3)
    assert train[: 2 + len(carried)] == ["benchmark", "spec.yaml", *carried]
    assert "--save" in train
    export = follow(*train, *epochs)
    assert export[: 3 + len(carried)] == ["export", "--spec", "spec.yaml", *carried]
    assert "runs/spec/export/network.py says how" in cli(*export).stderr
    network = runpy.run_path("runs/spec/export/network.py")["Network"]()
    from safetensors.torch import load_file

    network.load_state_dict(load_file("runs/spec/export/network.safetensors"))
    assert network.eval()(torch.zeros(1, 1, 8, 8)).shape == (1, 10)


def test_the_table_is_looked_for_where_benchmark_puts_it(cli: Cli) -> None:
    Path("specs").mkdir()
    assert cli("init", "-o", "specs/mine.yaml").exit_code == 0
    missing = cli("dps", "specs/mine.yaml")
    assert missing.exit_code == 5
    assert "runs/mine/benchmark/table.csv" in missing.stderr
    assert "`eproxyctl benchmark` makes one" in missing.stderr
    small = ("--set", "space.channels=2", "--set", "space.cells=1", "--set", "train.images=40")
    assert cli("benchmark", "specs/mine.yaml", *small, "-n", 2, "--epochs", 1).exit_code == 0
    assert "dps.architectures" in cli("dps", "specs/mine.yaml", *small).stderr


def test_an_npz(cli: Cli) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 32, 32), dtype=np.uint8)
    np.savez("x.npz", images=pixels, labels=np.arange(300) % 3)
    assert cli("init", "x.npz").exit_code == 0
    task = written()["task"]
    assert isinstance(task, dict)
    assert (task["source"], task["resolution"], task["grey"]) == ({"kind": "npz", "path": "x.npz"}, 32, True)


@pytest.mark.parametrize(("mode", "grey"), [("L", True), ("LA", True), ("RGBA", False), ("P", False), ("1", True)])
def test_grey_and_alpha_are_taken_as_they_are(cli: Cli, mode: str, grey: bool) -> None:
    images(Path("x"), {"a": 3, "b": 3}, mode)
    assert cli("init", "x").exit_code == 0
    task = written()["task"]
    assert isinstance(task, dict)
    assert task["grey"] is grey


def test_hidden_files_are_no_images(cli: Cli) -> None:
    images(Path("x"), {"a": 3, "b": 3, ".cache": 1, "__MACOSX": 1})
    Path("x/a/._0.png").write_bytes(b"no image")
    assert cli("init", "x").exit_code == 0
    assert "6 images of 2 classes (a, b)" in Path("spec.yaml").read_text()


def test_nothing_is_overwritten(cli: Cli) -> None:
    Path("spec.yaml").write_text("mine")
    result = cli("init")
    assert result.exit_code == 2
    assert "spec.yaml exists" in result.stderr
    assert Path("spec.yaml").read_text() == "mine"


def unusable() -> None:
    images(Path("lonely"), {"cat": 5, "dog": 1})
    images(Path("single"), {"cat": 5})
    images(Path("corrupt"), {"cat": 2, "dog": 2})
    Path("corrupt/dog/0.png").write_bytes(Path("corrupt/dog/1.png").read_bytes()[:200])
    images(Path("flat"), {".": 0})
    Image.new("RGB", (9, 9)).save("flat/x.png")
    Path("empty/cat").mkdir(parents=True)
    Path("x.txt").touch()
    np.savez("unlabelled.npz", images=np.zeros((5, 8, 8), dtype=np.uint8))
    np.savez("fractions.npz", images=np.zeros((2, 8, 8), dtype=np.uint8), labels=np.array([0.5, 1]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lonely", "class 'dog' has one image: none is left to validate on"),
        ("single", "all of one class"),
        ("corrupt", f"cannot read the image corrupt{os.sep}dog{os.sep}0.png"),
        ("flat", "the images in flat have no classes"),
        ("empty", "no images in empty"),
        ("nowhere", "nowhere is not there"),
        ("x.txt", "x.txt is neither a folder"),
        ("unlabelled.npz", "has no array 'labels'"),
        ("fractions.npz", "must be names or whole numbers"),
    ],
)
def test_what_no_spec_can_be_made_for(cli: Cli, name: str, expected: str) -> None:
    unusable()
    result = cli("init", name)
    assert result.exit_code == 5
    assert expected in result.stderr
    assert not Path("spec.yaml").exists()


def test_a_folder_that_is_not_there_or_closed(cli: Cli) -> None:
    result = cli("init", "-o", "nowhere/spec.yaml")
    assert result.exit_code == 6
    assert "cannot write nowhere/spec.yaml" in result.stderr
    assert "that you may write to" in result.stderr
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    Path("closed").mkdir(mode=0o500)
    assert "Permission denied" in cli("init", "-o", "closed/spec.yaml").stderr

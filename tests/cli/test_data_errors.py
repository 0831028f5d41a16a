"""Data of other people, from the outside: what is left out is said, and what is wrong ends with exit code 5."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from PIL import Image

SMALL = ("--set", "space.channels=2", "--set", "space.cells=1", "--epochs", "1", "-n", "1")


def photos(root: Path, *folders: str, count: int = 6) -> Path:
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for i in range(count):
            pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{i}.png")
    return root


def spec(tiny: Path, source: dict[str, object]) -> Path:
    tiny.write_text(tiny.read_text().replace("{kind: photos}", json.dumps(source)))
    return tiny


def test_a_split_and_what_is_left_out_are_said(cli: Cli, tiny: Path) -> None:
    photos(Path("photos"), "train/a", "train/b", "val/a", "val/b", "test/a")
    Path("photos/train/a/bad.png").write_bytes(b"bad")
    path = spec(tiny, {"kind": "folder", "path": "photos", "skip_bad": True})
    for command in (("score", path), ("benchmark", path, *SMALL)):
        result = cli(*command)
        assert result.exit_code == 0, result.stderr
        assert "task: val/ is the validation split: 12 of 25 images" in result.stderr
        assert "task: test/ (6 images) is left out" in result.stderr
        assert "task: 1 of 25 images cannot be read and are left out: " in result.stderr
    Path("photos/train/a/bad.png").unlink()
    result = cli("init", "photos", "-o", "mine.yaml")
    assert result.exit_code == 0
    assert "val/ is the validation split" in result.stderr
    assert "24 images of 2 classes (a, b)" in Path("mine.yaml").read_text()


def broken() -> dict[str, dict[str, object]]:
    photos(Path("twice"), "x/brick", "y/brick")
    photos(Path("pipe"), "a", "b")
    os.mkfifo("pipe/a/x.png")
    os.makedirs(b"bytes/\xff\xfe")
    os.rename(photos(Path("one"), "a") / "a" / "0.png", b"bytes/\xff\xfe/0.png")
    np.save("array.npy", np.zeros((20, 8, 8), np.uint8))
    Path("array.npy").rename("array.npz")
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    np.savez("labels.npz", images=images, labels=np.array([0] * 19 + [10**7]))
    return {
        "nowhere": {"kind": "folder", "path": "nowhere"},
        "twice": {"kind": "folder", "path": "twice"},
        "pipe": {"kind": "folder", "path": "pipe"},
        "bytes": {"kind": "folder", "path": "bytes"},
        "array": {"kind": "npz", "path": "array.npz"},
        "labels": {"kind": "npz", "path": "labels.npz"},
        "listing": {"kind": "csv", "path": "none.csv"},
    }


EXPECTED = {
    "nowhere": "no folder",
    "twice": "class 'brick' 2 times",
    "pipe": "is a pipe",
    "bytes": "no printable name",
    "array": "a single array",
    "labels": "10000001 classes of 20 examples",
    "listing": "no file",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_data_that_cannot_be_used_end_with_5(cli: Cli, tiny: Path, name: str) -> None:
    path = spec(tiny, broken()[name])
    for command in ("score", "benchmark"):
        result = cli(command, path)
        assert result.exit_code == 5, result.stderr
        assert EXPECTED[name] in result.stderr


def test_a_table_nested_without_end_is_said_to_be_the_table(cli: Cli, table: Path) -> None:
    Path("table.json").write_text("[" * 100_000)
    result = cli("score", table, "--set", "task.table.path=table.json")
    assert result.exit_code == 5
    assert "table.json: no JSON that can be read: it is nested too deeply" in result.stderr

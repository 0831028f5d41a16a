"""Regression: values from a file beside the images or an archive; what is wrong with them is said, with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eproxyctl.errors import DataError
from eproxyctl.tasks.regression import RegressionTask

COUNT = 12


def task(source: dict[str, str]) -> RegressionTask:
    return RegressionTask(RegressionTask.Options.model_validate({"source": source, "resolution": 8}))


def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (COUNT, 9, 8, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> dict[str, str]:
    lines = ["name,age,value"]
    for i, image in enumerate(images()):
        name = f"{'ab'[i % 2]}/{i}.png"
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "photos" / name)
        lines.append(f"{name},{i},{i * 2.5e4}")
    (tmp_path / "values.csv").write_text("\n".join(lines[:-1]) + "\n")
    return {"kind": "folder", "path": str(tmp_path / "photos"), "file": str(tmp_path / "values.csv")}


def test_values_go_with_their_images_and_are_normalised(tmp_path: Path, folder: dict[str, str]) -> None:
    found = task(folder).examples(0, 0.25)
    assert len(found.inputs) == COUNT - 1
    values = found.targets[:, 0] * found.target_std + found.target_mean
    assert values.tolist() == pytest.approx([i * 2.5e4 for i in range(COUNT - 1)], abs=0.1)
    assert float(found.targets[found.training].mean()) == pytest.approx(0, abs=1e-6)
    assert float(found.targets[found.training].std(correction=0)) == pytest.approx(1)
    np.savez(tmp_path / "x.npz", x=images()[:-1], y=np.arange(COUNT - 1) * 2.5e4)
    other = task({"kind": "npz", "path": str(tmp_path / "x.npz")}).examples(0, 0.25)
    assert other.targets.equal(found.targets)
    assert other.inputs.equal(found.inputs)
    ages = task(folder | {"column": "age"}).examples(0, 0.25)
    assert ages.target_std == pytest.approx(found.target_std / 2.5e4)


def test_the_minibatch_has_no_labels(folder: dict[str, str]) -> None:
    one = task(folder)
    assert one.batch(0, n=1).labels is None if COUNT > 16 else one.outputs == 1


def test_the_metric_is_r_squared() -> None:
    import torch

    meter = task({"kind": "npz", "path": "x.npz"}).meter()
    targets = torch.tensor([[1.0], [2.0], [3.0], [6.0]])
    meter.update(targets[:2] + 1, targets[:2])
    meter.update(targets[2:] - 1, targets[2:])
    assert float(meter.compute()) == pytest.approx(1 - 4 / 14)


LINES = {
    "b/none.png,1,2": "values.csv:3: there is no file",
    "a/0.png,1,2": "values.csv:3: 'a/0.png' is in line 2 already",
    "b/1.png,1,much": "values.csv:3: the value of 'b/1.png' is no number: 'much'",
    "b/1.png,1,nan": "values.csv:3: the value of 'b/1.png' is nan, not finite",
    "b/1.png": "values.csv:3: the value of 'b/1.png' is no number: ''",
    "": "11 images",
}


@pytest.mark.parametrize("line", [line for line in LINES if line])
def test_a_line_that_is_wrong_is_named(tmp_path: Path, folder: dict[str, str], line: str) -> None:
    (tmp_path / "values.csv").write_text(f"name,age,value\na/0.png,1,1\n{line}\n")
    with pytest.raises(DataError) as caught:
        task(folder).examples(0, 0.25)
    assert LINES[line] in caught.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name,values\n", "has no column 'value'"),
        ("a/0.png,1\n", "has no column 'name'"),
        ("", "has no column 'name'"),
        ("name,value\n", "has no rows"),
        (None, "no file"),
        ("name,value\n" + "".join(f"{'ab'[i % 2]}/{i}.png,5\n" for i in range(COUNT)), "all alike"),
    ],
)
def test_a_file_that_is_wrong_is_explained(
    tmp_path: Path, folder: dict[str, str], text: str | None, expected: str
) -> None:
    path = tmp_path / "values.csv"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError) as caught:
        task(folder).examples(0, 0.25)
    assert expected in caught.value.message


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([1.0] * 11 + [np.inf]), "values[11] is inf, not finite"),
        (np.arange(5), "'values' is int64 [5]"),
        (np.array(["a"] * COUNT), "'values' is <U1"),
        (None, "no array 'values'"),
    ],
)
def test_an_archive_that_is_wrong_is_explained(tmp_path: Path, values: np.ndarray | None, expected: str) -> None:
    arrays = {"images": images()} | ({} if values is None else {"values": values})
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError) as caught:
        task({"kind": "npz", "path": str(tmp_path / "x.npz")}).examples(0, 0.25)
    assert expected in caught.value.message

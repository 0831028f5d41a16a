"""Rotation, jigsaw, autoencoding: what is made from an image can be taken back, and comes from the seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from eproxyctl.contracts import Fidelity
from eproxyctl.errors import DataError
from eproxyctl.tasks.self_supervised import AutoencodingTask, JigsawTask, RotationTask, spread

SMALL: dict[str, Any] = {"resolution": 8, "grey": True}
KINDS = (RotationTask, JigsawTask, AutoencodingTask)


def rotation(**options: object) -> RotationTask:
    return RotationTask(RotationTask.Options.model_validate(SMALL | options))


def jigsaw(**options: object) -> JigsawTask:
    return JigsawTask(JigsawTask.Options.model_validate(SMALL | options))


PUZZLES = {grid: jigsaw(grid=grid, resolution=12, permutations=24) for grid in (2, 3, 4)}


def test_every_image_is_seen_in_all_four_positions() -> None:
    task = rotation()
    found = task.examples(0, 0.25, 10)
    assert len(found.training) == 40
    inputs, targets = task.pairs(found, found.training)
    assert targets.tolist() == [0, 1, 2, 3] * 10
    for i in range(0, 40, 4):
        for quarter in range(4):
            assert inputs[i + quarter].rot90(-quarter, (-2, -1)).equal(inputs[i])


@given(st.sampled_from([2, 3, 4]), st.integers(0, 10**6))
@settings(deadline=None, max_examples=30)
def test_tiles_of_a_jigsaw_are_those_of_the_image(grid: int, seed: int) -> None:
    task = PUZZLES[grid]
    draw = torch.Generator().manual_seed(seed)
    images, labels = torch.randn(5, 2, 12, 12, generator=draw), torch.randint(0, 24, (5,), generator=draw)
    changed = task.changed(images, labels)
    size = 12 // grid
    for image, shuffled, label in zip(images, changed, labels.tolist(), strict=True):
        for place, tile in enumerate(task.permutations[label]):
            y, x = (size * part for part in divmod(place, grid))
            v, u = (size * part for part in divmod(tile, grid))
            assert shuffled[:, y : y + size, x : x + size].equal(image[:, v : v + size, u : u + size])
    assert task.changed(images, torch.zeros(5, dtype=torch.int64)).equal(images)


@pytest.mark.parametrize(("tiles", "count", "apart"), [(4, 24, 2), (4, 6, 3), (9, 50, 7), (16, 10, 15)])
def test_permutations_are_distinct_far_apart_and_always_the_same(tiles: int, count: int, apart: int) -> None:
    found = spread(tiles, count)
    assert found == spread(tiles, count)
    assert len(set(found)) == count
    assert found[0] == tuple(range(tiles))
    distances = [sum(a != b for a, b in zip(x, y, strict=True)) for i, x in enumerate(found) for y in found[:i]]
    assert min(distances) >= apart


def test_views_of_a_jigsaw_differ_and_come_from_the_seed() -> None:
    task = jigsaw(views=5)
    one, two, other = (task.examples(seed, 0.25, 10).targets for seed in (0, 0, 1))
    assert one.equal(two)
    assert not one.equal(other)
    assert all(len(set(row)) == 5 for row in one.reshape(-1, 5).tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_minibatches_and_examples(kind: Any) -> None:
    task = kind(kind.Options.model_validate(SMALL))
    batch = task.batch(3, Fidelity.model_validate({"batch": 6, "resolution": 4}), 2)
    assert batch.inputs.shape == (12, 1, 4, 4)
    assert batch.inputs.equal(task.batch(3, Fidelity.model_validate({"batch": 6, "resolution": 4}), 2).inputs)
    if kind is AutoencodingTask:
        assert batch.labels is None
    else:
        assert set(batch.labels.tolist()) <= set(range(task.outputs))
        assert len(set(batch.labels.tolist())) > 1
    found = task.examples(0, 0.2, 50)
    views = len(found.targets) // len(found.inputs)
    images = [set((part // views).tolist()) for part in (found.training, found.validation)]
    assert not images[0] & images[1]
    assert (len(images[0]), len(images[1])) == (50, 359)


def test_an_augmented_image_is_its_own_target() -> None:
    task = AutoencodingTask(AutoencodingTask.Options.model_validate(SMALL))
    images = torch.randn(6, 1, 8, 8)
    inputs, targets = task.augment_pairs(images, images, ("flip", "crop"), torch.Generator().manual_seed(0))
    assert inputs.equal(targets)
    assert not inputs.equal(images)


@pytest.mark.parametrize("layout", ["flat", "classes"])
def test_a_folder_needs_no_labels(tmp_path: Path, layout: str) -> None:
    from PIL import Image

    for i in range(12):
        name = f"{i % 2}/{i}.png" if layout == "classes" else f"{i}.png"
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(tmp_path / name)
    task = rotation(source={"kind": "folder", "path": str(tmp_path)}, grey=False)
    assert len(task.examples(0, 0.25).training) == 9 * 4


def test_an_archive_whose_y_is_no_label(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8), y=np.ones(20))
    assert jigsaw(source={"kind": "npz", "path": str(tmp_path / "x.npz")}).batch(0).inputs.shape == (16, 1, 8, 8)


def test_what_cannot_be_learned_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few to train on"):
        rotation(source={"kind": "photos"}).examples(0, 0.25)
    with pytest.raises(DataError, match="of 1797 images 1 are left to train on"):
        rotation().examples(0, 0.25, 1)
    np.savez(tmp_path / "x.npz", images=np.zeros((20, 8, 8), np.uint8))
    with pytest.raises(DataError, match="constant"):
        rotation(source={"kind": "npz", "path": str(tmp_path / "x.npz")}).examples(0, 0.25)
    with pytest.raises(DataError, match=r"resolution is 5, no multiple of task\.grid 2"):
        jigsaw().batch(0, Fidelity.model_validate({"resolution": 5}))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"grid": 3}, "no multiple of grid 3: use 9"),
        ({"permutations": 25}, "have 24 permutations"),
        ({"permutations": 3, "views": 4}, "4 views, and there are 3"),
    ],
)
def test_puzzles_that_cannot_be(options: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        jigsaw(**options)

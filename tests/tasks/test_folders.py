"""Folders of images: classes, a validation split of their own, files that cannot be read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eproxyctl.errors import DataError
from eproxyctl.tasks.images import ImagesTask
from eproxyctl.tasks.regression import RegressionTask
from eproxyctl.tasks.segmentation import SegmentationTask
from eproxyctl.tasks.self_supervised import RotationTask
from eproxyctl.tasks.sources import ImageFolder
from eproxyctl.tasks.survey import survey


def save(path: Path, value: int, seed: int = 0) -> Path:
    """A noisy image whose first pixel is `value`."""
    pixels = np.random.default_rng(seed + value).integers(0, 256, (8, 8), dtype=np.uint8)
    pixels[0, 0] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def tree(root: Path, counts: dict[str, int]) -> str:
    """Images in folders, numbered from 0 over all of them."""
    number = 0
    for folder, count in counts.items():
        for _ in range(count):
            save(root / folder / f"{number}.png", number)
            number += 1
    return str(root)


def images(path: str, **options: Any) -> ImagesTask:
    source = {"kind": "folder", "path": path} | options
    return ImagesTask(ImagesTask.Options.model_validate({"source": source, "resolution": 8, "grey": True}))


def firsts(found: Any, part: Any) -> set[int]:
    return {int(found.inputs[i, 0, 0, 0]) for i in part}


SPLIT = {"train/brick": 6, "train/moon": 6, "{}/brick": 3, "{}/moon": 2}


@pytest.mark.parametrize("name", ["val", "valid", "validation", "test", "Val"])
def test_a_folder_with_a_split_of_its_own_is_split_so(tmp_path: Path, name: str) -> None:
    task = images(tree(tmp_path, {folder.format(name): count for folder, count in SPLIT.items()}))
    assert task.outputs == 2
    assert task.options.source.names() == ("brick", "moon")
    for seed in (0, 1):
        found = task.examples(seed, 0.5)
        assert firsts(found, found.training) == set(range(12))
        assert firsts(found, found.validation) == set(range(12, 17))
        assert [int(found.targets[i]) for i in found.validation] == [0, 0, 0, 1, 1]
    assert task.notes() == (f"{name}/ is the validation split: 5 of 17 images",)
    some = task.examples(0, 0.5, 4)
    assert len(some.training) == 4
    assert {int(some.targets[i]) for i in some.training} == {0, 1}
    assert firsts(some, some.training) < set(range(12))


def test_a_minibatch_is_of_the_training_part(tmp_path: Path) -> None:
    source = images(tree(tmp_path, {f.format("val"): n for f, n in SPLIT.items()})).options.source
    drawn, labels = source.draw(12, __import__("random").Random(0))
    assert {int(image[0, 0]) for image in drawn} == set(range(12))
    assert labels is not None
    assert sorted(labels) == [0] * 6 + [1] * 6
    with pytest.raises(DataError, match="has 12"):
        source.draw(13, __import__("random").Random(0))


def test_a_test_part_is_left_out_where_another_validates(tmp_path: Path) -> None:
    counts = {"train/a": 3, "train/b": 3, "val/a": 2, "test/a": 2, "test/b": 1}
    task = images(tree(tmp_path, counts))
    assert "test/ (3 images) is left out" in task.notes()


def test_a_test_part_without_classes_is_left_out(tmp_path: Path) -> None:
    task = images(tree(tmp_path, {"train/a": 4, "train/b": 4, "test": 3}))
    assert task.outputs == 2
    assert task.notes() == ("test/ (3 images) has no classes and is left out",)
    found = task.examples(0, 0.25)
    assert firsts(found, found.training) | firsts(found, found.validation) == set(range(8))


def test_classes_may_be_called_train_and_test(tmp_path: Path) -> None:
    assert images(tree(tmp_path, {"train": 4, "car": 4, "test": 4})).options.source.names() == ("car", "test", "train")


REFUSED: dict[str, tuple[dict[str, int], Sequence[str]]] = {
    "twice": ({"a/brick": 3, "b/brick": 3, "b/moon": 3}, ["class 'brick' 2 times: a/brick and b/brick"]),
    "unknown": ({"train/a": 3, "train/b": 3, "val/a": 1, "val/c": 1}, ["val has the class 'c', train/ has not"]),
    "flat": ({"train/a": 3, "train/b": 3, "val": 3}, ["train/ has class folders, val/ has none"]),
    "beside": ({".": 2, "a": 3, "b": 3}, ["2 images lie beside the class folders"]),
    "loose": ({"train/a": 3, "train": 2, "val/a": 3}, ["2 images lie beside the class folders in", "train"]),
    "more": (
        {"train/a": 3, "train/b": 3, "val/a": 3, "extra/a": 2},
        ["beside train and val there are images in extra"],
    ),
    "one": ({"train/a": 3, "val/a": 3}, ["the training images are all of one class"]),
    "lonely": ({"train/a": 3, "train/b": 3, "val/a": 1}, ["the validation part has 1 image"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_folders_that_are_no_classes_are_refused(tmp_path: Path, name: str) -> None:
    counts, expected = REFUSED[name]
    with pytest.raises(DataError) as caught:
        images(tree(tmp_path, counts)).examples(0, 0.25)
    for part in expected:
        assert part in caught.value.message


def test_self_supervised_tasks_split_so_too_with_classes_or_without(tmp_path: Path) -> None:
    for name, counts in (("with", {"train/a": 4, "train/b": 4, "val/a": 3}), ("without", {"train": 8, "val": 3})):
        source = {"kind": "folder", "path": tree(tmp_path / name, counts)}
        task = RotationTask(RotationTask.Options.model_validate({"source": source, "resolution": 8, "grey": True}))
        found = task.examples(0, 0.25)
        assert firsts(found, {int(i) // 4 for i in found.validation}) == {8, 9, 10}
        assert len(found.training) == 32
    with pytest.raises(DataError, match="no classes"):
        images(str(tmp_path / "without")).examples(0, 0.25)


def test_segmentation_splits_so_too(tmp_path: Path) -> None:
    for i in range(9):
        part = "train" if i < 6 else "val"
        save(tmp_path / "photos" / part / f"{i}.png", i)
        mask = np.arange(64, dtype=np.uint8).reshape(8, 8) % 2
        (tmp_path / "masks" / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "masks" / part / f"{i}.png")
    source = {"kind": "folder", "path": str(tmp_path / "photos"), "masks": str(tmp_path / "masks")}
    task = SegmentationTask(SegmentationTask.Options.model_validate({"source": source, "resolution": 8, "grey": True}))
    found = task.examples(0, 0.5)
    assert firsts(found, found.validation) == {6, 7, 8}
    assert task.notes() == ("val/ is the validation split: 3 of 9 images",)


def broken(root: Path, count: int) -> str:
    path = tree(root, {"a": 10, "b": 10})
    for i in range(count):
        file = root / "b" / f"{10 + i}.png"
        file.write_bytes(file.read_bytes()[:60])
    return path


def test_all_files_that_cannot_be_read_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        images(broken(tmp_path, 7)).examples(0, 0.25)
    assert caught.value.message.startswith("7 images cannot be used")
    assert sum(f"{10 + i}.png" in caught.value.message for i in range(7)) == 5
    assert "and 2 more" in caught.value.message
    assert "skip_bad: true" in caught.value.hint


def test_bad_images_are_left_out_where_that_is_wanted_and_said(tmp_path: Path) -> None:
    path = broken(tmp_path, 4)
    task = images(path, skip_bad=True)
    found = task.examples(0, 0.25)
    assert firsts(found, found.training) | firsts(found, found.validation) == {*range(10), *range(14, 20)}
    (note,) = task.notes()
    assert note.startswith("4 of 20 images cannot be read and are left out: ")
    assert images(path, skip_bad=True).batch(0).inputs.shape[0] == 16
    assert survey(ImageFolder(path=path, skip_bad=True)).count == 16
    whole = images(tree(tmp_path / "whole", {"a": 10, "b": 10}), skip_bad=True)
    assert whole.notes() == ()


def test_bad_images_are_left_out_of_regression_too(tmp_path: Path) -> None:
    path = broken(tmp_path / "x", 2)
    names = [f"{'ab'[i // 10]}/{i}.png,{i}" for i in range(20)]
    (tmp_path / "values.csv").write_text("\n".join(["name,value", *names]))
    source = {"kind": "folder", "path": path, "file": str(tmp_path / "values.csv"), "skip_bad": True}
    task = RegressionTask(RegressionTask.Options.model_validate({"source": source, "resolution": 8, "grey": True}))
    found = task.examples(0, 0.25)
    values = (found.targets[:, 0] * found.target_std + found.target_mean).round().int().tolist()
    assert values == [i for i in range(20) if i not in (10, 11)]
    assert [int(image[0, 0, 0]) for image in found.inputs] == values


def test_where_no_training_image_can_be_read_those_to_validate_on_are_not_drawn(tmp_path: Path) -> None:
    path = tree(tmp_path, {"train/a": 2, "train/b": 2, "val/a": 9, "val/b": 9})
    for i in range(4):
        (tmp_path / "train" / "ab"[i // 2] / f"{i}.png").write_bytes(b"bad")
    task = images(path, skip_bad=True)
    for call in (lambda: task.batch(0), lambda: task.examples(0, 0.25)):
        with pytest.raises(DataError, match=r"has 0|training images are all of one class"):
            call()


def test_linked_class_folders_are_followed_and_circles_end(tmp_path: Path) -> None:
    tree(tmp_path / "elsewhere", {"b": 3})
    path = tree(tmp_path / "x", {"a": 3})
    os.symlink(tmp_path / "elsewhere" / "b", tmp_path / "x" / "b")
    os.symlink(tmp_path / "x", tmp_path / "x" / "a" / "again")
    assert images(path).options.source.names() == ("a", "b")


def test_what_is_no_folder_of_images_is_said(tmp_path: Path) -> None:
    cases = {"nowhere": "no folder", "nul\0": "no folder", "x.txt": "is no folder"}
    (tmp_path / "x.txt").touch()
    for name, expected in cases.items():
        with pytest.raises(DataError, match=expected):
            _ = images(str(tmp_path / name)).outputs
    os.mkfifo(Path(tree(tmp_path / "pipe", {"a": 3})) / "a" / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png is a pipe"):
        images(str(tmp_path / "pipe")).batch(0)


def test_a_class_without_a_name_that_can_be_shown_is_refused(tmp_path: Path) -> None:
    for name in (b"\xff\xfe", b"a\nb"):
        root = os.fsencode(tmp_path) + b"/" + name[:1].hex().encode()
        os.makedirs(root + b"/" + name)
        save(tmp_path / "x.png", 0).rename(os.fsdecode(root + b"/" + name + b"/x.png"))
        with pytest.raises(DataError, match="no printable name") as caught:
            _ = images(os.fsdecode(root)).outputs
        assert caught.value.message.isprintable()
        caught.value.message.encode()

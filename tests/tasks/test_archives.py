"""Archives as they are published: in parts, grey, with labels [N, 1] or names; labels that are none are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eproxyctl.errors import DataError
from eproxyctl.tasks.images import ImagesTask
from eproxyctl.tasks.regression import RegressionTask
from eproxyctl.tasks.segmentation import SegmentationTask
from eproxyctl.tasks.self_supervised import JigsawTask
from eproxyctl.tasks.sequences import SequencesTask
from eproxyctl.tasks.sources import ImageArchive
from eproxyctl.tasks.survey import survey
from eproxyctl.tasks.volumes import VolumesTask

SIZES = {"train": 12, "val": 5, "test": 4}


def noise(count: int, *shape: int, first: int = 0) -> np.ndarray:
    """Noise [count, *shape] whose first number says which it is."""
    values = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    values.reshape(count, -1)[:, 0] = np.arange(first, first + count)
    return values


def medmnist(*shape: int) -> dict[str, np.ndarray]:
    """Arrays as MedMNIST names them; the images are numbered through the parts."""
    arrays, first = {}, 0
    for part, count in SIZES.items():
        arrays[f"{part}_images"] = noise(count, *shape, first=first)
        arrays[f"{part}_labels"] = (np.arange(count) % 3).astype(np.uint8)[:, None]
        first += count
    return arrays


def task(kind: type[Any], path: Path, **options: Any) -> Any:
    small = {} if kind in (SequencesTask, VolumesTask) else {"resolution": 8}
    source = {"kind": "npz", "path": str(path)}
    return kind(kind.Options.model_validate({"source": source, "batch_size": 4} | small | options))


def numbered(found: Any, part: Any) -> list[int]:
    return sorted(int(found.inputs[i].flatten()[0]) for i in part)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3)])
def test_medmnist_as_published_brings_its_split(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.savez(tmp_path / "x.npz", **medmnist(*shape))
    one = task(ImagesTask, tmp_path / "x.npz", grey=len(shape) == 2)
    assert one.outputs == 3
    for seed in (0, 1):
        found = one.examples(seed, 0.5)
        assert numbered(found, found.training) == list(range(12))
        assert numbered(found, found.validation) == list(range(12, 17))
        assert [int(found.targets[i]) for i in found.validation] == [0, 1, 2, 0, 1]
    assert len(one.examples(0, 0.5, 6).training) == 6
    assert one.notes() == ("val_images is the validation split: 5 of 17 examples", "test_images is left out")
    drawn, labels = one.options.source.draw(12, __import__("random").Random(0))
    assert sorted(int(image.flatten()[0]) for image in drawn) == list(range(12))
    assert sorted(labels) == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    assert survey(one.options.source).classes == ("0", "1", "2")
    found = task(JigsawTask, tmp_path / "x.npz", grey=len(shape) == 2).examples(0, 0.5)
    assert numbered(found, {int(i) // 4 for i in found.validation}) == list(range(12, 17))


def test_volumes_as_medmnist_has_them(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **medmnist(6, 7, 8))
    one = task(VolumesTask, tmp_path / "x.npz")
    assert (one.shape, one.outputs) == ((1, 6, 7, 8), 3)
    found = one.examples(0, 0.5)
    assert numbered(found, found.validation) == list(range(12, 17))
    assert one.batch(0).inputs.shape == (4, 1, 6, 7, 8)
    np.savez(tmp_path / "y.npz", **medmnist(8, 8, 3))
    with pytest.raises(DataError, match="images, not volumes"):
        task(VolumesTask, tmp_path / "y.npz").batch(0)


def test_keras_names_of_images_and_sequences(tmp_path: Path) -> None:
    labels = {"y_train": np.arange(12) % 3, "y_test": np.arange(5) % 3}
    np.savez(tmp_path / "x.npz", x_train=noise(12, 8, 8), x_test=noise(5, 8, 8, first=12), **labels)
    found = task(ImagesTask, tmp_path / "x.npz", grey=True).examples(0, 0.5)
    assert numbered(found, found.validation) == list(range(12, 17))
    series = {"x_train": noise(12, 3, 9).astype(float), "x_test": noise(5, 3, 9, first=12).astype(float)}
    np.savez(tmp_path / "y.npz", **series, **labels)
    one = task(SequencesTask, tmp_path / "y.npz")
    found = one.examples(0, 0.5)
    assert numbered(found, found.validation) == list(range(12, 17))
    assert one.notes() == ("x_test is the validation split: 5 of 17 examples",)


@pytest.mark.parametrize(("kind", "name"), [(RegressionTask, "values"), (SegmentationTask, "masks")])
def test_other_targets_in_parts(tmp_path: Path, kind: type[Any], name: str) -> None:
    arrays = medmnist(8, 8)
    for part, count in SIZES.items():
        arrays[f"{part}_{name}"] = noise(count) if name == "values" else noise(count, 8, 8) % 2
    np.savez(tmp_path / "x.npz", **arrays)
    found = task(kind, tmp_path / "x.npz", grey=True).examples(0, 0.5)
    assert numbered(found, found.validation) == list(range(12, 17))
    assert numbered(found, found.training) == list(range(12))
    arrays[f"train_{name}"], arrays[f"val_{name}"] = arrays[f"val_{name}"], arrays[f"train_{name}"]
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match="the training parts of the images and the"):
        task(kind, tmp_path / "x.npz", grey=True).examples(0, 0.5)


@pytest.mark.parametrize(("kind", "name"), [(ImagesTask, "x"), (SequencesTask, "x"), (VolumesTask, "x")])
@pytest.mark.parametrize("dtype", [str, bytes])
def test_names_as_labels_are_classes_in_alphabetical_order(
    tmp_path: Path, kind: type[Any], name: str, dtype: type
) -> None:
    inputs = {ImagesTask: noise(12, 8, 8), SequencesTask: noise(12, 3, 9).astype(float)}.get(
        kind, noise(12, 1, 4, 4, 4)
    )
    names = np.array(["moon", "brick", "air"] * 4).astype("U" if dtype is str else "S")
    np.savez(tmp_path / "x.npz", x=inputs, y=names)
    one = task(kind, tmp_path / "x.npz")
    assert one.outputs == 3
    assert one.examples(0, 0.25).targets.tolist() == [2, 1, 0] * 4
    if kind is ImagesTask:
        assert survey(one.options.source).classes == ("air", "brick", "moon")
    np.savez(tmp_path / "x.npz", x=inputs, y=names, classes=np.array(["moon", "water", "brick", "air"]))
    one = task(kind, tmp_path / "x.npz")
    assert one.outputs == 4
    assert one.examples(0, 0.25).targets.tolist() == [0, 2, 3] * 4


def test_a_list_of_classes_names_numbers(tmp_path: Path) -> None:
    arrays = {"images": noise(12, 8, 8), "labels": np.arange(12) % 2, "class_names": np.array(["a", "b", "c"])}
    np.savez(tmp_path / "x.npz", **arrays)
    one = task(ImagesTask, tmp_path / "x.npz")
    assert one.outputs == 3
    assert survey(ImageArchive(path=str(tmp_path / "x.npz"))).classes == ("a", "b", "c")


COUNT = 12
BAD_LABELS: dict[str, tuple[dict[str, np.ndarray], str]] = {
    "classes exceed examples": ({"labels": np.array([0, 1] * 5 + [0, 10**7])}, "10000001 classes of 12 examples"),
    "beyond all": ({"labels": np.array([0] * 11 + [2**62])}, "4611686018427387904, which is no number of a class"),
    "uint64": ({"labels": np.array([0] * 11 + [2**64 - 1], dtype=np.uint64)}, "which is no number of a class"),
    "negative": ({"labels": np.array([0] * 11 + [-1])}, "whole numbers from 0"),
    "several": ({"labels": np.zeros((12, 14), int)}, "several labels an example"),
    "times": ({"labels": np.arange(12).astype("M8[s]")}, "whole numbers from 0"),
    "none of the names": ({"labels": np.array(["a"] * 11 + ["z"]), "classes": np.array(["a", "b"])}, "label 'z'"),
    "beyond the names": ({"labels": np.arange(12), "classes": np.array(["a", "b"])}, "'classes' names 2"),
    "names twice": ({"labels": np.arange(12) % 2, "classes": np.array(["a", "a"])}, "names 'a' twice"),
    "scalar": ({"labels": np.array(3)}, "whole numbers from 0"),
}


@pytest.mark.parametrize("kind", [ImagesTask, SequencesTask, VolumesTask])
@pytest.mark.parametrize("name", BAD_LABELS)
def test_labels_that_are_none_are_refused_before_anything_is_built(tmp_path: Path, kind: type[Any], name: str) -> None:
    arrays, expected = BAD_LABELS[name]
    inputs = {ImagesTask: noise(12, 8, 8), SequencesTask: noise(12, 3, 9).astype(float)}.get(
        kind, noise(12, 1, 4, 4, 4)
    )
    np.savez(tmp_path / "x.npz", x=inputs, **arrays)
    one = task(kind, tmp_path / "x.npz")
    for call in (lambda: one.outputs, lambda: one.batch(0), lambda: one.examples(0, 0.25)):
        with pytest.raises(DataError) as caught:
            call()
        assert expected in caught.value.message


@pytest.mark.parametrize("kind", [ImagesTask, SequencesTask, VolumesTask])
def test_a_label_beyond_the_outputs_is_refused_in_a_minibatch_too(tmp_path: Path, kind: type[Any]) -> None:
    inputs = {ImagesTask: noise(12, 8, 8), SequencesTask: noise(12, 3, 9).astype(float)}.get(
        kind, noise(12, 1, 4, 4, 4)
    )
    np.savez(tmp_path / "x.npz", x=inputs, y=np.arange(12) + 500)
    with pytest.raises(DataError, match=r"task\.outputs is 4, and there is a label 5"):
        task(kind, tmp_path / "x.npz", outputs=4).batch(0)
    assert task(kind, tmp_path / "x.npz", outputs=600).batch(0).labels.max() >= 500


def test_arrays_of_another_task_are_told_of(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=noise(12, 3, 9).astype(float), y=np.arange(12) % 2)
    with pytest.raises(DataError) as caught:
        task(ImagesTask, tmp_path / "x.npz").batch(0)
    assert "task.kind: sequences" in caught.value.hint
    np.savez(tmp_path / "x.npz", **medmnist(4, 4, 5))
    with pytest.raises(DataError) as caught:
        task(ImagesTask, tmp_path / "x.npz").batch(0)
    assert "task.kind: volumes" in caught.value.hint


def test_parts_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    arrays = medmnist(8, 8)
    np.savez(tmp_path / "x.npz", **(arrays | {"val_images": noise(5, 9, 9)}))
    with pytest.raises(DataError, match="the parts differ"):
        task(ImagesTask, tmp_path / "x.npz").batch(0)
    np.savez(
        tmp_path / "x.npz", **(arrays | {"val_labels": arrays["train_labels"], "train_labels": arrays["val_labels"]})
    )
    with pytest.raises(DataError, match="training parts of the images and the labels"):
        task(ImagesTask, tmp_path / "x.npz").batch(0)
    np.savez(tmp_path / "x.npz", **(arrays | {"val_labels": arrays["val_labels"][:3]}))
    with pytest.raises(DataError, match="17 images, but 15 labels"):
        task(ImagesTask, tmp_path / "x.npz").batch(0)

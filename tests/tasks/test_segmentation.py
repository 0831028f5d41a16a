"""Segmentation: masks go with their images, whatever happens to them; what is wrong with them is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from eproxyctl.errors import DataError
from eproxyctl.tasks.masks import VOID
from eproxyctl.tasks.segmentation import SegmentationTask


def task(source: dict[str, Any], **options: object) -> SegmentationTask:
    return SegmentationTask(SegmentationTask.Options.model_validate({"source": source, "resolution": 8} | options))


def picture(i: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Where a mask is k, the red of its image is 50 · k; a stripe of no class on top."""
    mask = np.random.default_rng(i).integers(0, 3, (4, 5)).repeat(4, 0).repeat(4, 1).astype(np.uint8)
    image = np.random.default_rng(i).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    image[..., 0] = 50 * mask
    mask[:2] = VOID
    return image, mask


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, str]:
    """Eight jpg or png images in subfolders, and their masks, grey or with a palette."""
    for i in range(8):
        image, mask = picture(i)
        name = f"{'ab'[i % 2]}/{i}"
        for folder in ("photos", "masks"):
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "photos" / f"{name}.{'png' if i % 3 else 'bmp'}")
        shown = Image.fromarray(mask)
        if i % 2:
            shown.putpalette([*range(256)] * 3)
        shown.save(tmp_path / "masks" / f"{name}.png")
    return {"kind": "folder", "path": str(tmp_path / "photos"), "masks": str(tmp_path / "masks")}


def test_masks_fit_their_images_and_follow_them(folders: dict[str, str]) -> None:
    one = task(folders, resolution=16)
    assert one.outputs == 3
    found = one.examples(0, 0.25)
    inputs, targets = one.pairs(found, found.training)
    varied = one.augment_pairs(
        inputs.repeat(20, 1, 1, 1), targets.repeat(20, 1, 1), ("flip", "crop"), torch.Generator()
    )
    assert not varied[1].equal(targets.repeat(20, 1, 1))
    for images, masks in ((inputs, targets), varied):
        red = (images[:, :1] * found.std[0] + found.mean[0])[:, 0]
        known = masks != VOID
        assert 0 < int(known.sum()) < known.numel()
        nearest = (red[:, 2:-2, 2:-2] / 50).round().long()  # resized images mix at their edges
        inside = known[:, 2:-2, 2:-2]
        assert (nearest[inside] == masks[:, 2:-2, 2:-2][inside]).float().mean() > 0.8


def test_pixels_of_no_class_do_not_count(folders: dict[str, str]) -> None:
    one = task(folders)
    outputs, targets = torch.randn(2, 3, 8, 8), torch.randint(0, 3, (2, 8, 8))
    void, wrong = targets.clone(), outputs.clone()
    void[:, :4] = VOID
    wrong[:, :, :4] += 100 * torch.randn(2, 3, 4, 8)
    assert one.loss(outputs, void).equal(one.loss(wrong, void))
    meters = one.meter(), one.meter()
    meters[0].update(outputs, void)
    meters[1].update(wrong, void)
    assert meters[0].compute().equal(meters[1].compute())
    assert float(one.loss(outputs, torch.full((2, 8, 8), VOID))) == 0


def test_the_metric_is_the_mean_over_classes() -> None:
    one = task({"kind": "npz", "path": "x.npz"}, outputs=2)
    meter = one.meter()
    targets = torch.tensor([[[0, 0, 0, 1]]])
    meter.update(torch.nn.functional.one_hot(torch.tensor([[[0, 0, 0, 0]]]), 2).permute(0, 3, 1, 2).float(), targets)
    assert float(meter.compute()) == pytest.approx(100 * (3 / 4 + 0) / 2)


def archive(change: Callable[[dict[str, Any]], object]) -> Callable[[Path, dict[str, str]], dict[str, str]]:
    """An npz of eight images, changed."""

    def make(root: Path, folders: dict[str, str]) -> dict[str, str]:
        images, masks = zip(*map(picture, range(8)), strict=True)
        arrays = {"images": np.stack(images), "masks": np.stack(masks)}
        change(arrays)
        np.savez(root / "x.npz", **arrays)
        return {"kind": "npz", "path": str(root / "x.npz")}

    return make


def replaced(mask: Image.Image | None) -> Callable[[Path, dict[str, str]], dict[str, str]]:
    """One mask of the folder replaced, or removed."""

    def make(root: Path, folders: dict[str, str]) -> dict[str, str]:
        path = root / "masks" / "a" / "0.png"
        path.unlink()
        if mask is not None:
            mask.save(path)
        return folders

    return make


def twice(root: Path, folders: dict[str, str]) -> dict[str, str]:
    Image.open(root / "masks/a/0.png").save(root / "masks/a/0.bmp")
    return folders


GREY = np.zeros((16, 20), np.uint8)
BROKEN: dict[str, tuple[Callable[[Path, dict[str, str]], dict[str, str]], str]] = {
    "missing": (replaced(None), "no mask for"),
    "size": (replaced(Image.fromarray(GREY[:9])), "a/0.png: the mask is 9 × 20 pixels, its image 16 × 20"),
    "class": (replaced(Image.fromarray(GREY + 7)), "a/0.png: class 7, and task.outputs is 3"),
    "colours": (replaced(Image.fromarray(np.stack([GREY] * 3, 2))), "has colours, not classes"),
    "deep": (replaced(Image.fromarray(GREY.astype(np.uint16) + 999)), "values from 999 to 999"),
    "twice": (twice, "two masks for one image"),
    "folder": (lambda root, folders: folders | {"masks": str(root / "none")}, "no folder"),
    "no masks": (archive(lambda arrays: arrays.pop("masks")), "no array 'masks'"),
    "no images": (archive(lambda arrays: arrays.pop("images")), "no array 'images'"),
    "shape": (archive(lambda arrays: arrays.update(masks=arrays["masks"][:, 1:])), "whole numbers [8, 16, 20]"),
    "fractions": (archive(lambda arrays: arrays.update(masks=arrays["masks"] / 2)), "'masks' is float64"),
    "one class": (archive(lambda arrays: arrays.update(masks=0 * arrays["masks"])), "one class"),
    "few": (archive(lambda arrays: [arrays.update({n: a[:3]}) for n, a in list(arrays.items())]), "1 are left"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_said(tmp_path: Path, folders: dict[str, str], name: str) -> None:
    make, expected = BROKEN[name]
    with pytest.raises(DataError) as caught:
        task(make(tmp_path, folders), outputs=3).examples(0, 0.25)
    assert expected in caught.value.message + caught.value.hint


def test_black_and_white_masks_are_explained(tmp_path: Path, folders: dict[str, str]) -> None:
    def black(arrays: dict[str, Any]) -> None:
        arrays["masks"] = np.where(arrays["masks"] == 1, 255, 0)

    with pytest.raises(DataError) as caught:
        _ = task(archive(black)(tmp_path, folders)).outputs
    assert "black and white is 0 and 1" in caught.value.hint


def test_bad_images_and_masks_are_counted_or_left_out_together(tmp_path: Path, folders: dict[str, str]) -> None:
    for name in ("masks/a/0.png", "masks/b/1.png", "photos/a/2.png"):
        (tmp_path / name).write_bytes(b"bad")
    with pytest.raises(DataError, match="2 images cannot be used") as caught:
        task(folders, outputs=3).examples(0, 0.25)
    assert "masks/a/0.png" in caught.value.message
    assert "masks/b/1.png" in caught.value.message
    one = task(folders | {"skip_bad": True})
    assert len(one.examples(0, 0.25).inputs) == 5
    assert "3 of 8 images cannot be read" in one.notes()[0]

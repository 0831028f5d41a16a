"""Images and classes as a CSV file lists them; several classes an image are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eproxyctl.errors import DataError
from eproxyctl.tasks.images import ImagesTask

COUNT = 12


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve images whose first pixel says which they are."""
    for i in range(COUNT):
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8), dtype=np.uint8)
        pixels[0, 0] = i
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i}.png")
    return tmp_path


def listed(root: Path, header: str, lines: list[str], **options: Any) -> ImagesTask:
    (root / "labels.csv").write_text("\n".join([header, *lines]) + "\n")
    source = {"kind": "csv", "path": str(root / "labels.csv")} | options
    options = {"source": source, "resolution": 8, "grey": True, "batch_size": 4}
    return ImagesTask(ImagesTask.Options.model_validate(options))


def test_images_get_the_classes_of_their_lines(photos: Path) -> None:
    lines = [f"{i},photos/{i}.png,{('moon', 'brick')[i % 2]}" for i in range(COUNT - 1)]
    one = listed(photos, "id,file,class", lines, image="file", label="class")
    assert (one.outputs, one.options.source.names()) == (2, ("brick", "moon"))
    found = one.examples(0, 0.25)
    assert [int(image[0, 0, 0]) for image in found.inputs] == list(range(COUNT - 1))
    assert found.targets.tolist() == [(i + 1) % 2 for i in range(COUNT - 1)]
    assert one.batch(0).labels is not None


def test_whole_numbers_are_classes_in_their_order(photos: Path) -> None:
    lines = [f"photos/{i}.png,{(2, 10, 9000000)[i % 3]}" for i in range(COUNT)]
    one = listed(photos, "image,label", lines)
    assert (one.outputs, one.options.source.names()) == (3, ("2", "10", "9000000"))


def test_a_column_may_say_the_split(photos: Path) -> None:
    parts = ["train"] * 6 + ["val"] * 3 + ["test"] * 3
    lines = [f"photos/{i}.png,{'ab'[i % 2]},{parts[i]}" for i in reversed(range(COUNT))]
    one = listed(photos, "image,label,part", lines, split="part")
    found = one.examples(0, 0.5)
    assert sorted(int(found.inputs[i, 0, 0, 0]) for i in found.training) == list(range(6))
    assert sorted(int(found.inputs[i, 0, 0, 0]) for i in found.validation) == [6, 7, 8]
    assert one.notes() == ("val is the validation split: 3 of 9 images", "test (3 images) is left out")
    with pytest.raises(DataError, match="the part is 'later'"):
        listed(photos, "image,label,part", [*lines[:-1], "photos/0.png,a,later"], split="part").batch(0)
    with pytest.raises(DataError, match="names no val"):
        listed(photos, "image,label,part", [line for line in lines if "train" in line], split="part").batch(0)


def test_bad_images_are_left_out_as_asked(photos: Path) -> None:
    (photos / "photos" / "3.png").write_bytes(b"no image")
    lines = [f"photos/{i}.png,{'ab'[i % 2]}" for i in range(COUNT)]
    with pytest.raises(DataError, match=r"cannot read the image .*3\.png"):
        listed(photos, "image,label", lines).examples(0, 0.25)
    one = listed(photos, "image,label", lines, skip_bad=True)
    assert one.examples(0, 0.25).targets.tolist() == [i % 2 for i in range(COUNT) if i != 3]
    assert "1 of 12 images cannot be read" in one.notes()[0]


BAD: dict[str, tuple[str, str, str]] = {
    "header": ("file,label", "photos/0.png,a", "has no column 'image'"),
    "twice": ("image,label,label", "photos/0.png,a,b", "2 columns 'label'"),
    "bars": ("image,label", "photos/0.png,a|b", "several classes or boxes"),
    "list": ("image,label", "photos/0.png,\"['a', 'b']\"", "several classes or boxes"),
    "two lines": ("image,label", "photos/0.png,a\nphotos/0.png,b", "'photos/0.png' is 'b' here and 'a' in line 2"),
    "again": ("image,label", "photos/0.png,a\nphotos/0.png,a", "is in line 2 already"),
    "no file": ("image,label", "photos/none.png,a", "labels.csv:2: there is no file"),
    "no class": ("image,label", "photos/0.png,", "'' is no class"),
    "no image": ("image,label", ",a", "there is no 'image'"),
    "long": ("image,label", "photos/0.png,a,b", "3 values under 2 columns"),
    "empty": ("image,label", "", "no images in"),
    "nul": ("image,label", "a\0b,a", "there is no 'image'"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said_with_its_line(photos: Path, name: str) -> None:
    header, lines, expected = BAD[name]
    with pytest.raises(DataError) as caught:
        listed(photos, header, [lines]).examples(0, 0.25)
    assert expected in caught.value.message

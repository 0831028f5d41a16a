"""Images of more than 8 bits: black, grey and white stay what they are, or the image is refused by mode and name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eproxyctl.errors import DataError
from eproxyctl.tasks.pixels import read_pixels, resized

RAMP = np.linspace(0, 1, 256).reshape(16, 16)
BYTES = np.rint(RAMP * 255).astype(np.uint8)
DEEP = {
    "16.png": RAMP * 65535,
    "16.tif": RAMP * 65535,
    "float.tif": RAMP,
}


def saved(path: Path, values: np.ndarray) -> Path:
    kind = np.float32 if path.stem == "float" else np.uint16
    Image.fromarray((values if kind is np.float32 else np.rint(values)).astype(kind)).save(path)
    return path


@pytest.mark.parametrize("name", DEEP)
def test_a_ramp_is_a_ramp_at_any_depth(tmp_path: Path, name: str) -> None:
    pixels = read_pixels(saved(tmp_path / name, DEEP[name]))
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - BYTES).max() <= 1
    assert np.abs(resized(pixels, 16, grey=False)[0].astype(int) - BYTES).max() <= 1


def test_big_endian_and_twelve_bits(tmp_path: Path) -> None:
    big = Image.frombytes("I;16B", (16, 16), np.rint(RAMP * 65535).astype(">u2").tobytes())
    big.save(tmp_path / "big.tif")
    assert np.abs(read_pixels(tmp_path / "big.tif").astype(int) - BYTES).max() <= 1


REFUSED = {
    "bright": ("float.tif", RAMP * 255, "mode F"),
    "negative": ("float.tif", RAMP - 0.5, "mode F"),
    "nan": ("float.tif", np.where(RAMP > 0.5, np.nan, RAMP), "mode F"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_image_that_does_not_say_what_white_is_is_refused(tmp_path: Path, name: str) -> None:
    file, values, expected = REFUSED[name]
    with pytest.raises(DataError) as caught:
        read_pixels(saved(tmp_path / file, values))
    assert expected in caught.value.message
    assert file in caught.value.message


def test_whole_numbers_of_32_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.rint(RAMP * 65535).astype(np.int32)).save(tmp_path / "x.tif")
    with pytest.raises(DataError, match=r"x\.tif is of mode I with values from 0 to 65535"):
        read_pixels(tmp_path / "x.tif")

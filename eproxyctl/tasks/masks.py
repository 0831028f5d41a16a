"""Masks of images: the number of a class in each pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eproxyctl.errors import DataError
from eproxyctl.tasks.files import shown
from eproxyctl.tasks.pixels import Bytes, read_pixels

VOID = 255
"""What a mask has where a pixel is of no class, as in Pascal VOC: neither trained on nor measured."""
NUMBERS = "a mask has the number of a class in each pixel, from 0, or 255 for none; black and white is 0 and 1"


def highest_class(mask: Bytes) -> int:
    """The highest class; -1 where there is none."""
    return int(mask[mask != VOID].max(initial=0)) if (mask != VOID).any() else -1


def read_mask(path: Path) -> Bytes:
    """Class numbers [H, W]. Raises DataError where the file has colours."""
    mask = read_pixels(path, indexed=True)
    if mask.ndim != 2 or mask.dtype.kind not in "iub":
        raise DataError(f"the mask {shown(path)} has colours, not classes", hint=NUMBERS)
    return class_numbers(mask.astype(np.int64), shown(path))


def class_numbers(mask: NDArray[np.int64], where: str) -> Bytes:
    """As bytes. Raises DataError where a number is below 0 or above 255."""
    if mask.size and not (mask.min() >= 0 and mask.max() <= VOID):
        raise DataError(f"{where}: masks have values from {mask.min()} to {mask.max()}", hint=NUMBERS)
    return mask.astype(np.uint8)


def shrunk(mask: Bytes, side: int) -> Bytes:
    """[side, side], classes not mixed."""
    from PIL import Image

    values: Bytes = np.asarray(Image.fromarray(mask).resize((side, side), Image.Resampling.NEAREST))
    return values

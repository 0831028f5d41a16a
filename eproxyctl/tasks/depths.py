"""Pixels of any depth as bytes: white stays white and black black, or the image is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eproxyctl.errors import DataError
from eproxyctl.tasks.files import shown

if TYPE_CHECKING:
    from PIL.Image import Image

DEEP = ("I", "F")
"""Modes of Pillow, and starts of modes (I;16B), whose values are no bytes; to convert them it cuts them off at 255."""
BITS_PER_SAMPLE = 258
"""The TIFF tag."""


def is_deep(image: Image) -> bool:
    """Whether the values of an image are no bytes."""
    return image.mode.startswith(DEEP)


def in_bytes(image: Image, path: Path) -> NDArray[np.uint8]:
    """A deep image as grey uint8 [H, W], by its bit depth: 0 … 65535 of a 16-bit file, 0 … 1 of floating-point numbers.

    Raises:
        DataError: there is no telling what white is; names the mode and the file.
    """
    values: NDArray[np.float64] = np.asarray(image, dtype=np.float64)
    white = _white(image, values)
    if white is None:
        raise DataError(
            f"{shown(path)} is of mode {image.mode} with values from {values.min():g} to {values.max():g}, "
            "and does not say what white is",
            hint="save it with 8 or 16 bits, or as floating-point numbers from 0 to 1",
        )
    scaled: NDArray[np.uint8] = np.rint(values * (255 / white)).astype(np.uint8)
    return scaled


def _white(image: Image, values: NDArray[np.float64]) -> float | None:
    """The value of white; None where the file does not say it, or has values beyond."""
    lowest, highest = values.min(initial=0), values.max(initial=0)
    if image.mode == "F":
        return 1.0 if lowest >= 0 and highest <= 1 and np.isfinite(values).all() else None
    bits = _bits(image)
    white = None if bits is None else float(2**bits - 1)
    return white if white is not None and lowest >= 0 and highest <= white else None


def _bits(image: Image) -> int | None:
    """How many a sample has, where they are unsigned and few enough to have a white."""
    if image.format == "TIFF":
        bits = image.tag_v2.get(BITS_PER_SAMPLE, (0,))[0]  # type: ignore[attr-defined]  # of a TIFF image
        return bits if isinstance(bits, int) and image.mode.startswith("I;") and 8 <= bits <= 16 else None
    # Pillow before 11 opens a PNG of 16 bits as I, later versions as I;16.
    return 16 if image.mode.startswith("I;16") or image.format == "PNG" else None

"""Images as arrays of uint8: read from files, brought to one size, and which of them a minibatch has."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eproxyctl.errors import DataError
from eproxyctl.tasks import archives

if TYPE_CHECKING:
    from PIL.Image import Image

Bytes = NDArray[np.uint8]
Drawn = tuple[list[Bytes], list[int] | None]
"""Images [H, W, C] or [H, W] and their labels."""
Labelled = tuple[Bytes, int]
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}


def choose(total: int, n: int, generator: random.Random, name: str) -> Sequence[int]:
    """Which `n` of `total` images. Raises DataError where there are fewer."""
    if n > total:
        raise DataError(f"{n} images asked for, {name} has {total}", hint="lower batch_size")
    return generator.sample(range(total), n)


def image_files(folder: str) -> list[Path]:
    """The image files in a folder and below, sorted, without hidden ones, which tools leave beside images.

    Raises:
        DataError: no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"no folder {folder}")
    found = (path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(path for path in found if not hidden(path.relative_to(root)))


def some(files: list[Path], folder: str) -> list[Path]:
    """The files. Raises DataError where there are none."""
    if not files:
        raise DataError(f"no images in {folder}", hint=f"known suffixes: {' '.join(sorted(SUFFIXES))}")
    return files


def hidden(path: Path) -> bool:
    """Whether a file or folder is one that tools make for themselves."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def flat(image: Bytes) -> Bytes:
    """[H, W, 1] as [H, W], which is what a grey image is."""
    return image.squeeze(-1) if image.shape[2:] == (1,) else image


def archived(path: str, beside: str) -> Bytes:
    """`images` (or `x`) of a .npz file; `beside` names what it should be saved with. Raises DataError without them."""
    images = archives.load(path, "images", "x")
    if images is None:
        raise archives.missing(path, "images", beside)
    return check(images, path)


def check(images: NDArray[np.generic], where: str, name: str = "images") -> Bytes:
    """An array of images [N, H, W, C] or [N, H, W]. Raises DataError where it is none."""
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[3:] not in ((), (1,), (3,), (4,)):
        raise DataError(
            f"{where}: '{name}' is {images.dtype} {list(images.shape)}",
            hint="it must be uint8 [N, H, W, 3] or [N, H, W]",
        )
    checked: Bytes = images.astype(np.uint8, copy=False)
    return checked


def read(path: Path, *, indexed: bool = False) -> Bytes:
    """An image [H, W] where it is grey, else [H, W, 3]. `indexed`: a palette's indices [H, W], not its colours.

    Raises:
        DataError: what is no image.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(image if indexed else _plain(image))
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot read the image {path}: {error}", hint="mend or remove the file") from None


def resized(image: Bytes, side: int, *, grey: bool) -> Bytes:
    """[C, side, side], C being 1 or 3."""
    from PIL import Image

    picture = Image.fromarray(image).convert("L" if grey else "RGB")
    if picture.size != (side, side):
        picture = picture.resize((side, side), Image.Resampling.BILINEAR)
    values: Bytes = np.asarray(picture)
    return values[None] if grey else values.transpose(2, 0, 1)


def _plain(image: Image) -> Image:
    """Grey stays grey; anything else (palette, alpha, CMYK) becomes RGB."""
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == "L" else image.convert("RGB")

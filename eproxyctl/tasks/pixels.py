"""Images as arrays of uint8: read from files, brought to one size, and which of them a minibatch has."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eproxyctl.errors import DataError
from eproxyctl.tasks.archives import ArchiveOptions, Parted, load_archive, missing
from eproxyctl.tasks.depths import in_bytes, is_deep
from eproxyctl.tasks.files import MIB, file_content, foreign, listed_files, shown

if TYPE_CHECKING:
    from PIL.Image import Image

Bytes = NDArray[np.uint8]
Drawn = tuple[list[Bytes], list[int] | None]
"""Images [H, W, C] or [H, W] and their labels."""
Labelled = tuple[Bytes, int]
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"})
LARGEST = 256 * MIB
"""Bytes of one image file."""
NAMED = 5
"""Bad files that a message names; it counts all."""


def choose(total: int, n: int, generator: random.Random, name: str) -> Sequence[int]:
    """Which `n` of `total` images. Raises DataError where there are fewer."""
    if n > total:
        raise DataError(f"{n} images asked for, {shown(name)} has {total}", hint="lower batch_size")
    return generator.sample(range(total), n)


def image_files(folder: str) -> list[Path]:
    """The image files in a folder and below, sorted, without hidden ones, which tools leave beside images.

    Raises:
        DataError: no such folder, or an image that is no regular file.
    """
    return listed_files(folder, SUFFIXES)


def some(files: Sequence[Path], folder: str) -> Sequence[Path]:
    """The files. Raises DataError where there are none."""
    if not files:
        raise DataError(f"no images in {shown(folder)}", hint=f"known suffixes: {' '.join(sorted(SUFFIXES))}")
    return files


def flat(image: Bytes) -> Bytes:
    """[H, W, 1] as [H, W], which is what a grey image is."""
    return image.squeeze(-1) if image.shape[2:] == (1,) else image


def archived(options: ArchiveOptions, beside: str) -> Parted:
    """`images` (or `x`) of a .npz file, uint8 [N, H, W, C] or [N, H, W].

    Raises:
        DataError: there are none; `beside` names what they should be saved with.
    """
    images = load_archive(options, "images", "x")
    if images is None:
        raise missing(options.path, "images", beside)
    values = images.values
    if values.dtype != np.uint8 or values.ndim not in (3, 4) or values.shape[3:] not in ((), (1,), (3,), (4,)):
        other = "sequences" if values.ndim == 3 and values.dtype.kind in "fi" else "volumes" if values.ndim > 3 else ""
        raise DataError(
            f"{shown(options.path)}: '{images.name}' is {values.dtype} {list(values.shape)}",
            hint="it must be uint8 [N, H, W, 3] or [N, H, W]" + (f"; or task.kind: {other}" if other else ""),
        )
    if 0 in values.shape[1:]:
        raise DataError(f"{shown(options.path)}: '{images.name}' is {list(values.shape)}: images without pixels")
    return images


def read_pixels(path: Path, *, indexed: bool = False) -> Bytes:
    """An image [H, W] where it is grey, else [H, W, 3]. `indexed`: a palette's indices [H, W], not its colours.

    Raises:
        DataError: what is no image, is too large to unpack, or has values of which none is known to be white.
    """
    data = file_content(path, LARGEST, "image")
    with foreign(f"cannot read the image {shown(path)}", "mend or remove the file; skip_bad: true leaves such out"):
        from PIL import Image

        with Image.open(io.BytesIO(data)) as image:
            most, size = Image.MAX_IMAGE_PIXELS, image.width * image.height
            if most is not None and size > most:
                raise ValueError(f"{image.width} × {image.height} pixels are more than {most // 10**6} million")
            if indexed:
                values: Bytes = np.asarray(image)
                return values
            return in_bytes(image, path) if is_deep(image) else np.asarray(_plain(image))


def read_all(paths: Iterable[Path], reader: Callable[[Path], Bytes] = read_pixels) -> Iterator[Bytes]:
    """Every image in turn, as `reader` reads it.

    Raises:
        DataError: some cannot be read: after the first, the others are read to count those, and the first few named.
    """
    waiting = iter(paths)
    for path in waiting:
        try:
            image = reader(path)
        except DataError as error:
            others = [caught for other in waiting if (caught := fault(other, reader)) is not None]
            if not others:
                raise
            raise DataError(several([error, *others]), hint=error.hint) from None
        yield image


def fault(path: Path, reader: Callable[[Path], Bytes] = read_pixels) -> DataError | None:
    """What is wrong with an image, None where nothing is."""
    try:
        reader(path)
    except DataError as error:
        return error
    return None


def several(errors: Sequence[DataError]) -> str:
    """A message that counts bad images and names the first few."""
    lines = [error.message for error in errors[:NAMED]]
    more = [f"… and {len(errors) - NAMED:,} more"] if len(errors) > NAMED else []
    return "\n  ".join([f"{len(errors):,} images cannot be used", *lines, *more])


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

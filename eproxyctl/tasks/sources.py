"""Where images come from. Each source gives uint8 images in [H, W, C] and, where it has them, labels.

`draw`: some for training, and their labels. `labelled`: all, with their labels. `pictures`: all, labels or not.
`PictureSource` says the rest.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from eproxyctl.errors import DataError
from eproxyctl.tasks import archives
from eproxyctl.tasks.cifar import Cifar10
from eproxyctl.tasks.embedded import handwritten_digits, photographs
from eproxyctl.tasks.folders import FolderOptions, Layout, layout
from eproxyctl.tasks.labels import Labels, archived_labels
from eproxyctl.tasks.listings import ImageListing
from eproxyctl.tasks.pictures import PictureSource
from eproxyctl.tasks.pixels import Bytes, Drawn, Labelled, archived, choose, fault, flat, read_all, some
from eproxyctl.tasks.splits import drawable

UNLABELLED = "use digits, cifar10, an npz with labels, or a folder with one subfolder a class"


class Photos(PictureSource):
    """Random crops of the two photographs that scikit-learn ships."""

    kind: Literal["photos"] = "photos"

    def classes(self) -> int | None:
        return None

    def draw(self, n: int, generator: random.Random) -> Drawn:
        photos = photographs()
        crops = []
        for _ in range(n):
            photo = photos[generator.randrange(len(photos))]
            side = generator.randint(64, 256)
            top = generator.randint(0, photo.shape[0] - side)
            left = generator.randint(0, photo.shape[1] - side)
            crops.append(photo[top : top + side, left : left + side])
        return crops, None

    def labelled(self) -> Iterator[Labelled]:
        raise DataError("the photos have no labels", hint=UNLABELLED)

    def pictures(self) -> Iterator[Bytes]:
        raise DataError(
            "the photos are two, too few to train on", hint="use digits, cifar10, an npz, or a folder of images"
        )


class DigitImages(PictureSource):
    """scikit-learn's 1,797 handwritten digits, 8×8, ten classes."""

    kind: Literal["digits"] = "digits"

    def classes(self) -> int | None:
        return 10

    def draw(self, n: int, generator: random.Random) -> Drawn:
        data = handwritten_digits()
        chosen = choose(len(data.images), n, generator, "the digits")
        return [(data.images[i] * (255 / 16)).astype(np.uint8) for i in chosen], [int(data.target[i]) for i in chosen]

    def labelled(self) -> Iterator[Labelled]:
        data = handwritten_digits()
        for image, label in zip(data.images, data.target, strict=True):
            yield (image * (255 / 16)).astype(np.uint8), int(label)

    def pictures(self) -> Iterator[Bytes]:
        for image, _ in self.labelled():
            yield image


class ImageArchive(archives.ArchiveOptions, PictureSource):
    """A NumPy archive with `images` (or `x`) uint8 [N, H, W, C] or [N, H, W] and, optionally, `labels` (or `y`) [N].

    Labels are whole numbers from 0, or names, whose classes are in alphabetical order. An archive in parts
    (`train_images`, `train_labels`, `val_images`, …, as MedMNIST's) brings its own validation split.
    """

    kind: Literal["npz"] = "npz"

    def classes(self) -> int | None:
        labels = self._labels()
        return None if labels is None else labels.classes()

    def names(self) -> tuple[str, ...] | None:
        labels = self._labels()
        return None if labels is None else labels.names

    def own(self) -> int | None:
        return archives.count(self, "images", "x")

    def draw(self, n: int, generator: random.Random) -> Drawn:
        images, labels = self._arrays()
        chosen = choose(drawable(self.own(), len(images)), n, generator, self.path)
        return [flat(images[i]) for i in chosen], None if labels is None else [int(labels.numbers[i]) for i in chosen]

    def labelled(self) -> Iterator[Labelled]:
        images, labels = self._arrays()
        if labels is None:
            raise archives.missing(self.path, "labels", "images")
        for image, label in zip(images, labels.numbers, strict=True):
            yield flat(image), int(label)

    def pictures(self) -> Iterator[Bytes]:
        return map(flat, archived(self, "labels").values)

    def notes(self) -> tuple[str, ...]:
        return archives.notes(self, "images", "x")

    def _labels(self) -> Labels | None:
        labels = archives.load_archive(self, "labels")
        if labels is None:  # `y` may as well be masks, or values to regress
            labels = archives.load_archive(self, "y")
            if labels is not None and (
                labels.values.size != len(labels.values) or labels.values.dtype.kind not in "iuUS"
            ):
                return None
        return archived_labels(self, labels)

    def _arrays(self) -> tuple[Bytes, Labels | None]:
        images, labels = archived(self, "labels"), self._labels()
        if labels is not None:
            labels.fits(len(images.values), "image")
            if labels.training != images.training:
                raise archives.parts_differ(self.path, "images", "labels")
        return images.values, labels


class ImageFolder(FolderOptions, PictureSource):
    """A folder of images, one subfolder a class; or images side by side, without labels.

    Where it has `train/` and `val/` (or `valid`, `validation`, `test`) with class folders in both, `val/` is the
    validation split; a `test/` beside it is left out.
    """

    kind: Literal["folder"] = "folder"

    def classes(self) -> int | None:
        return len(self._layout.names) or None

    def names(self) -> tuple[str, ...] | None:
        return self._layout.names or None

    def own(self) -> int | None:
        return self._layout.training

    def notes(self) -> tuple[str, ...]:
        return self._layout.notes

    def draw(self, n: int, generator: random.Random) -> Drawn:
        files, labels = self._layout.files, self._layout.labels
        chosen = choose(drawable(self.own(), len(files)), n, generator, self.path)
        images = list(read_all(files[i] for i in chosen))
        return images, None if labels is None else [labels[i] for i in chosen]

    def labelled(self) -> Iterator[Labelled]:
        files, labels = self._layout.files, self._layout.labels
        if labels is None:
            raise DataError(f"the images in {self.path} have no classes", hint="put them in one subfolder a class")
        yield from zip(read_all(files), labels, strict=True)

    def files(self) -> list[Path]:
        """The image files, those for training first."""
        return list(self._layout.files)

    def pictures(self) -> Iterator[Bytes]:
        return read_all(self._layout.files)

    @cached_property
    def _layout(self) -> Layout:
        found = layout(self.path)
        if self.skip_bad:
            found = found.without(lambda file: fault(file) is not None)
            some(found.files, self.path)
        return found


Source = Annotated[
    Photos | DigitImages | ImageArchive | ImageFolder | ImageListing | Cifar10, Field(discriminator="kind")
]

"""Where images come from. Each source gives uint8 images in [H, W, C] and, where it has them, labels.

`draw`: some, and their labels. `labelled`: all, with their labels. `pictures`: all, labels or not. `paths`: files.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from eproxyctl.contracts import DataPath, Options
from eproxyctl.errors import DataError
from eproxyctl.tasks import archives
from eproxyctl.tasks.cifar import Cifar10
from eproxyctl.tasks.pixels import Bytes, Drawn, Labelled, archived, choose, flat, hidden, image_files, read, some

UNLABELLED = "use digits, cifar10, an npz with labels, or a folder with one subfolder a class"


class Photos(Options):
    """Random crops of the two photographs that scikit-learn ships."""

    kind: Literal["photos"] = "photos"

    def classes(self) -> int | None:
        return None

    def draw(self, n: int, generator: random.Random) -> Drawn:
        from sklearn.datasets import load_sample_images

        photos = load_sample_images().images
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

    def paths(self) -> tuple[str, ...]:
        return ()


class Digits(Options):
    """scikit-learn's 1,797 handwritten digits, 8×8, ten classes."""

    kind: Literal["digits"] = "digits"

    def classes(self) -> int | None:
        return 10

    def draw(self, n: int, generator: random.Random) -> Drawn:
        from sklearn.datasets import load_digits

        data = load_digits()
        chosen = choose(len(data.images), n, generator, "the digits")
        return [(data.images[i] * (255 / 16)).astype(np.uint8) for i in chosen], [int(data.target[i]) for i in chosen]

    def labelled(self) -> Iterator[Labelled]:
        from sklearn.datasets import load_digits

        data = load_digits()
        for image, label in zip(data.images, data.target, strict=True):
            yield (image * (255 / 16)).astype(np.uint8), int(label)

    def pictures(self) -> Iterator[Bytes]:
        for image, _ in self.labelled():
            yield image

    def paths(self) -> tuple[str, ...]:
        return ()


class Npz(Options):
    """A NumPy archive with `images` (or `x`) uint8 [N, H, W, C] or [N, H, W] and, optionally, `labels` (or `y`) [N]."""

    kind: Literal["npz"] = "npz"
    path: DataPath = Field(description="the .npz file")

    def classes(self) -> int | None:
        labels = self._labels()
        return None if labels is None else int(labels.max()) + 1

    def draw(self, n: int, generator: random.Random) -> Drawn:
        images, labels = self._arrays()
        chosen = choose(len(images), n, generator, self.path)
        return [flat(images[i]) for i in chosen], None if labels is None else [int(labels[i]) for i in chosen]

    def labelled(self) -> Iterator[Labelled]:
        images, labels = self._arrays()
        if labels is None:
            raise archives.missing(self.path, "labels", "images")
        for image, label in zip(images, labels, strict=True):
            yield flat(image), int(label)

    def pictures(self) -> Iterator[Bytes]:
        return map(flat, archived(self.path, "labels"))

    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    def _labels(self) -> NDArray[Any] | None:
        labels = archives.load(self.path, "labels")
        if labels is None:  # `y` may as well be masks, or values to regress
            other = archives.load(self.path, "y")
            labels = other if other is not None and other.ndim == 1 and other.dtype.kind in "iu" else None
        return archives.class_numbers(self.path, labels)

    def _arrays(self) -> tuple[Bytes, NDArray[Any] | None]:
        images, labels = archived(self.path, "labels"), self._labels()
        if labels is not None and len(labels) != len(images):
            raise DataError(f"{self.path}: {len(images)} images, but {len(labels)} labels")
        return images, labels


class Folder(Options):
    """A folder of images, one subfolder a class; or images side by side, without labels."""

    kind: Literal["folder"] = "folder"
    path: DataPath = Field(description="the folder")

    def classes(self) -> int | None:
        return len({path.parent for path in self.files()}) if self._labelled() else None

    def draw(self, n: int, generator: random.Random) -> Drawn:
        files = some(self.files(), self.path)
        chosen = [files[i] for i in choose(len(files), n, generator, self.path)]
        classes = {parent: i for i, parent in enumerate(sorted({path.parent for path in files}))}
        labels = [classes[path.parent] for path in chosen] if self._labelled() else None
        return [read(path) for path in chosen], labels

    def labelled(self) -> Iterator[Labelled]:
        files = some(self.files(), self.path)
        if not self._labelled():
            raise DataError(f"the images in {self.path} have no classes", hint="put them in one subfolder a class")
        classes = {parent: i for i, parent in enumerate(sorted({path.parent for path in files}))}
        for path in files:
            yield read(path), classes[path.parent]

    def names(self) -> list[str]:
        """The classes, in the order of their labels."""
        return [parent.name for parent in sorted({path.parent for path in self.files()})]

    def files(self) -> list[Path]:
        """The image files, sorted."""
        return image_files(self.path)

    def pictures(self) -> Iterator[Bytes]:
        return map(read, some(self.files(), self.path))

    def paths(self) -> tuple[str, ...]:
        return tuple(map(str, self.files()))

    def _labelled(self) -> bool:
        return any(path.is_dir() and not hidden(Path(path.name)) for path in Path(self.path).iterdir())


Source = Annotated[Photos | Digits | Npz | Folder | Cifar10, Field(discriminator="kind")]

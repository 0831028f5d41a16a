"""Where images come from. Each source gives uint8 images in [H, W, C] and, where it has them, labels."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from eproxyctl.contracts import Options
from eproxyctl.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Bytes = NDArray[np.uint8]
Drawn = tuple[list[Bytes], list[int] | None]
"""Images [H, W, C] or [H, W] and their labels."""
Labelled = tuple[Bytes, int]
UNLABELLED = "use digits, cifar10, an npz with labels, or a folder with one subfolder a class"
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_RECORD = 1 + 3 * 32 * 32


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


class Digits(Options):
    """scikit-learn's 1,797 handwritten digits, 8×8, ten classes."""

    kind: Literal["digits"] = "digits"

    def classes(self) -> int | None:
        return 10

    def draw(self, n: int, generator: random.Random) -> Drawn:
        from sklearn.datasets import load_digits

        data = load_digits()
        chosen = _choose(len(data.images), n, generator, "the digits")
        return [(data.images[i] * (255 / 16)).astype(np.uint8) for i in chosen], [int(data.target[i]) for i in chosen]

    def labelled(self) -> Iterator[Labelled]:
        from sklearn.datasets import load_digits

        data = load_digits()
        for image, label in zip(data.images, data.target, strict=True):
            yield (image * (255 / 16)).astype(np.uint8), int(label)


class Npz(Options):
    """A NumPy archive with `images` uint8 [N, H, W, C] or [N, H, W] and, optionally, `labels` [N]."""

    kind: Literal["npz"] = "npz"
    path: str = Field(description="the .npz file")

    def classes(self) -> int | None:
        labels = self._load("labels")
        return None if labels is None else int(labels.max()) + 1

    def draw(self, n: int, generator: random.Random) -> Drawn:
        images, labels = self._arrays()
        chosen = _choose(len(images), n, generator, self.path)
        return [_flat(images[i]) for i in chosen], None if labels is None else [int(labels[i]) for i in chosen]

    def labelled(self) -> Iterator[Labelled]:
        images, labels = self._arrays()
        if labels is None:
            raise DataError(f"{self.path} has no array 'labels'", hint="np.savez(path, images=…, labels=…)")
        if labels.dtype.kind not in "iu" or labels.ndim != 1 or labels.min(initial=0) < 0:
            raise DataError(f"{self.path}: 'labels' must be whole numbers from 0, one an image")
        for image, label in zip(images, labels, strict=True):
            yield _flat(image), int(label)

    def _arrays(self) -> tuple[Bytes, NDArray[np.int64] | None]:
        images, labels = self._load("images"), self._load("labels")
        if images is None:
            raise DataError(f"{self.path} has no array 'images'", hint="np.savez(path, images=…, labels=…)")
        if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[3:] not in ((), (1,), (3,), (4,)):
            raise DataError(
                f"{self.path}: 'images' is {images.dtype} {list(images.shape)}",
                hint="it must be uint8 [N, H, W, 3] or [N, H, W]",
            )
        if labels is not None and len(labels) != len(images):
            raise DataError(f"{self.path}: {len(images)} images, but {len(labels)} labels")
        return images, labels

    def _load(self, name: str) -> NDArray[Any] | None:
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                array: NDArray[Any] | None = archive.get(name)
                return array
        except FileNotFoundError:
            raise DataError(f"no file {self.path}") from None
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{self.path} is no readable npz archive: {error}") from None


class Folder(Options):
    """A folder of images, one subfolder a class; or images side by side, without labels."""

    kind: Literal["folder"] = "folder"
    path: str = Field(description="the folder")

    def classes(self) -> int | None:
        return len({path.parent for path in self.files()}) if self._labelled() else None

    def draw(self, n: int, generator: random.Random) -> Drawn:
        files = self.files()
        if not files:
            raise DataError(f"no images in {self.path}", hint=f"known suffixes: {' '.join(sorted(SUFFIXES))}")
        chosen = [files[i] for i in _choose(len(files), n, generator, self.path)]
        classes = {parent: i for i, parent in enumerate(sorted({path.parent for path in files}))}
        labels = [classes[path.parent] for path in chosen] if self._labelled() else None
        return [_read(path) for path in chosen], labels

    def labelled(self) -> Iterator[Labelled]:
        files = self.files()
        if not files:
            raise DataError(f"no images in {self.path}", hint=f"known suffixes: {' '.join(sorted(SUFFIXES))}")
        if not self._labelled():
            raise DataError(f"the images in {self.path} have no classes", hint="put them in one subfolder a class")
        classes = {parent: i for i, parent in enumerate(sorted({path.parent for path in files}))}
        for path in files:
            yield _read(path), classes[path.parent]

    def names(self) -> list[str]:
        """The classes, in the order of their labels."""
        return [parent.name for parent in sorted({path.parent for path in self.files()})]

    def files(self) -> list[Path]:
        """The image files, sorted, without hidden ones, which tools leave beside images."""
        root = Path(self.path)
        if not root.is_dir():
            raise DataError(f"no folder {self.path}")
        found = (path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
        return sorted(path for path in found if not _hidden(path.relative_to(root)))

    def _labelled(self) -> bool:
        return any(path.is_dir() and not _hidden(Path(path.name)) for path in Path(self.path).iterdir())


class Cifar10(Options):
    """CIFAR-10 in its binary version: data_batch_1.bin … data_batch_5.bin in a folder."""

    FILES: ClassVar[tuple[str, ...]] = tuple(f"data_batch_{i}.bin" for i in range(1, 6))

    kind: Literal["cifar10"] = "cifar10"
    path: str | None = Field(None, description="the folder; unset: the user's cache")
    download: bool = Field(False, description="fetch the archive (170 MB) when it is not there")

    def classes(self) -> int | None:
        return 10

    def draw(self, n: int, generator: random.Random) -> Drawn:
        records = self._records()
        chosen = [records[i] for i in _choose(len(records), n, generator, "CIFAR-10")]
        images = [record[1:].reshape(3, 32, 32).transpose(1, 2, 0) for record in chosen]
        return images, [int(record[0]) for record in chosen]

    def labelled(self) -> Iterator[Labelled]:
        for record in self._records():
            yield record[1:].reshape(3, 32, 32).transpose(1, 2, 0), int(record[0])

    def _records(self) -> Bytes:
        folder = self.folder()
        if not all((folder / name).is_file() for name in self.FILES):
            if not self.download:
                raise DataError(
                    f"no CIFAR-10 binary batches in {folder}",
                    hint="put data_batch_1.bin … data_batch_5.bin there, or set download: true",
                )
            _download_cifar10(folder)
        parts = [np.fromfile(folder / name, dtype=np.uint8) for name in self.FILES]
        for name, part in zip(self.FILES, parts, strict=True):
            if part.size == 0 or part.size % CIFAR10_RECORD:
                raise DataError(
                    f"{folder / name} is {part.size} bytes, no multiple of {CIFAR10_RECORD}",
                    hint="use the binary version (cifar-10-binary.tar.gz)",
                )
        return np.concatenate(parts).reshape(-1, CIFAR10_RECORD)

    def folder(self) -> Path:
        """Where the batches are."""
        if self.path:
            return Path(self.path)
        import platformdirs

        return Path(platformdirs.user_cache_dir("eproxyctl")) / "cifar-10-batches-bin"


Source = Annotated[Photos | Digits | Npz | Folder | Cifar10, Field(discriminator="kind")]


def _choose(total: int, n: int, generator: random.Random, name: str) -> Sequence[int]:
    if n > total:
        raise DataError(f"{n} images asked for, {name} has {total}", hint="lower batch_size")
    return generator.sample(range(total), n)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _flat(image: Bytes) -> Bytes:
    """[H, W, 1] as [H, W], which is what a grey image is."""
    return image.squeeze(-1) if image.shape[2:] == (1,) else image


def _read(path: Path) -> Bytes:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(_plain(image))
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot read the image {path}: {error}", hint="mend or remove the file") from None


def _plain(image: Image) -> Image:
    """Grey stays grey; anything else (palette, alpha, CMYK) becomes RGB."""
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == "L" else image.convert("RGB")


def _download_cifar10(folder: Path) -> None:
    import tarfile
    import tempfile
    import urllib.request

    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile() as archive:
            with urllib.request.urlopen(CIFAR10_URL, timeout=60) as response:
                while chunk := response.read(1 << 20):
                    archive.write(chunk)
            archive.seek(0)
            with tarfile.open(fileobj=archive, mode="r:gz") as tar:
                for name in Cifar10.FILES:
                    member = tar.extractfile(f"cifar-10-batches-bin/{name}")
                    if member is None:
                        raise DataError(f"{CIFAR10_URL} lacks {name}")
                    (folder / name).write_bytes(member.read())
    except (OSError, KeyError, tarfile.TarError) as error:
        raise DataError(f"could not fetch {CIFAR10_URL}: {error}") from None

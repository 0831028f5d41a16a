"""CIFAR-10 as it is published, and the fetching of it where the user asks for that."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from eproxyctl.contracts import DataPath
from eproxyctl.errors import DataError
from eproxyctl.tasks.files import MIB, file_content, shown
from eproxyctl.tasks.pictures import PictureSource
from eproxyctl.tasks.pixels import Bytes, Drawn, Labelled, choose

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
RECORD = 1 + 3 * 32 * 32
LARGEST = 256 * MIB
"""Bytes of one batch; the published have 30 million."""


def _cache() -> str:
    import platformdirs

    return str(Path(platformdirs.user_cache_dir("eproxyctl")) / "cifar-10-batches-bin")


class Cifar10(PictureSource):
    """CIFAR-10 in its binary version: data_batch_1.bin … data_batch_5.bin in a folder."""

    FILES: ClassVar[tuple[str, ...]] = tuple(f"data_batch_{i}.bin" for i in range(1, 6))

    kind: Literal["cifar10"] = "cifar10"
    path: DataPath = Field(default_factory=_cache, description="the folder; unset: the user's cache")
    download: bool = Field(False, description="fetch the archive (170 MB) when it is not there")

    def classes(self) -> int | None:
        return 10

    def draw(self, n: int, generator: random.Random) -> Drawn:
        records = self._records()
        chosen = [records[i] for i in choose(len(records), n, generator, "CIFAR-10")]
        images = [record[1:].reshape(3, 32, 32).transpose(1, 2, 0) for record in chosen]
        return images, [int(record[0]) for record in chosen]

    def labelled(self) -> Iterator[Labelled]:
        for record in self._records():
            yield record[1:].reshape(3, 32, 32).transpose(1, 2, 0), int(record[0])

    def pictures(self) -> Iterator[Bytes]:
        for image, _ in self.labelled():
            yield image

    def _records(self) -> Bytes:
        folder = self.folder()
        if not all((folder / name).exists() for name in self.FILES):
            if not self.download:
                raise DataError(
                    f"no CIFAR-10 binary batches in {folder}",
                    hint="put data_batch_1.bin … data_batch_5.bin there, or set download: true",
                )
            _download_cifar10(folder)
        parts = [np.frombuffer(file_content(folder / name, LARGEST), dtype=np.uint8) for name in self.FILES]
        for name, part in zip(self.FILES, parts, strict=True):
            if part.size == 0 or part.size % RECORD:
                raise DataError(
                    f"{folder / name} is {part.size} bytes, no multiple of {RECORD}",
                    hint="use the binary version (cifar-10-binary.tar.gz)",
                )
            if part[::RECORD].max() > 9:
                raise DataError(
                    f"{shown(folder / name)} has a label {part[::RECORD].max()}, classes are 0 to 9",
                    hint="use the binary version (cifar-10-binary.tar.gz), not that of CIFAR-100",
                )
        return np.concatenate(parts).reshape(-1, RECORD)

    def folder(self) -> Path:
        """Where the batches are."""
        return Path(self.path)


def _download_cifar10(folder: Path) -> None:
    import tarfile
    import tempfile
    import urllib.request

    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile() as archive:
            with urllib.request.urlopen(URL, timeout=60) as response:
                while chunk := response.read(1 << 20):
                    archive.write(chunk)
            archive.seek(0)
            with tarfile.open(fileobj=archive, mode="r:gz") as tar:
                for name in Cifar10.FILES:
                    member = tar.extractfile(f"cifar-10-batches-bin/{name}")
                    if member is None:
                        raise DataError(f"{URL} lacks {name}")
                    (folder / name).write_bytes(member.read())
    except (OSError, KeyError, tarfile.TarError) as error:
        raise DataError(f"could not fetch {URL}: {error}") from None

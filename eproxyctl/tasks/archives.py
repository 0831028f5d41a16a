"""NumPy archives: arrays read without pickle and within bounds, whole or in parts for training and validation."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from eproxyctl.contracts import DataPath, Options
from eproxyctl.errors import DataError
from eproxyctl.tasks.files import foreign, opened_file, shown
from eproxyctl.tasks.splits import TRAINING, VALIDATION

GIB = 1 << 30
DAMAGED = "np.savez(path, …) writes one"


class ArchiveOptions(Options):
    """What every source of an npz archive has besides its kind."""

    path: DataPath = Field(description="the .npz file")
    max_gib: float = Field(2.0, gt=0, description="GiB that an array of it may unpack to")


@dataclass(frozen=True)
class Parted:
    """An array of an archive.

    Attributes:
        name: in the archive, of the whole or of the training part.
        values: [N, …]; the training part first where there are parts.
        training: how many are for training; None where the archive has no parts.
    """

    name: str
    values: NDArray[Any]
    training: int | None = None


def load_archive(options: ArchiveOptions, *names: str) -> Parted | None:
    """The first of several arrays that a .npz file has; None where it has none of them.

    Either whole (`images`), or in parts as MedMNIST and Keras have them (`train_images` and `val_images`, `x_train` and
    `x_test`); where there is a validation part, a test part is not read.

    Raises:
        DataError: no such file, no archive, one that is damaged or encrypted, or unpacks to more than `max_gib`.
    """
    with _archive(options.path) as archive:
        return _found(archive, options, names)


def count(options: ArchiveOptions, *names: str) -> int | None:
    """How many examples of an archive in parts are for training; None where it has no parts. Reads headers only.

    Raises:
        DataError: as `load` does.
    """
    with _archive(options.path) as archive:
        parts = _parts(archive, names)
        if any(name in archive.files for name in names) or len(parts) < 2:
            return None
        shape = archive.header(parts[0], options)[0]
        return shape[0] if shape else None


def single(values: NDArray[Any]) -> bool:
    """Whether all numbers are finite in single precision, in which networks see them."""
    with np.errstate(over="ignore"):
        return bool(np.isfinite(values.astype(np.float32)).all()) if values.dtype.kind == "f" else True


def notes(options: ArchiveOptions, *names: str) -> tuple[str, ...]:
    """What a person should know of an archive in parts: which of them is the validation split, which is left out.

    Raises:
        DataError: as `load` does.
    """
    with _archive(options.path) as archive:
        parts = _parts(archive, names)
        if any(name in archive.files for name in names) or len(parts) < 2:
            return ()
        counts = [next(iter(archive.header(part, options)[0]), 0) for part in parts]
        told = f"{parts[1]} is the validation split: {counts[1]:,} of {sum(counts):,} examples"
        tests = {form for name in names for form in (f"test_{name}", f"{name}_test")} & archive.files - set(parts)
        return (told, *(f"{test} is left out" for test in sorted(tests)))


def missing(path: str, name: str, other: str) -> DataError:
    """What to say of an archive without an array; `other` names what it should be saved with."""
    return DataError(f"{shown(path)} has no array '{name}'", hint=f"np.savez(path, {name}=…, {other}=…)")


def parts_differ(path: str, one: str, other: str) -> DataError:
    """What to say of an archive whose arrays are split at different places."""
    return DataError(f"{shown(path)}: the training parts of the {one} and the {other} are not of one length")


class _Archive:
    """An open archive: names of its arrays, what their headers declare, and their values."""

    def __init__(self, path: str, zipped: zipfile.ZipFile) -> None:
        self.path, self._zipped = path, zipped
        self._entries = {entry.filename.removesuffix(".npy"): entry for entry in zipped.infolist()}
        self.files = frozenset(self._entries)

    def header(self, name: str, options: ArchiveOptions) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and type of an array, and no more bytes declared than there are, nor than may be."""
        entry = self._entries[name]
        with self._zipped.open(entry) as stream:
            major = np.lib.format.read_magic(stream)[0]
            if major not in (1, 2):
                raise ValueError(f"'{name}' has version {major} of the npy format, known are 1 and 2")
            read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(stream)
            start = stream.tell()
        if dtype.hasobject:
            raise ValueError(f"'{name}' holds Python objects, which only pickle could read")
        size = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0:
            raise ValueError(f"'{name}' has the shape {list(shape)}")
        if size > options.max_gib * GIB:
            raise DataError(
                f"{shown(self.path)}: '{name}' unpacks to {size / GIB:.3g} GiB, and max_gib is {options.max_gib:g}",
                hint=f"if the file is to be trusted and there is memory for it: max_gib: {math.ceil(size / GIB):.6g}",
            )
        if start + size != entry.file_size:
            raise ValueError(f"'{name}' declares {size} bytes, {entry.file_size - start} are there")
        return shape, dtype

    def array(self, name: str, options: ArchiveOptions) -> NDArray[Any]:
        self.header(name, options)
        with self._zipped.open(self._entries[name]) as stream:
            values: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        return values


@contextmanager
def _archive(path: str) -> Iterator[_Archive]:
    with opened_file(path) as stream:
        if stream.read(6) == b"\x93NUMPY":
            what = "it is a single array, as np.save writes it"
            raise DataError(f"{shown(path)} is no readable npz archive: {what}", hint=DAMAGED)
        stream.seek(0)
        with foreign(f"{shown(path)} is no readable npz archive", DAMAGED), zipfile.ZipFile(stream) as zipped:
            yield _Archive(path, zipped)


def _found(archive: _Archive, options: ArchiveOptions, names: tuple[str, ...]) -> Parted | None:
    whole = next((name for name in names if name in archive.files), None)
    if whole is not None:
        return Parted(whole, archive.array(whole, options))
    parts = _parts(archive, names)
    if not parts:
        return None
    arrays = [archive.array(part, options) for part in parts]
    if len(arrays) == 1:
        return Parted(parts[0], arrays[0])
    kinds = {(array.shape[1:], array.dtype.kind, array.ndim > 0) for array in arrays}
    if len(kinds) > 1:
        told = " and ".join(f"'{name}' {a.dtype} {list(a.shape)}" for name, a in zip(parts, arrays, strict=True))
        raise DataError(f"{shown(options.path)}: the parts differ: {told}")
    return Parted(parts[0], np.concatenate(arrays), len(arrays[0]))


def _parts(archive: _Archive, names: tuple[str, ...]) -> list[str]:
    """The training part and the validation part, under one of the names; fewer where they are not there."""
    for name in names:
        spelt = [
            [form for part in parts for form in (f"{part}_{name}", f"{name}_{part}")]
            for parts in (TRAINING, VALIDATION)
        ]
        found = [next((form for form in forms if form in archive.files), None) for forms in spelt]
        if found[0] is not None:
            return [form for form in found if form is not None]
    return []

"""NumPy archives, read without pickle."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eproxyctl.errors import DataError


def load(path: str, *names: str) -> NDArray[Any] | None:
    """The first of several arrays that a .npz file has; None where it has none of them.

    Raises:
        DataError: no such file, or no archive.
    """
    try:
        # Opened here: numpy leaves the file open where it is no archive.
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is a single array")
            return next((archive[name] for name in names if name in archive.files), None)
    except FileNotFoundError:
        raise DataError(f"no file {path}") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is no readable npz archive: {error}", hint="np.savez(path, …) writes one") from None


def missing(path: str, name: str, other: str) -> DataError:
    """What to say of an archive without an array; `other` names what it should be saved with."""
    return DataError(f"{path} has no array '{name}'", hint=f"np.savez(path, {name}=…, {other}=…)")


def class_numbers(path: str, labels: NDArray[Any] | None) -> NDArray[Any] | None:
    """Labels as they are, if there are any and they are classes. Raises DataError where they are not."""
    if labels is not None and (
        labels.dtype.kind not in "iu" or labels.ndim != 1 or not labels.size or labels.min() < 0
    ):
        raise DataError(f"{path}: 'labels' must be whole numbers from 0, one an example")
    return labels

"""Data that scikit-learn ships, read from its files: importing the package takes a second, and rich with it."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eproxyctl.errors import DataError


@dataclass(frozen=True)
class HandwrittenDigits:
    """The 1,797 handwritten digits, as `sklearn.datasets.load_digits` has them.

    Attributes:
        images: [N, 8, 8] float64, 0 to 16.
        target: [N] int64, the digit.
    """

    images: NDArray[np.float64]
    target: NDArray[np.int64]


@lru_cache(maxsize=1)
def handwritten_digits() -> HandwrittenDigits:
    """The digits, read once a process. Raises DataError where scikit-learn's files are not where they were."""
    path = _folder() / "data" / "digits.csv.gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            table = np.loadtxt(file, delimiter=",")
    except OSError as error:
        raise _missing(path, error) from None
    return HandwrittenDigits(table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(np.int64))


@lru_cache(maxsize=1)
def photographs() -> list[NDArray[np.uint8]]:
    """The two photographs, [H, W, 3], read once a process, as `sklearn.datasets.load_sample_images` has them.

    Raises:
        DataError: scikit-learn's files are not where they were.
    """
    from PIL import Image

    paths = sorted((_folder() / "images").glob("*.jpg"))
    if not paths:
        raise _missing(_folder() / "images", FileNotFoundError("no photographs"))
    return [np.asarray(Image.open(path)) for path in paths]


def _folder() -> Path:
    found = find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise DataError("the embedded data are scikit-learn's, which is not installed", hint="pip install scikit-learn")
    return Path(found.submodule_search_locations[0]) / "datasets"


def _missing(path: Path, error: Exception) -> DataError:
    return DataError(f"the embedded data {path} cannot be read: {error}", hint="pip install 'scikit-learn>=1.4'")

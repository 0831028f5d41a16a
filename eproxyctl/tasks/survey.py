"""What can be known of a set of images before anything is trained on it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from eproxyctl.errors import DataError
from eproxyctl.tasks.pixels import Bytes
from eproxyctl.tasks.sources import DigitImages, ImageArchive, ImageFolder
from eproxyctl.tasks.splits import check_classes


@dataclass(frozen=True)
class Survey:
    """Of all the images.

    Attributes:
        count: how many.
        classes: names, in the order of their labels.
        side: median of the shorter sides, in pixels.
        grey: whether none has colour.
    """

    count: int
    classes: tuple[str, ...]
    side: int
    grey: bool


def survey(source: ImageFolder | ImageArchive | DigitImages, seen: Callable[[], None] = lambda: None) -> Survey:
    """Read every image once.

    Args:
        seen: called after each image.

    Raises:
        DataError: no images, one that cannot be read, no classes, one class, a class with one image.
    """
    sides: list[int] = []
    labels: Counter[int] = Counter()
    grey = True
    for image, label in source.labelled():
        sides.append(min(image.shape[:2]))
        labels[label] += 1
        grey = grey and _without_colour(image)
        seen()
    if not sides:
        raise DataError("there are no images")
    classes = source.classes()  # first, since numbers as labels that are too high to be classes are refused here
    names = source.names() or tuple(map(str, range(classes or 0)))
    check_classes(np.array(list(labels)), np.array(list(labels.values())), names)
    return Survey(len(sides), tuple(names), int(statistics.median(sides)), grey)


def _without_colour(image: Bytes) -> bool:
    return image.ndim == 2 or bool((image[..., :3] == image[..., :1]).all())

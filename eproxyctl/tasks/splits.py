"""Examples split into those a network is trained on and those it is measured on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eproxyctl.errors import DataError

Indices = NDArray[np.int64]


def split(
    labels: Indices, seed: int, validation: float, limit: int | None, names: Sequence[str] | None = None
) -> tuple[Indices, Indices]:
    """Indices for training and for validation, each class in both by its share.

    Args:
        labels: [N].
        seed: of the draw.
        validation: share of all.
        limit: training examples at most, None for all that are left.
        names: of the classes, for messages.

    Raises:
        DataError: one class, a class with one image, or parts too small for the classes.
    """
    from sklearn.model_selection import train_test_split

    classes, counts = np.unique(labels, return_counts=True)
    check_classes(classes, counts, names)
    held = max(round(validation * len(labels)), len(classes))
    rest = len(labels) - held
    if (limit is not None and limit < len(classes)) or rest < len(classes):
        raise DataError(
            f"{min(limit or rest, rest)} training images for {len(classes)} classes",
            hint="raise train.images, lower train.validation, or add images",
        )
    training, validated = train_test_split(
        np.arange(len(labels)),
        train_size=min(limit or rest, rest),
        test_size=held,
        stratify=labels,
        random_state=np.random.RandomState(seed % 2**32),
    )
    return np.asarray(training, dtype=np.int64), np.asarray(validated, dtype=np.int64)


def check_classes(classes: Indices, counts: Indices, names: Sequence[str] | None = None) -> None:
    """Raises DataError where nothing can be learned: one class, or a class with one image."""
    if len(classes) < 2:
        raise DataError("the images are all of one class: nothing to tell apart", hint="add images of another class")
    lonely = [names[label] if names else str(label) for label in classes[counts < 2]]
    if lonely:
        what = f"class '{lonely[0]}' has one image" if len(lonely) == 1 else f"{len(lonely)} classes have one image"
        raise DataError(f"{what}: none is left to validate on", hint=f"add images to {', '.join(lonely[:10])}")

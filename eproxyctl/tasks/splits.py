"""Examples split into those a network is trained on and those it is measured on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eproxyctl.errors import DataError

Indices = NDArray[np.int64]


def split(
    labels: Indices,
    seed: int,
    validation: float,
    limit: int | None,
    names: Sequence[str] | None = None,
    what: str = "image",
) -> tuple[Indices, Indices]:
    """Indices for training and for validation, each class in both by its share.

    Args:
        labels: [N].
        seed: of the draw.
        validation: share of all.
        limit: training examples at most, None for all that are left.
        names: of the classes, for messages.
        what: one example is called in messages.

    Raises:
        DataError: one class, a class with one example, or parts too small for the classes.
    """
    from sklearn.model_selection import train_test_split

    classes, counts = np.unique(labels, return_counts=True)
    check_classes(classes, counts, names, what)
    held = max(round(validation * len(labels)), len(classes))
    rest = len(labels) - held
    if (limit is not None and limit < len(classes)) or rest < len(classes):
        raise DataError(
            f"{min(limit or rest, rest)} training {what}s for {len(classes)} classes",
            hint=f"raise train.images, lower train.validation, or add {what}s",
        )
    training, validated = train_test_split(
        np.arange(len(labels)),
        train_size=min(limit or rest, rest),
        test_size=held,
        stratify=labels,
        random_state=np.random.RandomState(seed % 2**32),
    )
    return np.asarray(training, dtype=np.int64), np.asarray(validated, dtype=np.int64)


def divide(count: int, seed: int, validation: float, limit: int | None, what: str = "image") -> tuple[Indices, Indices]:
    """Indices for training and for validation, of `count` examples without classes.

    Raises:
        DataError: fewer than two for either.
    """
    held = max(round(validation * count), 2)
    kept = min(count - held, count if limit is None else limit)
    if kept < 2:
        raise DataError(
            f"of {count} {what}s {max(kept, 0)} are left to train on",
            hint=f"raise train.images, lower train.validation, or add {what}s",
        )
    order = np.random.RandomState(seed % 2**32).permutation(count).astype(np.int64)
    return order[held : held + kept], order[:held]


def check_classes(classes: Indices, counts: Indices, names: Sequence[str] | None = None, what: str = "image") -> None:
    """Raises DataError where nothing can be learned: one class, or a class with one example."""
    if len(classes) < 2:
        raise DataError(
            f"the {what}s are all of one class: nothing to tell apart", hint=f"add {what}s of another class"
        )
    lonely = [names[label] if names else str(label) for label in classes[counts < 2]]
    if lonely:
        told = f"class '{lonely[0]}' has one {what}" if len(lonely) == 1 else f"{len(lonely)} classes have one {what}"
        raise DataError(f"{told}: none is left to validate on", hint=f"add {what}s to {', '.join(lonely[:10])}")

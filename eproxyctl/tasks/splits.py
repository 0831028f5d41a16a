"""Examples split into those a network is trained on and those it is measured on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eproxyctl.errors import DataError
from eproxyctl.tasks.files import shown

Indices = NDArray[np.int64]
TRAINING = ("train", "training")
VALIDATION = ("val", "valid", "validation", "test")
"""What a source's own parts are called: folders, arrays, values of a column. The first that is there is taken: a test
part validates where there is no other, and is left alone where there is."""


def drawable(own: int | None, count: int) -> int:
    """How many of `count` examples, from the first on, a minibatch may have: those that are for training."""
    return count if own is None else own


def split(
    labels: Indices,
    seed: int,
    validation: float,
    limit: int | None,
    names: Sequence[str] | None = None,
    what: str = "image",
    own: int | None = None,
) -> tuple[Indices, Indices]:
    """Indices for training and for validation, each class in both by its share, or as the source has them.

    Args:
        labels: [N].
        seed: of the draw.
        validation, limit: a share of all; training examples at most, None for all that are left.
        names, what: of the classes, and what one example is called, in messages.
        own: where the source has a validation part of its own, how many examples come before it; the share is not used.

    Raises:
        DataError: one class, a class with one example, or parts too small for the classes.
    """
    from sklearn.model_selection import train_test_split

    if own is not None:
        return _limited(labels[:own], seed, limit, what), _rest(own, len(labels), what)
    classes, counts = np.unique(labels, return_counts=True)
    check_classes(classes, counts, names, what)
    held = max(round(validation * len(labels)), len(classes))
    rest = len(labels) - held
    if (limit is not None and limit < len(classes)) or rest < len(classes):
        raise DataError(
            f"{min(limit or rest, rest)} training {what}s for {len(classes)} classes",
            hint=f"raise train.images, lower train.validation, or add {what}s",
        )
    sizes, random = {"train_size": min(limit or rest, rest), "test_size": held}, np.random.RandomState(seed % 2**32)
    training, validated = train_test_split(np.arange(len(labels)), **sizes, stratify=labels, random_state=random)
    return np.asarray(training, dtype=np.int64), np.asarray(validated, dtype=np.int64)


def _limited(labels: Indices, seed: int, limit: int | None, what: str) -> Indices:
    """Indices of a training part, at most `limit`, each class by its share."""
    from sklearn.model_selection import train_test_split

    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        check_classes(classes, counts, None, f"training {what}")
    whole = np.arange(len(labels), dtype=np.int64)
    if limit is None or limit >= len(labels):
        return whole
    if limit < len(classes):
        raise DataError(f"{limit} training {what}s for {len(classes)} classes", hint="raise train.images")
    # Stratified drawing wants one example of each class on either side; a class of one example has none to leave out.
    random = np.random.RandomState(seed % 2**32)
    if counts.min() < 2 or len(labels) - limit < len(classes):
        first = np.unique(labels, return_index=True)[1]
        others = random.permutation(np.setdiff1d(whole, first))[: limit - len(first)]
        return np.concatenate([first, others]).astype(np.int64)
    kept, _ = train_test_split(whole, train_size=limit, stratify=labels, random_state=random)
    return np.asarray(kept, dtype=np.int64)


def _rest(own: int, count: int, what: str) -> Indices:
    if count - own < 2:
        raise DataError(f"the validation part has {count - own} {what}s, too few to measure on")
    return np.arange(own, count, dtype=np.int64)


def divide(
    count: int, seed: int, validation: float, limit: int | None, what: str = "image", own: int | None = None
) -> tuple[Indices, Indices]:
    """Indices for training and for validation, of `count` examples without classes. `own`: as `split` has it.

    Raises:
        DataError: fewer than two for either.
    """
    if own is not None:
        order = np.random.RandomState(seed % 2**32).permutation(own).astype(np.int64)
        kept = own if limit is None else min(limit, own)
        if kept < 2:
            raise DataError(f"of {own} training {what}s {kept} are left to train on", hint=f"add {what}s")
        return order[:kept], _rest(own, count, what)
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
    lonely = [shown(names[label]) if names else str(label) for label in classes[counts < 2]]
    if lonely:
        told = f"class '{lonely[0]}' has one {what}" if len(lonely) == 1 else f"{len(lonely)} classes have one {what}"
        raise DataError(f"{told}: none is left to validate on", hint=f"add {what}s to {', '.join(lonely[:10])}")

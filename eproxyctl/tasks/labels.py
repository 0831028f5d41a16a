"""Labels that others wrote as classes: whole numbers from 0, in the order of the classes' names where they have any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eproxyctl.errors import DataError
from eproxyctl.tasks.archives import ArchiveOptions, Parted, load_archive
from eproxyctl.tasks.files import shown

NAMES = ("classes", "class_names")
"""Arrays of an archive that list the classes."""
HIGHEST = 1 << 31
"""No label is as high: not even the number of classes of the largest data sets needs a thousandth of it."""


@dataclass(frozen=True)
class Labels:
    """The class of each example.

    Attributes:
        where: the file, for messages.
        numbers: int64 [N], from 0.
        names: of the classes, in the order of their numbers; None where they have none.
        training: how many of the examples are for training, they come first; None where the source does not say.
    """

    where: str
    numbers: NDArray[np.int64]
    names: tuple[str, ...] | None = None
    training: int | None = None

    def classes(self) -> int:
        """How many. Raises DataError where there would be more classes than examples: then the labels are none."""
        if self.names is not None:
            return len(self.names)
        highest = int(self.numbers.max())
        if highest >= len(self.numbers):
            raise DataError(
                f"{shown(self.where)}: labels go up to {highest}, which makes {highest + 1} classes of "
                f"{len(self.numbers)} examples",
                hint="number the classes from 0 without gaps; if there are so many, say so: task.outputs",
            )
        return highest + 1

    def fits(self, count: int, what: str) -> None:
        """Raises DataError where there are not as many as examples."""
        if len(self.numbers) != count:
            raise DataError(f"{shown(self.where)}: {count} {what}s, but {len(self.numbers)} labels")


def archived_labels(options: ArchiveOptions, found: Parted | None) -> Labels | None:
    """The labels of an archive, if there are any: [N] or [N, 1], whole numbers from 0 or names.

    Raises:
        DataError: they are none, several an example, or not among the classes that the archive lists.
    """
    if found is None:
        return None
    values, where = found.values, options.path
    if values.ndim == 2 and values.shape[1] > 1:
        raise DataError(
            f"{shown(where)}: '{found.name}' is {list(values.shape)}, several labels an example",
            hint="one class an example is told apart, multi-label tasks are not; save the column that is wanted as [N]",
        )
    if values.shape[1:] == (1,):
        values = values[:, 0]
    listed = load_archive(options, *NAMES)
    names = None if listed is None else _names(where, listed)
    if values.dtype.kind in "US" and values.ndim == 1 and values.size:
        return named(where, [_text(value) for value in values.tolist()], names, found.training)
    if values.dtype.kind not in "iu" or values.ndim != 1 or not values.size or int(values.min()) < 0:
        raise DataError(
            f"{shown(where)}: 'labels' must be names or whole numbers from 0, one an example",
            hint=f"'{found.name}' is {values.dtype} {list(values.shape)}",
        )
    highest = int(values.max())
    if highest >= HIGHEST:
        raise DataError(f"{shown(where)}: '{found.name}' has {highest}, which is no number of a class")
    if listed is not None and names is not None and highest >= len(names):
        raise DataError(f"{shown(where)}: there is a label {highest}, and '{listed.name}' names {len(names)} classes")
    return Labels(where, values.astype(np.int64), names, found.training)


def named(where: str, values: list[str], names: tuple[str, ...] | None, training: int | None = None) -> Labels:
    """Names of classes as numbers, in the order of `names`, else sorted. Raises DataError for one that is unknown."""
    known = names or tuple(sorted(set(values)))
    number = {name: i for i, name in enumerate(known)}
    unknown = sorted(set(values) - set(number))
    if unknown:
        raise DataError(
            f"{shown(where)}: there is a label '{shown(unknown[0])}', which is none of the {len(known)} names"
        )
    return Labels(where, np.array([number[value] for value in values], dtype=np.int64), known, training)


def _names(where: str, listed: Parted) -> tuple[str, ...] | None:
    """The archive's list of classes; None where the array of that name is something else."""
    if listed.values.dtype.kind not in "US" or listed.values.ndim != 1 or not listed.values.size:
        return None
    names = tuple(_text(value) for value in listed.values.tolist())
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{shown(where)}: '{listed.name}' names '{shown(twice)}' twice")
    return names


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value

"""Where sequences come from. Each source gives them in [C, L] and, where it has them, labels.

`draw`: some, and their labels. `labelled`: all, and theirs.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from eproxyctl.contracts import DataPath, Options
from eproxyctl.errors import DataError
from eproxyctl.tasks import archives
from eproxyctl.tasks.embedded import handwritten_digits
from eproxyctl.tasks.files import MIB, file_content, file_text, shown
from eproxyctl.tasks.labels import Labels, archived_labels
from eproxyctl.tasks.splits import drawable

Values = NDArray[np.float64]
Drawn = tuple[Values, list[int] | None]
"""Sequences [N, C, L] and their labels."""
Labelled = tuple[Values, NDArray[Any]]
LARGEST = 64 * MIB
"""Bytes of one text."""
TEXTS = ("load_breast_cancer", "load_diabetes", "load_digits", "load_iris", "load_linnerud", "load_wine")


class SequenceSource(Options):
    """Where sequences come from."""

    def own(self) -> int | None:
        """How many, which come first, are for training; None where the source has no validation part."""
        return None

    def names(self) -> tuple[str, ...] | None:
        """The classes, in the order of their labels; None where they have no names."""
        return None

    def notes(self) -> tuple[str, ...]:
        """What a person should know of the source."""
        return ()


class DigitSequences(SequenceSource):
    """scikit-learn's 1,797 handwritten digits, read row by row: 8 steps of 8 pixels, ten classes."""

    tokens: ClassVar[bool] = False

    kind: Literal["digits"] = "digits"

    def shape(self) -> tuple[int, int]:
        """(C, L) of a whole sequence."""
        return 8, 8

    def classes(self) -> int | None:
        return 10

    def draw(self, n: int, length: int, generator: random.Random) -> Drawn:
        data = handwritten_digits()
        chosen = _choose(len(data.images), n, generator, "the digits")
        rows = data.images[chosen].transpose(0, 2, 1)
        return _windows(rows, length, generator), [int(data.target[i]) for i in chosen]

    def labelled(self, length: int, generator: random.Random) -> Labelled:
        data = handwritten_digits()
        return _windows(data.images.transpose(0, 2, 1), length, generator), data.target


class SequenceArchive(archives.ArchiveOptions, SequenceSource):
    """A NumPy archive with `sequences` (or `x`), numbers [N, C, L], and, optionally, `labels` (or `y`) [N].

    Labels are whole numbers from 0, or names, whose classes are in alphabetical order. An archive in parts
    (`x_train`, `y_train`, `x_test`, `y_test`, or `train_sequences`, …) brings its own validation split.
    """

    tokens: ClassVar[bool] = False

    kind: Literal["npz"] = "npz"

    def shape(self) -> tuple[int, int]:
        """(C, L) of a whole sequence."""
        _, channels, length = self._sequences().values.shape
        return channels, length

    def classes(self) -> int | None:
        labels = self._labels()
        return None if labels is None else labels.classes()

    def names(self) -> tuple[str, ...] | None:
        labels = self._labels()
        return None if labels is None else labels.names

    def own(self) -> int | None:
        return archives.count(self, "sequences", "x")

    def notes(self) -> tuple[str, ...]:
        return archives.notes(self, "sequences", "x")

    def draw(self, n: int, length: int, generator: random.Random) -> Drawn:
        sequences, labels = self._both()
        chosen = _choose(drawable(self.own(), len(sequences)), n, generator, self.path)
        drawn = _windows(sequences[chosen].astype(np.float64), length, generator)
        return drawn, None if labels is None else [int(labels.numbers[i]) for i in chosen]

    def labelled(self, length: int, generator: random.Random) -> Labelled:
        sequences, labels = self._both()
        if labels is None:
            raise archives.missing(self.path, "labels", "sequences")
        return _windows(sequences, length, generator), labels.numbers

    def _both(self) -> tuple[Values, Labels | None]:
        sequences, labels = self._sequences(), self._labels()
        if labels is not None:
            labels.fits(len(sequences.values), "sequence")
            if labels.training != sequences.training:
                raise archives.parts_differ(self.path, "sequences", "labels")
        return sequences.values, labels

    def _labels(self) -> Labels | None:
        return archived_labels(self, archives.load_archive(self, "labels", "y"))

    def _sequences(self) -> archives.Parted:
        found = archives.load_archive(self, "sequences", "x")
        if found is None:
            raise archives.missing(self.path, "sequences", "labels")
        array = found.values
        if array.dtype.kind not in "fiu" or array.ndim != 3 or not array.size or not archives.single(array):
            raise DataError(
                f"{shown(self.path)}: 'sequences' is {array.dtype} {list(array.shape)}",
                hint="it must be finite numbers [N, C, L]: N sequences of L steps of C values",
            )
        return found


class Text(SequenceSource):
    """Characters of a text as one-hot tokens; the label is the character that follows. For language models.

    Without a path: what scikit-learn says of its data sets, some 15,000 characters of English.
    """

    tokens: ClassVar[bool] = True

    kind: Literal["text"] = "text"
    path: DataPath | None = Field(None, description="a UTF-8 text file; unset: an embedded English text")
    vocabulary: int = Field(64, ge=2, description="channels: the most frequent characters; the last is all others")

    def shape(self) -> tuple[int, int]:
        """(C, L) of a sequence where the task does not say how long it is."""
        return self.vocabulary, 32

    def classes(self) -> int | None:
        return self.vocabulary

    def draw(self, n: int, length: int, generator: random.Random) -> Drawn:
        characters = self._text()
        if len(characters) <= length:
            raise DataError(
                f"a text of {len(characters)} characters has no windows of {length} and one", hint="lower length"
            )
        frequent = sorted(Counter(characters).items(), key=lambda item: (-item[1], item[0]))[: self.vocabulary - 1]
        number = {character: i for i, (character, _) in enumerate(frequent)}
        tokens = np.array([number.get(character, self.vocabulary - 1) for character in characters])
        starts = [generator.randrange(len(characters) - length) for _ in range(n)]
        windows = np.stack([tokens[start : start + length] for start in starts])
        return np.eye(self.vocabulary)[windows].transpose(0, 2, 1), [int(tokens[start + length]) for start in starts]

    def labelled(self, length: int, generator: random.Random) -> Labelled:
        raise DataError("a text has no classes that networks could be trained on", hint="use digits or an npz")

    def _text(self) -> str:
        if self.path is None:
            import sklearn.datasets

            return "\n".join(getattr(sklearn.datasets, name)().DESCR for name in TEXTS)
        return file_text(file_content(self.path, LARGEST), f"cannot read the text {shown(self.path)}: it")


Source = Annotated[DigitSequences | SequenceArchive | Text, Field(discriminator="kind")]


def _choose(total: int, n: int, generator: random.Random, name: str) -> list[int]:
    if n > total:
        raise DataError(f"{n} sequences asked for, {name} has {total}", hint="lower batch_size")
    return generator.sample(range(total), n)


def _windows(sequences: Values, length: int, generator: random.Random) -> Values:
    """`length` steps of each sequence [N, C, L], from a place of its own."""
    whole = sequences.shape[2]
    if length > whole:
        raise DataError(f"{length} steps asked for, sequences have {whole}", hint="lower length")
    starts = [generator.randint(0, whole - length) for _ in sequences]
    return np.stack([one[:, start : start + length] for one, start in zip(sequences, starts, strict=True)])

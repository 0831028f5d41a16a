"""Where sequences come from. Each source gives them in [C, L] and, where it has them, labels.

`draw`: some, and their labels. `labelled`: all, and theirs.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from eproxyctl.contracts import DataPath, Options
from eproxyctl.errors import DataError
from eproxyctl.tasks import archives

Values = NDArray[np.float64]
Drawn = tuple[Values, list[int] | None]
"""Sequences [N, C, L] and their labels."""
Labelled = tuple[Values, NDArray[Any]]
TEXTS = ("load_breast_cancer", "load_diabetes", "load_digits", "load_iris", "load_linnerud", "load_wine")


class Digits(Options):
    """scikit-learn's 1,797 handwritten digits, read row by row: 8 steps of 8 pixels, ten classes."""

    tokens: ClassVar[bool] = False

    kind: Literal["digits"] = "digits"

    def shape(self) -> tuple[int, int]:
        """(C, L) of a whole sequence."""
        return 8, 8

    def classes(self) -> int | None:
        return 10

    def draw(self, n: int, length: int, generator: random.Random) -> Drawn:
        from sklearn.datasets import load_digits

        data = load_digits()
        chosen = _choose(len(data.images), n, generator, "the digits")
        rows = data.images[chosen].transpose(0, 2, 1)
        return _windows(rows, length, generator), [int(data.target[i]) for i in chosen]

    def labelled(self, length: int, generator: random.Random) -> Labelled:
        from sklearn.datasets import load_digits

        data = load_digits()
        return _windows(data.images.transpose(0, 2, 1), length, generator), data.target


class Npz(Options):
    """A NumPy archive with `sequences` (or `x`), numbers [N, C, L], and, optionally, `labels` (or `y`) [N]."""

    tokens: ClassVar[bool] = False

    kind: Literal["npz"] = "npz"
    path: DataPath = Field(description="the .npz file")

    def shape(self) -> tuple[int, int]:
        """(C, L) of a whole sequence."""
        _, channels, length = self._sequences().shape
        return channels, length

    def classes(self) -> int | None:
        labels = self._labels()
        return None if labels is None else int(labels.max()) + 1

    def draw(self, n: int, length: int, generator: random.Random) -> Drawn:
        sequences, labels = self._sequences(), self._labels()
        if labels is not None and len(labels) != len(sequences):
            raise DataError(f"{self.path}: {len(sequences)} sequences, but {len(labels)} labels")
        chosen = _choose(len(sequences), n, generator, self.path)
        drawn = _windows(sequences[chosen].astype(np.float64), length, generator)
        return drawn, None if labels is None else [int(labels[i]) for i in chosen]

    def labelled(self, length: int, generator: random.Random) -> Labelled:
        labels = self._labels()
        if labels is None:
            raise archives.missing(self.path, "labels", "sequences")
        return _windows(self._sequences(), length, generator), labels

    def _labels(self) -> NDArray[Any] | None:
        return archives.class_numbers(self.path, archives.load(self.path, "labels", "y"))

    def _sequences(self) -> NDArray[np.float64]:
        array = archives.load(self.path, "sequences", "x")
        if array is None:
            raise archives.missing(self.path, "sequences", "labels")
        if array.dtype.kind not in "fiu" or array.ndim != 3 or not array.size or not np.isfinite(array).all():
            raise DataError(
                f"{self.path}: 'sequences' is {array.dtype} {list(array.shape)}",
                hint="it must be finite numbers [N, C, L]: N sequences of L steps of C values",
            )
        return array


class Text(Options):
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
        text = self._text()
        if len(text) <= length:
            raise DataError(f"a text of {len(text)} characters has no windows of {length} and one", hint="lower length")
        frequent = sorted(Counter(text).items(), key=lambda item: (-item[1], item[0]))[: self.vocabulary - 1]
        number = {character: i for i, (character, _) in enumerate(frequent)}
        tokens = np.array([number.get(character, self.vocabulary - 1) for character in text])
        starts = [generator.randrange(len(text) - length) for _ in range(n)]
        windows = np.stack([tokens[start : start + length] for start in starts])
        return np.eye(self.vocabulary)[windows].transpose(0, 2, 1), [int(tokens[start + length]) for start in starts]

    def labelled(self, length: int, generator: random.Random) -> Labelled:
        raise DataError("a text has no classes that networks could be trained on", hint="use digits or an npz")

    def _text(self) -> str:
        if self.path is None:
            import sklearn.datasets

            return "\n".join(getattr(sklearn.datasets, name)().DESCR for name in TEXTS)
        try:
            return Path(self.path).read_text("utf-8-sig")
        except FileNotFoundError:
            raise DataError(f"no file {self.path}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot read the text {self.path}: {error}") from None


Source = Annotated[Digits | Npz | Text, Field(discriminator="kind")]


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

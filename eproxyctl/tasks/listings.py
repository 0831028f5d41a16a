"""Images and their classes as a CSV file lists them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field

from eproxyctl.contracts import DataPath
from eproxyctl.errors import DataError
from eproxyctl.tasks.columns import chosen
from eproxyctl.tasks.files import shown
from eproxyctl.tasks.folders import Layout
from eproxyctl.tasks.pictures import PictureSource
from eproxyctl.tasks.pixels import Bytes, Drawn, Labelled, choose, fault, read_all, some
from eproxyctl.tasks.splits import TRAINING, VALIDATION, drawable

SEVERAL = ("|", ";")
"""What stands between the classes of an image that has several."""
Row = tuple[int, Path, str, str]
"""Line, file, class, part."""


class ImageListing(PictureSource):
    """A CSV file with a header that names an image file, beside it or below, and its class in each line.

    Classes are in alphabetical order, or by number where all are whole numbers. One class an image: several
    (multi-label) and boxes (detection) are refused.
    """

    kind: Literal["csv"] = "csv"
    path: DataPath = Field(description="the CSV file")
    image: str = Field("image", description="the column of the image files, relative to the folder of the CSV file")
    label: str = Field("label", description="the column of the classes")
    split: str | None = Field(None, description="a column that says train, val or test; unset: split by the seed")
    skip_bad: bool = Field(False, description="leave images that cannot be read out, counted, instead of an error")

    def classes(self) -> int | None:
        return len(self._layout.names)

    def names(self) -> tuple[str, ...] | None:
        return self._layout.names

    def own(self) -> int | None:
        return self._layout.training

    def notes(self) -> tuple[str, ...]:
        return self._layout.notes

    def draw(self, n: int, generator: random.Random) -> Drawn:
        files, labels = self._layout.files, self._layout.labels or ()
        places = choose(drawable(self.own(), len(files)), n, generator, self.path)
        return list(read_all(files[i] for i in places)), [labels[i] for i in places]

    def labelled(self) -> Iterator[Labelled]:
        yield from zip(read_all(self._layout.files), self._layout.labels or (), strict=True)

    def pictures(self) -> Iterator[Bytes]:
        return read_all(self._layout.files)

    @cached_property
    def _layout(self) -> Layout:
        rows = self._rows()
        names = _ordered({label for _, _, label, _ in rows})
        number = {name: i for i, name in enumerate(names)}
        train, held, notes = rows, list[Row](), tuple[str, ...]()
        if self.split:
            train, held, notes = self._parts(rows)
        some([file for _, file, _, _ in train], self.path)
        files = tuple(file for _, file, _, _ in (*train, *held))
        labels = tuple(number[label] for _, _, label, _ in (*train, *held))
        found = Layout(files, labels, names, len(train) if self.split else None, notes)
        return found.without(lambda file: fault(file) is not None) if self.skip_bad else found

    def _rows(self) -> list[Row]:
        """Every line. Raises DataError with the line of what is wrong."""
        seen: dict[str, tuple[int, str]] = {}
        rows: list[Row] = []
        columns = [self.image, self.label, *([self.split] if self.split else ())]
        for line, (name, label, *part) in chosen(self.path, columns, f"the first line names them: {','.join(columns)}"):
            where = f"{shown(self.path)}:{line}"
            self._check(where, name, label)
            if name in seen:
                before, other = seen[name]
                if label == other:
                    raise DataError(f"{where}: '{shown(name)}' is in line {before} already")
                raise DataError(
                    f"{where}: '{shown(name)}' is '{shown(label)}' here and '{shown(other)}' in line {before}",
                    hint="one class an image is told apart; multi-label tasks and detection are not",
                )
            file = Path(self.path).parent / name
            if not os.path.isfile(file):
                raise DataError(f"{where}: there is no file {shown(file)}", hint="paths are relative to the CSV file")
            seen[name] = (line, label)
            rows.append((line, file, label, part[0] if part else ""))
        return rows

    def _check(self, where: str, name: str, label: str) -> None:
        if not name or "\0" in name:
            raise DataError(f"{where}: there is no '{self.image}'")
        if not label.strip() or not label.isprintable():
            raise DataError(f"{where}: '{shown(label)}' is no class", hint="give each image one, or remove the line")
        if label.strip().startswith(("[", "{")) or any(mark in label for mark in SEVERAL):
            raise DataError(
                f"{where}: '{shown(label)}' are several classes or boxes",
                hint="one class an image is told apart; multi-label tasks and detection are not",
            )

    def _parts(self, rows: list[Row]) -> tuple[list[Row], list[Row], tuple[str, ...]]:
        """Lines for training, for validation, and notes. Raises DataError where the column names no such parts."""
        parts: dict[str, list[Row]] = {}
        for row in rows:
            part = row[3].strip().lower()
            if part not in (*TRAINING, *VALIDATION):
                raise DataError(
                    f"{shown(self.path)}:{row[0]}: the {self.split} is '{shown(row[3])}'",
                    hint=f"known parts: {', '.join((*TRAINING, *VALIDATION))}",
                )
            parts.setdefault(part, []).append(row)
        train, held = (next((word for word in words if word in parts), None) for words in (TRAINING, VALIDATION))
        if train is None or held is None:
            raise DataError(f"{shown(self.path)}: column '{self.split}' names no {'val' if train else 'train'}")
        told = [
            f"{held} is the validation split: {len(parts[held]):,} of {len(parts[train]) + len(parts[held]):,} images"
        ]
        told += [
            f"{part} ({len(found):,} images) is left out" for part, found in parts.items() if part not in (train, held)
        ]
        return parts[train], parts[held], tuple(told)


def _ordered(labels: set[str]) -> tuple[str, ...]:
    """By number where all are whole numbers, else by name."""
    if all(label.isdecimal() and len(label) < 10 for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))

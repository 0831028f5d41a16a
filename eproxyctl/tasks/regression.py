"""Regression: a number for every image."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from eproxyctl.contracts import FULL, Batches, DataPath, Examples, Fidelity, Trainable, derive
from eproxyctl.errors import DataError
from eproxyctl.tasks import archives
from eproxyctl.tasks.classification import statistics
from eproxyctl.tasks.columns import chosen
from eproxyctl.tasks.files import shown
from eproxyctl.tasks.folders import FolderOptions, Layout
from eproxyctl.tasks.meters import RSquared
from eproxyctl.tasks.pictures import PictureOptions, PictureSource, PictureTask
from eproxyctl.tasks.pixels import Bytes, Drawn, archived, choose, fault, flat, read_all
from eproxyctl.tasks.splits import divide, drawable

if TYPE_CHECKING:
    import torch
    from torch import nn

    from eproxyctl.contracts import Meter, Network

Valued = tuple[Bytes, float]
BOUND = 1e150
"""A standard deviation from which on squares overflow."""


class ValueArchive(archives.ArchiveOptions, PictureSource):
    """A NumPy archive with `images` (or `x`) uint8 [N, H, W, 3] or [N, H, W], and `values` (or `y`), numbers [N].

    An archive in parts (`train_images`, `train_values`, `val_images`, …) brings its own validation split.
    """

    kind: Literal["npz"] = "npz"

    def draw(self, n: int, generator: random.Random) -> Drawn:
        images = archived(self, "values").values
        return [flat(images[i]) for i in choose(drawable(self.own(), len(images)), n, generator, self.path)], None

    def own(self) -> int | None:
        return archives.count(self, "images", "x")

    def notes(self) -> tuple[str, ...]:
        return archives.notes(self, "images", "x")

    def valued(self) -> Iterator[Valued]:
        """Each image and its value."""
        images, found = archived(self, "values"), archives.load_archive(self, "values", "y")
        if found is None:
            raise archives.missing(self.path, "values", "images")
        if found.training != images.training:
            raise archives.parts_differ(self.path, "images", "values")
        values = found.values[:, 0] if found.values.shape[1:] == (1,) else found.values
        if values.dtype.kind not in "fiub" or values.shape != images.values.shape[:1]:
            raise DataError(
                f"{shown(self.path)}: 'values' is {values.dtype} {list(values.shape)}",
                hint=f"it must be numbers [{len(images.values)}], one an image",
            )
        with np.errstate(over="ignore"):
            numbers = values.astype(np.float64)
        wrong = np.flatnonzero(~np.isfinite(numbers))
        if len(wrong):
            raise DataError(f"{shown(self.path)}: values[{wrong[0]}] is {values[wrong[0]]}, not finite")
        return ((flat(image), float(value)) for image, value in zip(images.values, numbers, strict=True))


class ValueFolder(FolderOptions, PictureSource):
    """A folder of images and a CSV file with a header that has the columns `name`, a file in the folder, and `value`.

    Images that the file does not name are left out.
    """

    kind: Literal["folder"] = "folder"
    file: DataPath = Field(description="the CSV file")
    column: str = Field("value", description="the column of the values")

    def draw(self, n: int, generator: random.Random) -> Drawn:
        files = self._layout.files
        return list(read_all(files[i] for i in choose(len(files), n, generator, self.file))), None

    def valued(self) -> Iterator[Valued]:
        """Each image and its value."""
        values = dict(self._rows)
        return zip(read_all(self._layout.files), (values[path] for path in self._layout.files), strict=True)

    def notes(self) -> tuple[str, ...]:
        return self._layout.notes

    @cached_property
    def _layout(self) -> Layout:
        found = Layout(tuple(path for path, _ in self._rows))
        return found.without(lambda file: fault(file) is not None) if self.skip_bad else found

    @cached_property
    def _rows(self) -> list[tuple[Path, float]]:
        """The file of each image and its value. Raises DataError with the line of what is wrong."""
        seen: dict[str, int] = {}
        rows = []
        for line, (name, number) in chosen(self.file, ("name", self.column), "the first line is: name,value"):
            path, where = Path(self.path) / name, f"{shown(self.file)}:{line}"
            if name in seen:
                raise DataError(f"{where}: '{shown(name)}' is in line {seen[name]} already")
            if not os.path.isfile(path):
                raise DataError(f"{where}: there is no file {shown(path)}", hint="names are relative to the folder")
            told = f"the {self.column} of '{shown(name)}'"
            try:
                value = float(number)
            except ValueError:
                raise DataError(f"{where}: {told} is no number: '{shown(number)}'") from None
            if not math.isfinite(value):
                raise DataError(f"{where}: {told} is {shown(number)}, not finite", hint="remove the line")
            seen[name] = line
            rows.append((path, value))
        if not rows:
            raise DataError(f"{shown(self.file)} has no rows")
        return rows


Source = Annotated[ValueArchive | ValueFolder, Field(discriminator="kind")]


class RegressionTask(PictureTask, Trainable):
    """Regression: a number for every image, from an npz archive, or a folder and a CSV file of names and values.

    The classifier gets one output; the loss is Huber's, whose slope is at most 1, so that learning rates made for
    classification do not diverge. Values are normalised to mean 0 and standard deviation 1 over the training images (a
    file of weights says which). The metric is R² (r2), the share of the values'
    variance on the validation images that is explained: 1 is perfect, 0 no better than the mean. Whether flips and
    crops leave the value as it is, you know best.
    """

    kind = "regression"
    metric = "r2"

    class Options(PictureOptions):
        source: Source = Field(
            description="{kind: folder, path: photos, file: values.csv}, or {kind: npz, path: FILE}: images, values"
        )

    options: Options

    @property
    def outputs(self) -> int:
        return 1

    def batch(self, seed: int, fidelity: Fidelity = FULL, n: int = 1) -> Batches:
        return Batches(super().batch(seed, fidelity, n).inputs)

    def examples(self, seed: int, validation: float, limit: int | None = None) -> Examples:
        """Images uint8 [N, C, side, side] and normalised values float32 [N, 1]."""
        import torch

        values: list[float] = []

        def images() -> Iterator[Bytes]:
            for image, value in self.options.source.valued():
                values.append(value)
                yield image

        inputs = self.stacked(images())
        parts = divide(len(inputs), derive(seed, "split"), validation, limit, own=self.source.own())
        training, held = (torch.from_numpy(part) for part in parts)
        targets = torch.tensor(values, dtype=torch.float64)
        std, mean = torch.std_mean(targets[training], correction=0)
        if not (std.isfinite() and std < BOUND):
            raise DataError("the values spread too far to be normalised", hint="give them another unit")
        if not (std > 0 and targets[held].std(correction=0) > 0):
            raise DataError("the values are all alike: nothing to tell apart", hint="add images of other values")
        normalised = ((targets - mean) / std).float()[:, None]
        normal = statistics(inputs[training])
        return Examples(inputs, normalised, training, held, *normal, target_mean=float(mean), target_std=float(std))

    def model(self, network: Network) -> nn.Module:
        from eproxyctl.networks.size import as_module

        return as_module(network)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        return F.huber_loss(outputs, targets)

    def meter(self) -> Meter:
        return RSquared()

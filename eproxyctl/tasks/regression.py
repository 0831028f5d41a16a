"""Regression: a number for every image."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from eproxyctl.contracts import FULL, Batches, DataPath, Examples, Fidelity, Options, Trainable, derive
from eproxyctl.errors import DataError, did_you_mean
from eproxyctl.tasks import archives
from eproxyctl.tasks.classification import statistics
from eproxyctl.tasks.meters import RSquared
from eproxyctl.tasks.pictures import PictureOptions, PictureTask
from eproxyctl.tasks.pixels import Bytes, Drawn, archived, choose, flat, read
from eproxyctl.tasks.splits import divide

if TYPE_CHECKING:
    import torch
    from torch import nn

    from eproxyctl.contracts import Meter, Network

Valued = tuple[Bytes, float]


class Npz(Options):
    """A NumPy archive with `images` (or `x`) uint8 [N, H, W, 3] or [N, H, W], and `values` (or `y`), numbers [N]."""

    kind: Literal["npz"] = "npz"
    path: DataPath = Field(description="the .npz file")

    def draw(self, n: int, generator: random.Random) -> Drawn:
        images = archived(self.path, "values")
        return [flat(images[i]) for i in choose(len(images), n, generator, self.path)], None

    def valued(self) -> Iterator[Valued]:
        """Each image and its value."""
        images, values = archived(self.path, "values"), archives.load(self.path, "values", "y")
        if values is None:
            raise archives.missing(self.path, "values", "images")
        if values.shape[1:] == (1,):
            values = values[:, 0]
        if values.dtype.kind not in "fiub" or values.shape != images.shape[:1]:
            raise DataError(
                f"{self.path}: 'values' is {values.dtype} {list(values.shape)}",
                hint=f"it must be numbers [{len(images)}], one an image",
            )
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            raise DataError(f"{self.path}: values[{wrong[0]}] is {values[wrong[0]]}, not finite")
        return ((flat(image), float(value)) for image, value in zip(images, values, strict=True))

    def paths(self) -> tuple[str, ...]:
        return (self.path,)


class Folder(Options):
    """A folder of images and a CSV file with a header that has the columns `name`, a file in the folder, and `value`.

    Images that the file does not name are left out.
    """

    kind: Literal["folder"] = "folder"
    path: DataPath = Field(description="the folder")
    file: DataPath = Field(description="the CSV file")
    column: str = Field("value", description="the column of the values")

    def draw(self, n: int, generator: random.Random) -> Drawn:
        rows = self._rows()
        return [read(rows[i][0]) for i in choose(len(rows), n, generator, self.file)], None

    def valued(self) -> Iterator[Valued]:
        """Each image and its value."""
        return ((read(path), value) for path, value in self._rows())

    def paths(self) -> tuple[str, ...]:
        return (self.file, *(str(path) for path, _ in self._rows()))

    def _rows(self) -> list[tuple[Path, float]]:
        """The file of each image and its value. Raises DataError with the line of what is wrong."""
        seen: dict[str, int] = {}
        rows = []
        for line, name, text in self._lines():
            path, where = Path(self.path) / name, f"{self.file}:{line}"
            if name in seen:
                raise DataError(f"{where}: '{name}' is in line {seen[name]} already")
            if not path.is_file():
                raise DataError(f"{where}: there is no file {path}", hint="names are relative to the folder")
            try:
                value = float(text)
            except ValueError:
                raise DataError(f"{where}: the {self.column} of '{name}' is no number: '{text}'") from None
            if not math.isfinite(value):
                raise DataError(f"{where}: the {self.column} of '{name}' is {text}, not finite", hint="remove the line")
            seen[name] = line
            rows.append((path, value))
        if not rows:
            raise DataError(f"{self.file} has no rows")
        return rows

    def _lines(self) -> Iterator[tuple[int, str, str]]:
        """Line number, name and value as they are written."""
        try:
            with Path(self.file).open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.DictReader(stream)
                header = list(reader.fieldnames or ())
                for column in ("name", self.column):
                    if column not in header:
                        hint = did_you_mean(column, header) or "the first line is: name,value"
                        raise DataError(f"{self.file} has no column '{column}'", hint=hint)
                for row in reader:
                    yield reader.line_num, row["name"] or "", row[self.column] or ""
        except FileNotFoundError:
            raise DataError(f"no file {self.file}") from None
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"cannot read {self.file}: {error}") from None


Source = Annotated[Npz | Folder, Field(discriminator="kind")]


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
        parts = divide(len(inputs), derive(seed, "split"), validation, limit)
        training, held = (torch.from_numpy(part) for part in parts)
        targets = torch.tensor(values, dtype=torch.float64)
        std, mean = torch.std_mean(targets[training], correction=0)
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

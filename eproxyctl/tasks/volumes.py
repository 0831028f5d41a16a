"""Volumes: one minibatch, drawn once from a seed; and all of them, to train classifiers on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from eproxyctl.contracts import FULL, Batches, DataPath, Examples, Fidelity, Options, TaskOptions, derive
from eproxyctl.errors import DataError
from eproxyctl.tasks import archives
from eproxyctl.tasks.classification import ClassificationTask, statistics

if TYPE_CHECKING:
    import torch

LEVELS = 16
"""Grey values of scikit-learn's digits, above 0."""


class Digits(Options):
    """scikit-learn's 1,797 handwritten digits as reliefs of 8×8×8, each pixel as high as it is dark; ten classes."""

    kind: Literal["digits"] = "digits"

    def volumes(self) -> NDArray[Any]:
        """All, [N, C, D, H, W]."""
        from sklearn.datasets import load_digits

        heights = np.arange(1, LEVELS, 2).reshape(-1, 1, 1)
        reliefs: NDArray[Any] = (load_digits().images[:, None] >= heights).astype(np.uint8)
        return reliefs[:, None]

    def labels(self) -> NDArray[Any] | None:
        """Of all, [N]."""
        from sklearn.datasets import load_digits

        labels: NDArray[Any] = load_digits().target
        return labels

    def paths(self) -> tuple[str, ...]:
        return ()


class Npz(Options):
    """A NumPy archive with `volumes` (or `x`), numbers [N, C, D, H, W], and, optionally, `labels` (or `y`) [N]."""

    kind: Literal["npz"] = "npz"
    path: DataPath = Field(description="the .npz file")

    def volumes(self) -> NDArray[Any]:
        """All, [N, C, D, H, W]."""
        array = archives.load(self.path, "volumes", "x")
        if array is None:
            raise archives.missing(self.path, "volumes", "labels")
        if array.dtype.kind not in "fiub" or array.ndim != 5 or not array.size or not np.isfinite(array).all():
            raise DataError(
                f"{self.path}: 'volumes' is {array.dtype} {list(array.shape)}",
                hint="it must be finite numbers [N, C, D, H, W]: N volumes of C values a place",
            )
        return array

    def labels(self) -> NDArray[Any] | None:
        """Of all, [N]."""
        return archives.class_numbers(self.path, archives.load(self.path, "labels", "y"))

    def paths(self) -> tuple[str, ...]:
        return (self.path,)


Source = Annotated[Digits | Npz, Field(discriminator="kind")]


class VolumesTask(ClassificationTask):
    """Volumes [C, D, H, W] from embedded digits or an npz archive, for spaces of rank 3.

    A minibatch is drawn once from the seed and normalised per channel to mean 0 and standard deviation 1 over the
    minibatch. All architectures see the same one. proxy.fidelity.resolution makes cubes of that side.

    Where the volumes have labels, `benchmark` trains classifiers; the metric is the accuracy on the validation volumes
    in percent. Flips mirror the last axis.
    """

    kind = "volumes"

    class Options(TaskOptions):
        source: Source = Field(Digits(), description="or {kind: npz, path: FILE} of volumes [N, C, D, H, W] and labels")
        batch_size: PositiveInt = Field(16, description="volumes in a minibatch")
        outputs: PositiveInt | None = Field(None, description="classes of the full network; unset: the source's, or 10")

    options: Options

    @cached_property
    def shape(self) -> tuple[int, ...]:
        return self.options.source.volumes().shape[1:]

    @cached_property
    def outputs(self) -> int:
        if self.options.outputs:
            return self.options.outputs
        labels = self.options.source.labels()
        return 10 if labels is None else int(labels.max(initial=0)) + 1

    def batch(self, seed: int, fidelity: Fidelity = FULL, n: int = 1) -> Batches:
        import torch
        import torch.nn.functional as F

        volumes, labels = self.options.source.volumes(), self.options.source.labels()
        if labels is not None and len(labels) != len(volumes):
            raise DataError(f"{len(volumes)} volumes, but {len(labels)} labels")
        size = (fidelity.batch or self.options.batch_size) * n
        if size > len(volumes):
            raise DataError(f"{size} volumes asked for, there are {len(volumes)}", hint="lower batch_size")
        chosen = random.Random(derive(seed, "minibatch")).sample(range(len(volumes)), size)
        inputs = torch.from_numpy(volumes[chosen].astype(np.float32))
        if fidelity.resolution:
            inputs = F.interpolate(inputs, (fidelity.resolution,) * 3, mode="trilinear")
        mean, std = statistics(inputs, constant=True)
        found = None if labels is None else torch.from_numpy(labels[chosen].astype(np.int64))
        return Batches((inputs - mean) / std, found)

    def examples(self, seed: int, validation: float, limit: int | None = None) -> Examples:
        """Volumes float32 or uint8 [N, C, D, H, W] and labels int64 [N]; each class has its share in both parts."""
        import torch

        values, labels = self.options.source.volumes(), self.options.source.labels()
        if labels is None:
            raise DataError("the volumes have no labels", hint="np.savez(path, volumes=…, labels=…)")
        inputs = torch.from_numpy(values if values.dtype == np.uint8 else values.astype(np.float32))
        targets, training, held = self.labelled(inputs, labels, seed, validation, limit, what="volume")
        return Examples(inputs, targets, training, held, *statistics(inputs[training], constant=True))

    def augment(self, inputs: torch.Tensor, augmentations: Sequence[str], random: torch.Generator) -> torch.Tensor:
        from eproxyctl.networks.augment import crop, flip

        if "flip" in augmentations:
            inputs = flip(inputs, random)
        return crop(inputs, random) if "crop" in augmentations else inputs

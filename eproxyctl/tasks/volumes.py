"""Volumes: one minibatch, drawn once from a seed; and all of them, to train classifiers on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from eproxyctl.contracts import FULL, Batches, Examples, Fidelity, Options, TaskOptions, derive
from eproxyctl.errors import DataError
from eproxyctl.tasks import archives
from eproxyctl.tasks.classification import ClassificationTask, statistics
from eproxyctl.tasks.embedded import handwritten_digits
from eproxyctl.tasks.files import shown
from eproxyctl.tasks.labels import Labels, archived_labels
from eproxyctl.tasks.splits import drawable

if TYPE_CHECKING:
    import torch

LEVELS = 16
"""Grey values of scikit-learn's digits, above 0."""


VOLUMES = ("volumes", "x", "images")
"""What an archive's volumes may be called."""


class VolumeSource(Options):
    """Where volumes come from."""

    def volumes(self) -> NDArray[Any]:
        """All, [N, C, D, H, W], those for training first."""
        raise NotImplementedError

    def labels(self) -> Labels | None:
        """Of all; None where there are none."""
        raise NotImplementedError

    def own(self) -> int | None:
        """How many are for training; None where the source has no validation part."""
        return None

    def notes(self) -> tuple[str, ...]:
        """What a person should know of the source."""
        return ()

    def both(self) -> tuple[NDArray[Any], Labels | None]:
        """Volumes and labels. Raises DataError where they do not go together."""
        volumes, labels = self.volumes(), self.labels()
        if labels is not None:
            if len(labels.numbers) != len(volumes):
                raise DataError(f"{len(volumes)} volumes, but {len(labels.numbers)} labels")
            if labels.training != self.own():
                raise archives.parts_differ(labels.where, "volumes", "labels")
        return volumes, labels


class DigitVolumes(VolumeSource):
    """scikit-learn's 1,797 handwritten digits as reliefs of 8×8×8, each pixel as high as it is dark; ten classes."""

    kind: Literal["digits"] = "digits"

    def volumes(self) -> NDArray[Any]:
        heights = np.arange(1, LEVELS, 2).reshape(-1, 1, 1)
        reliefs: NDArray[Any] = (handwritten_digits().images[:, None] >= heights).astype(np.uint8)
        return reliefs[:, None]

    def labels(self) -> Labels | None:
        return Labels("the digits", handwritten_digits().target)


class VolumeArchive(archives.ArchiveOptions, VolumeSource):
    """A NumPy archive with `volumes` (or `x`, `images`), numbers [N, C, D, H, W] or [N, D, H, W], and, optionally,
    `labels` (or `y`) [N].

    Labels are whole numbers from 0, or names, whose classes are in alphabetical order. An archive in parts
    (`train_images`, `train_labels`, `val_images`, …, as MedMNIST's) brings its own validation split.
    """

    kind: Literal["npz"] = "npz"

    def volumes(self) -> NDArray[Any]:
        found = archives.load_archive(self, *VOLUMES)
        if found is None:
            raise archives.missing(self.path, "volumes", "labels")
        if found.values.ndim == 4 and found.values.shape[3] in (1, 3, 4):
            told = f"{shown(self.path)}: '{found.name}' is {list(found.values.shape)}: images, not volumes"
            raise DataError(told, hint="task.kind: images; or save volumes as [N, C, D, H, W]")
        array = found.values[:, None] if found.values.ndim == 4 else found.values
        if array.dtype.kind not in "fiub" or array.ndim != 5 or not array.size or not archives.single(array):
            raise DataError(
                f"{shown(self.path)}: '{found.name}' is {found.values.dtype} {list(found.values.shape)}",
                hint="it must be finite numbers [N, C, D, H, W]: N volumes of C values a place",
            )
        return array

    def labels(self) -> Labels | None:
        return archived_labels(self, archives.load_archive(self, "labels", "y"))

    def own(self) -> int | None:
        return archives.count(self, *VOLUMES)

    def notes(self) -> tuple[str, ...]:
        return archives.notes(self, *VOLUMES)


Source = Annotated[DigitVolumes | VolumeArchive, Field(discriminator="kind")]


class VolumesTask(ClassificationTask):
    """Volumes [C, D, H, W] from embedded digits or an npz archive, for spaces of rank 3.

    A minibatch is drawn once from the seed and normalised per channel to mean 0 and standard deviation 1 over the
    minibatch. All architectures see the same one. proxy.fidelity.resolution makes cubes of that side.

    Where the volumes have labels, `benchmark` trains classifiers; the metric is the accuracy on the validation volumes
    in percent. Flips mirror the last axis.
    """

    kind = "volumes"

    class Options(TaskOptions):
        source: Source = Field(
            DigitVolumes(), description="or {kind: npz, path: FILE} of volumes [N, C, D, H, W] and labels"
        )
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
        return 10 if labels is None else labels.classes()

    def notes(self) -> tuple[str, ...]:
        return self.options.source.notes()

    def batch(self, seed: int, fidelity: Fidelity = FULL, n: int = 1) -> Batches:
        import torch
        import torch.nn.functional as F

        volumes, labels = self.options.source.both()
        size = (fidelity.batch or self.options.batch_size) * n
        total = drawable(self.options.source.own(), len(volumes))
        if size > total:
            raise DataError(f"{size} volumes asked for, there are {total}", hint="lower batch_size")
        chosen = random.Random(derive(seed, "minibatch")).sample(range(total), size)
        inputs = torch.from_numpy(volumes[chosen].astype(np.float32))
        if fidelity.resolution:
            inputs = F.interpolate(inputs, (fidelity.resolution,) * 3, mode="trilinear")
        mean, std = statistics(inputs, constant=True)
        found = None if labels is None else torch.from_numpy(labels.numbers[chosen].astype(np.int64))
        return self.known(Batches((inputs - mean) / std, found))

    def examples(self, seed: int, validation: float, limit: int | None = None) -> Examples:
        """Volumes float32 or uint8 [N, C, D, H, W] and labels int64 [N]; each class has its share in both parts."""
        import torch

        source = self.options.source
        values, labels = source.both()
        if labels is None:
            raise DataError("the volumes have no labels", hint="np.savez(path, volumes=…, labels=…)")
        inputs = torch.from_numpy(values if values.dtype == np.uint8 else values.astype(np.float32))
        numbers, names, own = labels.numbers, labels.names, source.own()
        targets, training, held = self.labelled(inputs, numbers, seed, validation, limit, names, "volume", own)
        return Examples(inputs, targets, training, held, *statistics(inputs[training], constant=True))

    def augment(self, inputs: torch.Tensor, augmentations: Sequence[str], random: torch.Generator) -> torch.Tensor:
        from eproxyctl.networks.augment import crop, flip

        if "flip" in augmentations:
            inputs = flip(inputs, random)
        return crop(inputs, random) if "crop" in augmentations else inputs

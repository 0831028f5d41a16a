"""What all tasks on images share: one size, the minibatch, augmentation."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, PositiveInt

from eproxyctl.contracts import FULL, Batches, Fidelity, Options, Task, TaskOptions, derive
from eproxyctl.errors import DataError
from eproxyctl.tasks.pixels import Bytes, Drawn, resized

if TYPE_CHECKING:
    import torch


class PictureSource(Options):
    """Where images come from."""

    def draw(self, n: int, generator: random.Random) -> Drawn:
        """`n` images for training, and their labels where they have any. Raises DataError where there are fewer."""
        raise NotImplementedError

    def own(self) -> int | None:
        """How many of all images, which come first, are for training; None where the source has no validation part."""
        return None

    def names(self) -> tuple[str, ...] | None:
        """The classes, in the order of their labels; None where they have no names."""
        return None

    def notes(self) -> tuple[str, ...]:
        """What a person should know of the source: which images are left out, which are kept to validate on."""
        return ()


class PictureOptions(TaskOptions):
    """What every task on images has besides its source."""

    batch_size: PositiveInt = Field(16, description="images in a minibatch")
    resolution: PositiveInt = Field(32, le=1024, description="side in pixels")
    grey: bool = Field(False, description="one channel instead of three")


class PictureTask(Task):
    """Images resized to resolution × resolution. Its options have a `source`."""

    options: PictureOptions

    @property
    def source(self) -> PictureSource:
        """Where the images come from."""
        found: PictureSource = self.options.source  # type: ignore[attr-defined]  # each task has its own sources
        return found

    @property
    def shape(self) -> tuple[int, ...]:
        return (1 if self.options.grey else 3, self.options.resolution, self.options.resolution)

    def notes(self) -> tuple[str, ...]:
        return self.source.notes()

    def batch(self, seed: int, fidelity: Fidelity = FULL, n: int = 1) -> Batches:
        import torch

        generator = random.Random(derive(seed, "minibatch"))
        size = fidelity.batch or self.options.batch_size
        images, labels = self.source.draw(size * n, generator)
        side = fidelity.resolution or self.options.resolution
        pixels = np.stack([resized(image, side, grey=self.options.grey) / 255 for image in images])
        spread = pixels.std(axis=(0, 2, 3), keepdims=True)
        if not spread.all():
            raise DataError("a channel of the minibatch is constant: nothing to normalise", hint="use other images")
        pixels = (pixels - pixels.mean(axis=(0, 2, 3), keepdims=True)) / spread
        inputs = torch.from_numpy(pixels.astype(np.float32))
        return Batches(inputs, None if labels is None else torch.tensor(labels))

    def stacked(self, images: Iterable[Bytes]) -> torch.Tensor:
        """All images, uint8 [N, C, side, side]. Raises DataError where there are none."""
        import torch

        side, grey = self.options.resolution, self.options.grey
        pixels = [resized(image, side, grey=grey) for image in images]
        if not pixels:
            raise DataError("there are no images to train on")
        return torch.from_numpy(np.stack(pixels))

    def augment(self, inputs: torch.Tensor, augmentations: Sequence[str], random: torch.Generator) -> torch.Tensor:
        from eproxyctl.networks.augment import crop, flip

        if "flip" in augmentations:
            inputs = flip(inputs, random)
        return crop(inputs, random) if "crop" in augmentations else inputs

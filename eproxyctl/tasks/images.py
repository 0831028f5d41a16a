"""Images: one minibatch, drawn once from a seed."""

from __future__ import annotations

import random

import numpy as np
from pydantic import Field, PositiveInt

from eproxyctl.contracts import FULL, Batches, Fidelity, Task, TaskOptions, derive
from eproxyctl.errors import DataError
from eproxyctl.tasks.sources import Bytes, Cifar10, Folder, Npz, Photos, Source


class ImagesTask(Task):
    """Images from embedded photographs or digits, a folder, an npz archive or CIFAR-10's binary batches.

    A minibatch is drawn once from the seed, resized to resolution × resolution and normalised per channel to mean 0 and
    standard deviation 1 over the minibatch. All architectures see the same one.
    """

    kind = "images"

    class Options(TaskOptions):
        source: Source = Photos()
        batch_size: PositiveInt = Field(16, description="images in a minibatch")
        resolution: PositiveInt = Field(32, le=1024, description="side in pixels")
        grey: bool = Field(False, description="one channel instead of three")
        outputs: PositiveInt | None = Field(None, description="classes of the full network; unset: the source's, or 10")

    options: Options

    @property
    def shape(self) -> tuple[int, ...]:
        return (1 if self.options.grey else 3, self.options.resolution, self.options.resolution)

    @property
    def outputs(self) -> int:
        return self.options.outputs or self.options.source.classes() or 10

    def files(self) -> tuple[str, ...]:
        source = self.options.source
        if isinstance(source, Npz):
            return (source.path,)
        if isinstance(source, Folder):
            return tuple(str(path) for path in source.files())
        if isinstance(source, Cifar10):
            return tuple(str(source.folder() / name) for name in source.FILES)
        return ()

    def batch(self, seed: int, fidelity: Fidelity = FULL, n: int = 1) -> Batches:
        import torch

        generator = random.Random(derive(seed, "minibatch"))
        size = fidelity.batch or self.options.batch_size
        images, labels = self.options.source.draw(size * n, generator)
        side = fidelity.resolution or self.options.resolution
        pixels = np.stack([self._pixels(image, side) for image in images])
        spread = pixels.std(axis=(0, 2, 3), keepdims=True)
        if not spread.all():
            raise DataError("a channel of the minibatch is constant: nothing to normalise", hint="use other images")
        pixels = (pixels - pixels.mean(axis=(0, 2, 3), keepdims=True)) / spread
        inputs = torch.from_numpy(pixels.astype(np.float32))
        return Batches(inputs, None if labels is None else torch.tensor(labels))

    def _pixels(self, image: Bytes, side: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.float64]]:
        """[C, side, side] in 0…1."""
        from PIL import Image

        picture = Image.fromarray(image).convert("L" if self.options.grey else "RGB")
        if picture.size != (side, side):
            picture = picture.resize((side, side), Image.Resampling.BILINEAR)
        values = np.asarray(picture, dtype=np.float64) / 255
        return values[None] if self.options.grey else values.transpose(2, 0, 1)

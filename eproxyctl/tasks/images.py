"""Images: one minibatch, drawn once from a seed; and all of them, to train classifiers on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, PositiveInt

from eproxyctl.contracts import FULL, Batches, Examples, Fidelity, Task, TaskOptions, derive
from eproxyctl.errors import DataError
from eproxyctl.tasks.sources import Bytes, Cifar10, Folder, Npz, Photos, Source
from eproxyctl.tasks.splits import split

if TYPE_CHECKING:
    import torch
    from torch import nn

    from eproxyctl.contracts import Meter, Network


class ImagesTask(Task):
    """Images from embedded photographs or digits, a folder, an npz archive or CIFAR-10's binary batches.

    A minibatch is drawn once from the seed, resized to resolution × resolution and normalised per channel to mean 0 and
    standard deviation 1 over the minibatch. All architectures see the same one.

    Where the images have labels, `benchmark` trains classifiers; the metric is the accuracy on the validation images in
    percent.
    """

    kind = "images"
    metric = "accuracy"

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
        pixels = np.stack([self._pixels(image, side) / 255 for image in images])
        spread = pixels.std(axis=(0, 2, 3), keepdims=True)
        if not spread.all():
            raise DataError("a channel of the minibatch is constant: nothing to normalise", hint="use other images")
        pixels = (pixels - pixels.mean(axis=(0, 2, 3), keepdims=True)) / spread
        inputs = torch.from_numpy(pixels.astype(np.float32))
        return Batches(inputs, None if labels is None else torch.tensor(labels))

    def examples(self, seed: int, validation: float, limit: int | None = None) -> Examples:
        """Images uint8 [N, C, side, side] and labels int64 [N]; each class has its share in both parts."""
        import torch

        side, source = self.options.resolution, self.options.source
        pairs = [(self._pixels(image, side), label) for image, label in source.labelled()]
        if not pairs:
            raise DataError("there are no images to train on")
        labels = np.array([label for _, label in pairs], dtype=np.int64)
        if labels.max() >= self.outputs:
            raise DataError(f"task.outputs is {self.outputs}, and there is a label {labels.max()} (they start at 0)")
        names = source.names() if isinstance(source, Folder) else None
        training, held = split(labels, derive(seed, "split"), validation, limit, names)
        inputs = torch.from_numpy(np.stack([pixels for pixels, _ in pairs]))
        std, mean = torch.std_mean(inputs[training].double(), dim=(0, 2, 3), correction=0)
        if not std.all():
            raise DataError("a channel of the training images is constant: nothing to normalise")
        mean, std = (value.float().reshape(-1, 1, 1) for value in (mean, std))
        return Examples(inputs, torch.from_numpy(labels), torch.from_numpy(training), torch.from_numpy(held), mean, std)

    def model(self, network: Network) -> nn.Module:
        from eproxyctl.networks.size import as_module

        return as_module(network)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        return F.cross_entropy(outputs, targets)

    def meter(self) -> Meter:
        from torchmetrics.classification import MulticlassAccuracy

        return 100 * MulticlassAccuracy(self.outputs, average="micro")

    def augment(self, inputs: torch.Tensor, augmentations: Sequence[str], random: torch.Generator) -> torch.Tensor:
        from eproxyctl.networks.augment import crop, flip

        if "flip" in augmentations:
            inputs = flip(inputs, random)
        return crop(inputs, random) if "crop" in augmentations else inputs

    def _pixels(self, image: Bytes, side: int) -> Bytes:
        """[C, side, side]."""
        from PIL import Image

        picture = Image.fromarray(image).convert("L" if self.options.grey else "RGB")
        if picture.size != (side, side):
            picture = picture.resize((side, side), Image.Resampling.BILINEAR)
        values: Bytes = np.asarray(picture)
        return values[None] if self.options.grey else values.transpose(2, 0, 1)

"""Images: one minibatch, drawn once from a seed; and all of them, to train classifiers on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from pydantic import Field, PositiveInt

from eproxyctl.contracts import FULL, Batches, Examples, Fidelity
from eproxyctl.tasks.classification import ClassificationTask, statistics
from eproxyctl.tasks.pictures import PictureOptions, PictureTask
from eproxyctl.tasks.pixels import Bytes
from eproxyctl.tasks.sources import Photos, Source


class ImagesTask(PictureTask, ClassificationTask):
    """Images from embedded photographs or digits, a folder, an npz archive, a CSV list or CIFAR-10's binary batches.

    A minibatch is drawn once from the seed, resized to resolution × resolution and normalised per channel to mean 0 and
    standard deviation 1 over the minibatch. All architectures see the same one.

    Where the images have labels, `benchmark` trains classifiers; the metric is the accuracy on the validation images in
    percent. These are a share of all, or those that the source has for it: val/ beside train/, or val_images of an npz.
    """

    kind = "images"

    class Options(PictureOptions):
        source: Source = Photos()
        outputs: PositiveInt | None = Field(None, description="classes of the full network; unset: the source's, or 10")

    options: Options

    @cached_property
    def outputs(self) -> int:
        return self.options.outputs or self.options.source.classes() or 10

    def batch(self, seed: int, fidelity: Fidelity = FULL, n: int = 1) -> Batches:
        return self.known(super().batch(seed, fidelity, n))

    def examples(self, seed: int, validation: float, limit: int | None = None) -> Examples:
        """Images uint8 [N, C, side, side] and labels int64 [N]; each class has its share in both parts."""
        source, labels = self.options.source, list[int]()

        def images() -> Iterator[Bytes]:
            for image, label in source.labelled():
                labels.append(label)
                yield image

        inputs = self.stacked(images())
        numbers, names = np.array(labels), source.names()
        targets, training, held = self.labelled(inputs, numbers, seed, validation, limit, names, own=source.own())
        return Examples(inputs, targets, training, held, *statistics(inputs[training]))

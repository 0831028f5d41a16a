"""Sequences: one minibatch, drawn once from a seed; and all of them, to train classifiers on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, PositiveInt

from eproxyctl.contracts import FULL, Batches, Examples, Fidelity, TaskOptions, derive
from eproxyctl.errors import DataError
from eproxyctl.tasks.classification import ClassificationTask, statistics
from eproxyctl.tasks.sequence_sources import DigitSequences, Source

if TYPE_CHECKING:
    import torch


class SequencesTask(ClassificationTask):
    """Sequences [C, L] from embedded digits or text, a text file or an npz archive, for spaces of rank 1.

    A minibatch is drawn once from the seed: sequences, or windows of them where `length` is shorter. Values are
    normalised per channel to mean 0 and standard deviation 1 over the minibatch; one-hot tokens are left as they are,
    so that the first layer looks them up. All architectures see the same one.

    Where the sequences have labels, `benchmark` trains classifiers, on one window of each where `length` is shorter;
    the metric is the accuracy on the validation sequences in percent. Flips, which would turn time round, are refused.
    """

    kind = "sequences"
    spoilt_by = ("flip",)

    class Options(TaskOptions):
        source: Source = Field(
            DigitSequences(), description="or {kind: npz, path: FILE} of sequences [N, C, L] and labels"
        )
        batch_size: PositiveInt = Field(16, description="sequences in a minibatch")
        length: PositiveInt | None = Field(None, le=65_536, description="steps; unset: the source's, 32 of a text")
        outputs: PositiveInt | None = Field(None, description="classes of the full network; unset: the source's, or 10")

    options: Options

    @cached_property
    def shape(self) -> tuple[int, ...]:
        channels, length = self.options.source.shape()
        return channels, self.options.length or length

    @cached_property
    def outputs(self) -> int:
        return self.options.outputs or self.options.source.classes() or 10

    def notes(self) -> tuple[str, ...]:
        return self.options.source.notes()

    def batch(self, seed: int, fidelity: Fidelity = FULL, n: int = 1) -> Batches:
        import torch

        source, generator = self.options.source, random.Random(derive(seed, "minibatch"))
        size = (fidelity.batch or self.options.batch_size) * n
        values, labels = source.draw(size, fidelity.resolution or self.shape[1], generator)
        if not source.tokens:
            spread = values.std(axis=(0, 2), keepdims=True)
            if not spread.any():
                raise DataError("the minibatch is constant: nothing to normalise", hint="use other sequences")
            # A channel may be constant by nature, as the margin of the digits; it says nothing and becomes 0.
            values = (values - values.mean(axis=(0, 2), keepdims=True)) / np.where(spread, spread, 1)
        inputs = torch.from_numpy(values.astype(np.float32))
        return self.known(Batches(inputs, None if labels is None else torch.tensor(labels)))

    def examples(self, seed: int, validation: float, limit: int | None = None) -> Examples:
        """Sequences float32 [N, C, L] and labels int64 [N]; each class has its share in both parts."""
        import torch

        source = self.options.source
        values, labels = source.labelled(self.shape[1], random.Random(derive(seed, "windows")))
        inputs, names, own = torch.from_numpy(values.astype(np.float32)), source.names(), source.own()
        targets, training, held = self.labelled(inputs, labels, seed, validation, limit, names, "sequence", own)
        return Examples(inputs, targets, training, held, *statistics(inputs[training], constant=True))

    def augment(self, inputs: torch.Tensor, augmentations: Sequence[str], random: torch.Generator) -> torch.Tensor:
        from eproxyctl.networks.augment import crop

        return crop(inputs, random) if "crop" in augmentations else inputs

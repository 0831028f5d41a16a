"""What all tasks share that tell classes apart: the head, the loss, the metric, the examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eproxyctl.contracts import Task, Trainable, derive
from eproxyctl.errors import DataError
from eproxyctl.tasks.splits import split

if TYPE_CHECKING:
    import torch
    from torch import nn

    from eproxyctl.contracts import Batches, Meter, Network


class ClassificationTask(Task, Trainable):
    """Networks are trained as classifiers, by cross-entropy. The metric is the validation accuracy in percent."""

    metric = "accuracy"

    def model(self, network: Network) -> nn.Module:
        from eproxyctl.networks.size import as_module

        return as_module(network)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        return F.cross_entropy(outputs, targets)

    def meter(self) -> Meter:
        from torchmetrics.classification import MulticlassAccuracy

        return 100 * MulticlassAccuracy(self.outputs, average="micro")

    def labelled(
        self,
        inputs: torch.Tensor,
        labels: NDArray[Any],
        seed: int,
        validation: float,
        limit: int | None,
        names: Sequence[str] | None = None,
        what: str = "image",
        own: int | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Targets, and which examples are for training and for validation; each class has its share in both.

        Args:
            inputs: [N, …].
            labels: [N], classes from 0.
            seed, validation, limit: as `Task.examples` has them.
            names: of the classes, for messages.
            what: one input is called in messages.
            own: as `split` has it.

        Raises:
            DataError: labels that are none, or classes that cannot be split.
        """
        import torch

        if labels.dtype.kind not in "iu" or labels.ndim != 1 or labels.min(initial=0) < 0:
            raise DataError(f"the labels must be whole numbers from 0, one a {what}")
        if len(labels) != len(inputs):
            raise DataError(f"{len(inputs)} {what}s, but {len(labels)} labels")
        if not len(labels):
            raise DataError(f"there are no {what}s to train on")
        self._within(int(labels.max()))
        numbers = labels.astype(np.int64)
        training, held = split(numbers, derive(seed, "split"), validation, limit, names, what, own)
        return torch.from_numpy(numbers), torch.from_numpy(training), torch.from_numpy(held)

    def known(self, batches: Batches) -> Batches:
        """The same minibatches. Raises DataError where a label is beyond the outputs."""
        if batches.labels is not None:
            self._within(int(batches.labels.max()))
        return batches

    def _within(self, highest: int) -> None:
        if highest >= self.outputs:
            raise DataError(f"task.outputs is {self.outputs}, and there is a label {highest} (they start at 0)")


def statistics(inputs: torch.Tensor, *, constant: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation [C, 1, …] of training inputs [N, C, *spatial].

    Args:
        constant: whether a channel may be constant, as the margin of the digits; it says nothing and becomes 0.

    Raises:
        DataError: nothing to normalise.
    """
    import torch

    std, mean = torch.std_mean(inputs.double(), dim=(0, *range(2, inputs.ndim)), correction=0)
    if not (std.any() if constant else std.all()):
        what = "the training inputs are" if constant else "a channel of the training images is"
        raise DataError(f"{what} constant: nothing to normalise")
    std = torch.where(std > 0, std, 1)
    shape = (-1, *[1] * (inputs.ndim - 2))
    return mean.float().reshape(shape), std.float().reshape(shape)

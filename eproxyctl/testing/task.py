"""What holds of every task."""

from __future__ import annotations

from abc import ABC, abstractmethod

from eproxyctl.contracts import FULL, Batches, Task
from eproxyctl.testing.observed import check_options, global_state_unchanged

MEAN, LOW, HIGH = 0.75, 0.4, 2.5
"""How far the mean of a channel may be from 0, and its standard deviation from 1: minibatches are small."""


class TaskConformance(ABC):
    """Tests of a task; derive from it, name the class `Test…`, and define `task`."""

    normalised: bool = True
    """False: inputs are codes, such as one-hot characters, that are not normalised."""

    @abstractmethod
    def task(self) -> Task:
        """The task that is tested."""

    def test_options_come_back_from_json(self) -> None:
        from eproxyctl import plugins

        check_options(self.task().options, plugins.load_plugins(plugins.Sources(installed=False)))

    def test_a_minibatch_has_the_stated_shape(self) -> None:
        import torch

        task = self.task()
        one, three = task.batch(0), task.batch(0, n=3)
        assert one.inputs.dtype == torch.float32, f"inputs are {one.inputs.dtype}, not float32"
        assert tuple(one.inputs.shape[1:]) == tuple(task.shape), (
            f"inputs are {tuple(one.inputs.shape)}, shape says {tuple(task.shape)} of each"
        )
        assert len(three.inputs) == 3 * len(one.inputs), "n=3 does not give three minibatches side by side"
        for batches in (one, three):
            assert batches.inputs.isfinite().all(), "an input is not finite"
            _check_labels(batches, task.outputs)

    def test_a_minibatch_is_normalised(self) -> None:
        inputs = self.task().batch(0, n=4).inputs
        if not self.normalised:
            return
        axes = (0, *range(2, inputs.dim()))
        mean, std = inputs.mean(axes), inputs.std(axes)
        assert (mean.abs() < MEAN).all(), f"the means of the channels are {mean.tolist()}: normalise them to 0"
        # a channel that is constant in all examples stays 0
        off = (std > 0) & ((std < LOW) | (std > HIGH))
        assert not off.any(), f"the standard deviations of the channels are {std.tolist()}: normalise them to 1"
        assert (std > 0).any(), "all inputs are the same"

    def test_a_minibatch_comes_from_the_seed(self) -> None:
        task = self.task()
        with global_state_unchanged("batch"):
            first = task.batch(1, n=2)
        task.batch(2)
        for again in (task.batch(1, n=2), self.task().batch(1, n=2)):
            assert _same(first, again), "batch gives another minibatch for the same seed"
        assert not _same(first, task.batch(2, n=2)), "batch does not depend on the seed"

    def test_fidelity_shrinks_the_minibatch(self) -> None:
        task = self.task()
        full = task.batch(0).inputs
        few = task.batch(0, FULL.model_copy(update={"batch": 2}), n=2).inputs
        assert len(few) == 4, f"fidelity.batch 2 and n=2 give {len(few)} inputs"
        assert few.shape[1:] == full.shape[1:], "fidelity.batch changes the shape of an input"
        side = max(2, full.shape[-1] // 2)
        shrunk = task.batch(0, FULL.model_copy(update={"resolution": side})).inputs
        assert shrunk.shape[1] == full.shape[1], "fidelity.resolution changes the channels"
        assert max(shrunk.shape[2:]) <= side, f"fidelity.resolution {side} gives inputs {tuple(shrunk.shape)}"

    def test_goal_and_outputs_are_said(self) -> None:
        task = self.task()
        assert task.goal in ("maximize", "minimize"), f"goal is {task.goal!r}"
        assert task.outputs > 0, f"outputs is {task.outputs}"


def _check_labels(batches: Batches, outputs: int) -> None:
    labels = batches.labels
    if labels is None:
        return
    assert not labels.is_floating_point(), f"labels are {labels.dtype}, not whole numbers"
    assert labels.shape == batches.inputs.shape[:1], f"labels are {tuple(labels.shape)}, not one an input"
    low, high = int(labels.min()), int(labels.max())
    assert low >= 0, f"a label is {low}"
    assert high < outputs, f"a label is {high}, but outputs is {outputs}"


def _same(one: Batches, two: Batches) -> bool:
    labels = (one.labels is None) == (two.labels is None)
    if one.labels is not None and two.labels is not None:
        labels = one.labels.equal(two.labels)
    return labels and one.inputs.equal(two.inputs)

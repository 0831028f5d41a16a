"""What holds of every task that networks can be trained on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from eproxyctl.contracts import Examples, Fidelity, Trainable
from eproxyctl.testing.observed import global_state_unchanged, seeded

if TYPE_CHECKING:
    import torch

    from eproxyctl.contracts import Network

SMALL = Fidelity(width=0.25, depth=0.25, resolution=None, batch=None)
VALIDATION = 0.25
FEW = 8
"""Examples that a test takes."""


class TrainableConformance(ABC):
    """Tests of a trainable task; derive from it, name the class `Test…`, and define `task`."""

    limit: ClassVar[int] = 40
    """Training examples where they are limited; override it where each class needs more."""

    @abstractmethod
    def task(self) -> Trainable:
        """The task that is tested."""

    def network(self, task: Trainable) -> Network:
        """A small network for its inputs, its values unset: a MobileNet, which takes inputs of every rank."""
        from eproxyctl.networks.size import materialise
        from eproxyctl.spaces.mobilenet import MobileNetSpace

        space = MobileNetSpace(MobileNetSpace.Options.model_validate({"stem_stride": 1}))
        return materialise(lambda: space.build(space.example, task.shape, task.outputs, SMALL))

    def test_examples_are_split_and_the_split_comes_from_the_seed(self) -> None:
        task = self.task()
        with global_state_unchanged("examples"):
            examples = task.examples(0, VALIDATION)
        training, validation = set(examples.training.tolist()), set(examples.validation.tolist())
        assert training, "there is nothing to train on"
        assert validation, "there is nothing to validate on"
        assert not training & validation, "an example is both in training and in validation"
        indices = training | validation
        assert min(indices) >= 0, "an index is negative"
        assert max(indices) < len(examples.targets), "an index is beyond the targets"
        assert len(examples.targets) % len(examples.inputs) == 0, "targets are no multiple of the inputs"
        again = self.task().examples(0, VALIDATION)
        assert again.training.equal(examples.training), "the split of one seed changes"
        assert again.validation.equal(examples.validation), "the split of one seed changes"
        other = task.examples(1, VALIDATION)
        assert set(other.validation.tolist()) != validation, "the split does not depend on the seed"

    def test_a_limit_is_kept_and_leaves_as_many_to_validate_on(self) -> None:
        task = self.task()
        whole, limited = task.examples(0, VALIDATION), task.examples(0, VALIDATION, self.limit)
        views = len(limited.targets) // len(limited.inputs)
        count = len(limited.training)
        assert 0 < count <= self.limit * views, f"{count} for training, the limit is {self.limit} of {views} each"
        assert len(limited.validation) == len(whole.validation), "a limit on training changes validation"
        assert not set(limited.training.tolist()) & set(limited.validation.tolist()), "a limit mixes the two parts"

    def test_pairs_are_what_networks_and_losses_take(self) -> None:
        import torch

        task = self.task()
        inputs, targets = _pairs(task, task.examples(0, VALIDATION))
        assert inputs.dtype == torch.float32, f"inputs are {inputs.dtype}, not float32"
        assert inputs.shape[1:] == tuple(task.shape), f"inputs are {tuple(inputs.shape)}, shape says {task.shape}"
        assert inputs.isfinite().all(), "an input is not finite"
        assert len(targets) == len(inputs), f"{len(inputs)} inputs, but {len(targets)} targets"

    def test_the_loss_can_be_trained_on(self) -> None:
        task = self.task()
        inputs, targets = _pairs(task, task.examples(0, VALIDATION))
        model = task.model(seeded(self.network(task)))
        with global_state_unchanged("loss"):
            loss = task.loss(model(inputs), targets)
        assert loss.dim() == 0, f"the loss is {tuple(loss.shape)}, not a scalar"
        assert loss.isfinite(), "the loss of an untrained network is not finite"
        loss.backward()  # type: ignore[no-untyped-call]
        slopes = [p.grad for p in model.parameters() if p.grad is not None]
        assert slopes, "no parameter has a gradient: the loss does not depend on the network"
        assert all(slope.isfinite().all() for slope in slopes), "a gradient is not finite"
        assert any(slope.any() for slope in slopes), "all gradients are 0"

    def test_the_meter_measures(self) -> None:
        import torch

        task = self.task()
        assert task.metric, "metric has no name"
        assert task.metric_goal in ("maximize", "minimize"), f"metric_goal is {task.metric_goal!r}"
        inputs, targets = _pairs(task, task.examples(0, VALIDATION))
        model = task.model(seeded(self.network(task))).train()
        with torch.no_grad():
            outputs = model(inputs)
        whole, parts = task.meter(), task.meter()
        assert whole is not parts, "meter() gives one meter twice: it would add up two validations"
        whole.update(outputs, targets)
        for part in (slice(0, FEW // 2), slice(FEW // 2, None)):
            parts.update(outputs[part], targets[part])
        once, twice = float(whole.compute()), float(parts.compute())
        assert abs(once - twice) <= 1e-3 * max(1.0, abs(once)), f"the metric of all is {once}, of two halves {twice}"

    def test_augmentations_keep_shapes_and_come_from_their_generator(self) -> None:
        from eproxyctl.networks.initialise import generator

        task = self.task()
        inputs, targets = _pairs(task, task.examples(0, VALIDATION))
        names = [name for name in ("flip", "crop") if name not in task.spoilt_by]
        with global_state_unchanged("augment_pairs"):
            one = task.augment_pairs(inputs.clone(), targets.clone(), names, generator(0))
        two = task.augment_pairs(inputs.clone(), targets.clone(), names, generator(0))
        for before, first, second in zip((inputs, targets), one, two, strict=True):
            assert first.shape == before.shape, f"augment changes {tuple(before.shape)} to {tuple(first.shape)}"
            assert first.equal(second), "augment draws otherwise for the same generator"


def _pairs(task: Trainable, examples: Examples) -> tuple[torch.Tensor, torch.Tensor]:
    return task.pairs(examples, examples.training[:FEW])

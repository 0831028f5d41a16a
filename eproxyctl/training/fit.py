"""Real training of one network on a task's examples, driven by pytorch-ignite, measured by the task's meter.

The same network, examples, options and seed give the same weights, bit for bit on one machine and device: weights,
order and augmentation are drawn from CPU generators of their own, and torch uses one thread.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from ignite.engine import Engine, Events
from ignite.handlers import EarlyStopping, TimeLimit
from torch import Tensor, nn

from eproxyctl.contracts import Examples, Seed, Trainable, derive
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.spec.models import TrainOptions

MOMENTUM = 0.9
EVALUATION_BATCH = 256


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    Attributes:
        metric: of the task on the validation examples; of the last epoch, with patience that of the best. None where
            the loss was not finite.
        loss: the mean over the validation examples, at the same epoch.
        epochs: that were run to their end.
        weights: at the same epoch, by name.
    """

    metric: float | None
    loss: float | None
    epochs: int
    weights: Mapping[str, Tensor]


class Order:
    """The training examples in a new random order each epoch: indices [B]. What fills no batch waits for the next."""

    def __init__(self, examples: Examples, size: int, random: torch.Generator) -> None:
        self._indices = examples.training
        self._size = min(size, len(self._indices))
        self._random = random

    def __len__(self) -> int:
        return len(self._indices) // self._size

    def __iter__(self) -> Iterator[Tensor]:
        order = self._indices[torch.randperm(len(self._indices), generator=self._random)]
        yield from torch.split(order[: len(self) * self._size], self._size)


def train_network(
    model: nn.Module, task: Trainable, examples: Examples, options: TrainOptions, seed: Seed, device: str
) -> Trained:
    """Train a model, whose weights need no values yet.

    Args:
        model: on the CPU; changed in place, and moved to `device`.
        task: gives loss, meter and augmentation.
        examples: on `device`.
        options: how.
        seed: `weights` for the model, `common` for the order and the augmentation.
        device: `cpu` or `cuda:N`.
    """
    initialise(model, "default", generator(seed.weights))
    model.to(device)
    batches = Order(examples, options.batch_size, generator(derive(seed.common, "order")))
    trainer = _trainer(model, task, examples, options, generator(derive(seed.common, "augmentation")), len(batches))
    best: list[Trained] = []
    if options.patience is not None:
        _stop_early(trainer, options.patience, model, task, examples, best)
    trainer.run(batches, max_epochs=options.epochs)
    done = trainer.state.iteration // len(batches)
    if not math.isfinite(float(trainer.state.output or 0)):
        return Trained(None, None, done, {})
    if not best:
        best.append(evaluate(model, task, examples, done))
    found = best[0]
    return Trained(found.metric, found.loss, done, found.weights)


def _trainer(
    model: nn.Module,
    task: Trainable,
    examples: Examples,
    options: TrainOptions,
    random: torch.Generator,
    steps: int,
) -> Engine:
    optimizer = _optimizer(model, options)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=options.epochs * steps)

    def step(engine: Engine, indices: Tensor) -> float:
        model.train()
        inputs, targets = task.augment_pairs(*task.pairs(examples, indices), options.augment, random)
        loss = task.loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        value = float(loss.detach())
        if not math.isfinite(value):
            engine.terminate()
        return value

    trainer = Engine(step)
    if options.seconds is not None:
        limit = TimeLimit(options.seconds)
        limit.logger.setLevel(logging.WARNING)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, limit)
    return trainer


def _optimizer(model: nn.Module, options: TrainOptions) -> torch.optim.Optimizer:
    rate, decay = options.learning_rate, options.weight_decay
    if options.optimizer == "adamw":
        return torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    return torch.optim.SGD(model.parameters(), lr=rate, momentum=MOMENTUM, nesterov=True, weight_decay=decay)


def _stop_early(
    trainer: Engine, patience: int, model: nn.Module, task: Trainable, examples: Examples, best: list[Trained]
) -> None:
    """Measure after each epoch; keep the best in `best`; stop after `patience` epochs without a better one."""
    sign = 1 if task.metric_goal == "maximize" else -1

    def score(engine: Engine) -> float:
        found = evaluate(model, task, examples, engine.state.epoch)
        value = sign * found.metric if found.metric is not None else -math.inf
        if not best or (best[0].metric is None or value > sign * best[0].metric):
            best[:] = [found]
        return value

    stopping = EarlyStopping(patience, score, trainer)
    stopping.logger.setLevel(logging.WARNING)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, stopping)


@torch.no_grad()
def evaluate(model: nn.Module, task: Trainable, examples: Examples, epochs: int) -> Trained:
    """Metric and mean loss on the validation examples, the model in evaluation mode."""
    model.eval()
    meter, total = task.meter(), 0.0
    for indices in torch.split(examples.validation, EVALUATION_BATCH):
        inputs, targets = task.pairs(examples, indices)
        outputs = model(inputs)
        total += float(task.loss(outputs, targets)) * len(indices)
        meter.update(outputs.cpu(), targets.cpu())
    loss = total / len(examples.validation)
    if not math.isfinite(loss):
        return Trained(None, None, epochs, {})
    return Trained(float(meter.compute()), loss, epochs, copy.deepcopy(model.state_dict()))

"""One architecture key → one really trained network, the same in every process."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eproxyctl import plugins
from eproxyctl.contracts import Seed, Space, Trainable, derive
from eproxyctl.networks.counting import size_of
from eproxyctl.runs.rows import Status
from eproxyctl.scoring.worker import MEMORY, explain
from eproxyctl.spec.models import TrainOptions
from eproxyctl.workers.devices import settle
from eproxyctl.workers.executors import Outcome

if TYPE_CHECKING:
    from eproxyctl.training.fit import Trained


@dataclass(frozen=True)
class TrainedRow:
    """The outcome of training one architecture.

    Attributes:
        key, canonical: of the architecture.
        status: `ok`; `diverged`, its loss was not finite; `failed`, with cause and hint.
        metric, loss: on the validation examples; None unless ok.
        epochs: run to their end.
        params, macs: of the full network; None where it could not be built.
        cause, hint: of a failure.
    """

    key: str
    canonical: str
    status: Status
    metric: float | None = None
    loss: float | None = None
    epochs: int = 0
    params: int | None = None
    macs: int | None = None
    cause: str = ""
    hint: str = ""

    def to_json(self, **extra: Any) -> str:
        """One line; floats round-trip exactly."""
        return json.dumps(extra | asdict(self), separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TrainedRow:
        """The row of a parsed line; other fields are ignored."""
        return cls(**{name: data[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class TrainingContext:
    """All that a worker needs but the examples, which each process reads once from where the task has them.

    Attributes:
        sources: plugins to load.
        code: sha256 of each plugin.
        space, task, train: sections of the spec, as JSON.
        seed, device, tf32: the spec's.
        files: (path, digest of its content) of what the space and the task name.
    """

    sources: plugins.Sources
    code: tuple[str, ...]
    space: str
    task: str
    train: str
    seed: int
    device: str
    tf32: bool = False
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class TrainingJob:
    """One architecture to train, and the file for its weights where they are wanted."""

    key: str
    weights: str | None = None

    def prepare(self, context: TrainingContext) -> None:
        """Read what a process reads once."""
        trainee(context)

    def run(self, context: TrainingContext) -> tuple[Outcome[TrainedRow], ...]:
        """Train it. What goes wrong with it is in the row."""
        worker = trainee(context)
        started = time.perf_counter()
        row = worker.row(self.key, self.weights)
        return (Outcome(row, time.perf_counter() - started),)

    def died(self, cause: str) -> tuple[Outcome[TrainedRow], ...]:
        """The row where it killed every process it was tried in."""
        hint = f"{MEMORY} or a smaller train.batch_size"
        return (Outcome(TrainedRow(self.key, "", "failed", cause=cause, hint=hint), 0.0),)


@lru_cache(maxsize=1)
def trainee(context: TrainingContext) -> Trainee:
    """The worker of this process."""
    return Trainee(context)


class Trainee:
    """A context unpacked: the space, the task, and its examples on the device.

    Raises:
        DataError: examples that cannot be used.
    """

    def __init__(self, context: TrainingContext) -> None:
        import torch

        from eproxyctl.training import fit as training

        self._fit = training.train_network
        self.context = context
        registry = plugins.load_plugins(context.sources)
        self.space: Space = registry.create("space", registry.read("space", context.space))
        self.task: Trainable = registry.create("task", registry.read("task", context.task))
        self.options = TrainOptions.model_validate_json(context.train)
        found = self.task.examples(context.seed, self.options.validation, self.options.images)
        values = {field.name: getattr(found, field.name) for field in fields(found)}
        tensors = {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}
        self.examples = replace(found, **{name: value.to(context.device) for name, value in tensors.items()})

    def row(self, key: str, weights: str | None) -> TrainedRow:
        """Train one architecture, measure it, and save its weights where a file is named."""
        settle(self.context.device, tf32=self.context.tf32)
        canonical, size = "", None
        try:
            canonical = self.space.canonical(key)
            shape, outputs = self.task.shape, self.task.outputs
            size = size_of(self.space, key, shape, outputs)
            found = self.train(key, canonical)
            if weights is not None and found.metric is not None:
                self.save(key, found, Path(weights))
        except Exception as error:  # noqa: BLE001 - a failed architecture is a row, whatever failed; the run goes on
            cause, hint = explain(error)
            params, macs = size or (None, None)
            return TrainedRow(key, canonical, "failed", params=params, macs=macs, cause=cause, hint=hint)
        status: Status = "ok" if found.metric is not None else "diverged"
        return TrainedRow(key, canonical, status, found.metric, found.loss, found.epochs, *size)

    def train(self, key: str, canonical: str) -> Trained:
        """The trained weights and the metric; without the parts that no output depends on."""
        from eproxyctl.networks.size import materialise

        shape, outputs = self.task.shape, self.task.outputs
        model = materialise(lambda: self.task.model(self.space.build(key, shape, outputs)))
        seed = Seed.of(derive(self.context.seed, "training"), canonical, self.options.repeat)
        return self._fit(model, self.task, self.examples, self.options, seed, self.context.device)

    def save(self, key: str, found: Trained, path: Path) -> None:
        """Weights as safetensors; its metadata say of what, and how inputs (and outputs) are normalised."""
        from safetensors.torch import save_file

        mean, std = (value.flatten().tolist() for value in (self.examples.mean, self.examples.std))
        metadata = {
            "key": key,
            "space": self.context.space,
            "task": self.context.task,
            self.task.metric: str(found.metric),
            "mean": json.dumps(mean),
            "std": json.dumps(std),
        }
        if (self.examples.target_mean, self.examples.target_std) != (0.0, 1.0):
            metadata |= {"target_mean": str(self.examples.target_mean), "target_std": str(self.examples.target_std)}
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_suffix(".tmp")
        save_file({name: value.cpu().contiguous() for name, value in found.weights.items()}, temporary, metadata)
        temporary.replace(path)

"""What it is for: minibatches, real training, the metric table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from eproxyctl.contracts.base import FULL, Choice, Fidelity, Goal, Options
from eproxyctl.contracts.paths import DataPath

if TYPE_CHECKING:
    import torch
    from torch import nn

    from eproxyctl.contracts.base import Meter, Network


@dataclass(frozen=True)
class Batches:
    """One or more minibatches side by side: inputs [N, C, *spatial] float32, labels [N] or None."""

    inputs: torch.Tensor
    labels: torch.Tensor | None = None


@dataclass(frozen=True)
class Examples:
    """All that networks are trained and validated on, in memory once a process.

    Attributes:
        inputs: [N, C, *spatial], as stored (uint8 to be small) or float32.
        targets: [N, …]; a multiple of N where each input gives several examples, see `Trainable.pairs`.
        training, validation: which of the examples, disjoint.
        mean, std: [C, 1, …] of the training inputs; a network sees (input − mean) / std.
        target_mean, target_std: what a target t stands for: t · target_std + target_mean.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    training: torch.Tensor
    validation: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor
    target_mean: float = 0.0
    target_std: float = 1.0

    def normalised(self, indices: torch.Tensor) -> torch.Tensor:
        """Inputs [B, C, *spatial] float32 as networks see them."""
        return (self.inputs[indices].float() - self.mean) / self.std


class TableOptions(Options):
    """The metric table: architectures and how well each does on the task."""

    path: DataPath = Field(
        description="CSV, Parquet, lines of JSON; or JSON: a list of records or of [architecture, value], or an "
        "object {architecture: record or value}"
    )
    metric: str | None = Field(None, description="column, or path into a record such as test_ep_top1[-1]")
    key: str | None = Field(
        None,
        description="column or field that names the architecture; unset: what stands apart from the record, the record "
        "itself, or key, architecture, arch or a table's first column",
    )
    goal: Goal = Field("maximize", description="whether a higher metric is better")
    where: Mapping[str, Choice] = Field(
        {}, description="columns or fields and what must be there, such as {status: OK}; other rows are left out"
    )
    missing: Literal["refuse", "skip"] = Field(
        "refuse", description="rows without a finite metric: an error, or left out and counted"
    )
    repeats: Literal["refuse", "first", "mean"] = Field(
        "refuse", description="several rows of one architecture: an error, or the first, or the mean of all"
    )


class TaskOptions(Options):
    """What every task's section of a spec has."""

    table: TableOptions | None = None
    baselines: Mapping[str, TableOptions] = Field(
        {},
        description="what else is known of architectures, by name: columns beside params and macs, such as "
        "{12 epochs: {path: early.csv}}",
    )


class Task(ABC):
    """What an architecture is for: its minibatch and its metric table."""

    kind: ClassVar[str]
    Options: ClassVar[type[TaskOptions]] = TaskOptions

    def __init__(self, options: TaskOptions) -> None:
        self.options = options

    @abstractmethod
    def batch(self, seed: int, fidelity: Fidelity = FULL, n: int = 1) -> Batches:
        """`n` minibatches drawn from `seed`, normalised per channel, the same for every architecture."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """(channels, *spatial) of one full input."""

    @property
    def outputs(self) -> int:
        """Width of the classifier in the full network."""
        return 10

    @property
    def goal(self) -> Goal:
        """Whether a higher metric is better."""
        return self.options.table.goal if self.options.table else "maximize"

    def notes(self) -> tuple[str, ...]:
        """What a person should know of the data, a line each: which are left out, which are kept to validate on."""
        return ()


class Trainable(ABC):
    """A task that networks can really be trained on, as `benchmark` does."""

    metric: ClassVar[str]
    """Name of what `meter` measures."""
    metric_goal: ClassVar[Goal] = "maximize"
    spoilt_by: ClassVar[tuple[str, ...]] = ()
    """Augmentations after which a target would no longer be true; `benchmark` refuses them."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """(channels, *spatial) of one full input, as in `Task`."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Width of the classifier in the full network, as in `Task`."""

    @abstractmethod
    def examples(self, seed: int, validation: float, limit: int | None = None) -> Examples:
        """All examples, split by `seed`: a share for validation, and of the rest at most `limit` for training.

        Raises:
            DataError: too few, without targets, or unreadable.
        """

    @abstractmethod
    def model(self, network: Network) -> nn.Module:
        """The module that is trained: the network, and where the task needs another head than a classifier, that.

        The network is the task's from then on. Its values may not be set yet, and it may be on the meta device.
        """

    @abstractmethod
    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The scalar that training lowers, the mean over a batch."""

    @abstractmethod
    def meter(self) -> Meter:
        """A new meter of the metric."""

    def pairs(self, examples: Examples, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs [B, C, *spatial] as networks see them and targets [B, …] of some examples."""
        return examples.normalised(indices), examples.targets[indices]

    def augment(self, inputs: torch.Tensor, augmentations: Sequence[str], random: torch.Generator) -> torch.Tensor:
        """A training batch [B, C, *spatial] varied at random, its shape kept; `random` is a CPU generator."""
        return inputs

    def augment_pairs(
        self, inputs: torch.Tensor, targets: torch.Tensor, augmentations: Sequence[str], random: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `augment`, for a task whose targets change with their inputs."""
        return self.augment(inputs, augmentations, random), targets

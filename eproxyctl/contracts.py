"""What a space, a task and a proxy are. Built-ins and plugins enter by this same door.

A spec names one of each; the engine turns architecture keys into scored rows. A class becomes available by being
defined in a module that the registry reads and by setting `kind`; its docstring is what `eproxyctl describe` shows.
"""

from __future__ import annotations

import hashlib
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from eproxyctl.errors import InvalidArchitecture

if TYPE_CHECKING:
    import torch
    from torch import nn

    class Network(Protocol):
        """An `nn.Module` with feature maps. See `Space.build`."""

        channels: tuple[int, ...]

        def features(self, batch: torch.Tensor) -> list[torch.Tensor]: ...
        def __call__(self, batch: torch.Tensor) -> torch.Tensor: ...

    class Meter(Protocol):
        """What adds up a metric over batches, as every metric of torchmetrics does."""

        def update(self, outputs: torch.Tensor, targets: torch.Tensor) -> None: ...
        def compute(self) -> torch.Tensor: ...


Choice = str | int | float | bool
Goal = Literal["maximize", "minimize"]
Scheme = Literal["default", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"]
"""How weights start; see `eproxyctl.networks.initialise`."""


class Options(BaseModel):
    """A frozen group of settings in a spec; an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class Fidelity(Options):
    """How far a proxy shrinks what it trains. Size columns are always those of the full network."""

    width: float = Field(1.0, gt=0, le=1, description="share of the channels kept")
    depth: float = Field(1.0, gt=0, le=1, description="share of the cells or blocks kept, at least one a stage")
    resolution: PositiveInt | None = Field(None, description="side of the input in pixels; unset: the task's")
    batch: PositiveInt | None = Field(None, description="images in the minibatch; unset: the task's")

    def scale(self, full: int, share: float) -> int:
        """`full` shrunk to `share` of itself, at least 1."""
        return max(1, round(full * share))


FULL = Fidelity.model_validate({})


def derive(*parts: object) -> int:
    """A 63-bit seed for one purpose: independent for different parts, equal on every machine."""
    digest = hashlib.sha256("\0".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@dataclass(frozen=True)
class Seed:
    """Where the randomness of a score comes from.

    Attributes:
        common: equal for all architectures of a run: targets, barrier, noise (common random numbers).
        weights: from (common, canonical key): the network's own weights.
    """

    common: int
    weights: int

    @classmethod
    def of(cls, seed: int, canonical: str, repeat: int = 0) -> Seed:
        """The seed of one architecture in a run."""
        common = derive(seed, "repeat", repeat)
        return cls(common, derive(common, "weights", canonical))


# ---------------------------------------------------------------------------------------------------------- spaces


class Architectures(Options):
    """Which architectures of the space a command works on. `sample: n` is a prefix of `sample: m > n`."""

    keys: tuple[Any, ...] | None = Field(None, description="the architectures themselves, in any known notation")
    file: str | None = Field(None, description="a text file, one architecture a line")
    sample: PositiveInt | None = Field(None, description="how many to draw, from the space or with `table` from it")
    table: bool = Field(False, description="all architectures of the task's metric table")
    all: bool = Field(False, description="every architecture of the space")

    @model_validator(mode="after")
    def _one_source(self) -> Architectures:
        named = [n for n in ("keys", "file", "table", "all") if getattr(self, n) not in (None, False)]
        if len(named) > 1:
            raise ValueError(f"{' and '.join(named)} exclude each other: keep one")
        if self.sample and named and named != ["table"]:
            raise ValueError(f"sample goes with table or alone, not with {named[0]}")
        return self


class SpaceOptions(Options):
    """What every space's section of a spec has."""

    architectures: Architectures = Architectures.model_validate({})


class Space(ABC):
    """A discrete set of architectures, each named by a string key."""

    kind: ClassVar[str]
    Options: ClassVar[type[SpaceOptions]] = SpaceOptions
    ranks: ClassVar[tuple[int, ...]] = (2,)
    """Spatial ranks the networks take: 1 sequences, 2 images, 3 volumes."""
    example: ClassVar[str] = ""
    source: ClassVar[str] = ""

    def __init__(self, options: SpaceOptions) -> None:
        self.options = options

    @abstractmethod
    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        """The independent choices that make an architecture, by name."""

    @abstractmethod
    def encode(self, choices: Mapping[str, Choice]) -> str:
        """Choices → key. Raises InvalidArchitecture where they make none."""

    @abstractmethod
    def choices(self, key: str) -> dict[str, Choice]:
        """Key → choices, the inverse of `encode`."""

    @abstractmethod
    def parse(self, notation: object) -> str:
        """Any notation a known table uses → key. Raises InvalidArchitecture. `parse(key) == key`."""

    def notation(self, key: str) -> str:
        """The architecture as papers and other programs write it."""
        return key

    def canonical(self, key: str) -> str:
        """Equal only for networks that compute the same function with the same weights.

        Pruned networks of equal canonical key are built alike, operation by operation: they are scored once.
        """
        return key

    @abstractmethod
    def largest(self) -> str:
        """The costliest architecture's key; its cost is the cost_max of the cost mix."""

    def traits(self, key: str) -> dict[str, float]:
        """Structure of the live parts, read from the key without building: depth, counts of operations, path lengths.

        The same names for every key. A name may have a group in front, up to its last dot (`count.skip_connect`): a
        few-shot model gives each group one vote, those without a group together one.
        """
        return {}

    @abstractmethod
    def build(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = True
    ) -> Network:
        """The network, its weights not initialised yet.

        Args:
            key: an architecture of this space.
            shape: (channels, *spatial) of one input.
            outputs: width of the classifier.
            fidelity: how far to shrink it.
            pruned: leave out what no output depends on; False gives the official network, dead parts included.

        Returns:
            an nn.Module with `features(batch)`, maps [B, channels[i], *spatial], deepest first; `channels` to match;
            and `forward(batch)`, logits [B, outputs].
        """

    def fidelities(self) -> tuple[str, ...]:
        """The fields of Fidelity that change this space's networks."""
        return ("width", "depth", "resolution", "batch")

    def size(self) -> int | None:
        """How many architectures there are, None if that is not known without enumerating."""
        return None

    def keys(self) -> Iterator[str] | None:
        """All keys in a fixed order, None where there are too many."""
        return None

    def sample(self, seed: int) -> Iterator[str]:
        """Distinct keys in an order drawn from `seed`, without end but for that of the space."""
        generator = random.Random(f"sample {seed}")
        parameters = self.parameters()
        total, seen, misses = self.size(), set[str](), 0
        while (total is None or len(seen) < total) and misses < 100_000:
            try:
                key = self.encode({name: generator.choice(options) for name, options in parameters.items()})
            except InvalidArchitecture:
                misses += 1
                continue
            if key in seen:
                misses += 1
                continue
            seen.add(key)
            misses = 0
            yield key

    def mutate(self, key: str, generator: random.Random) -> str:
        """A neighbour of `key`, of another canonical key: one choice changed, or several where one is not enough.

        Raises InvalidArchitecture where there is none, or where the key, read from a table, has no choices.
        """
        canonical, chosen = self.canonical(key), self.choices(key)
        for changes in self._changes(chosen, generator):
            try:
                neighbour = self.encode({**chosen, **changes})
            except InvalidArchitecture:
                continue
            if self.canonical(neighbour) != canonical:
                return neighbour
        raise InvalidArchitecture(f"no change of choices makes another architecture of {key}")

    def _changes(self, chosen: Mapping[str, Choice], generator: random.Random) -> Iterator[dict[str, Choice]]:
        """Every single change in a random order, then a hundred random ones each of two choices, three, and so on."""
        others = {
            name: [value for value in values if value != chosen.get(name)]
            for name, values in self.parameters().items()
            if len(values) > 1
        }
        for name in generator.sample(sorted(others), len(others)):
            for value in generator.sample(others[name], len(others[name])):
                yield {name: value}
        for count in range(2, len(others) + 1):
            for _ in range(100):
                yield {name: generator.choice(others[name]) for name in generator.sample(sorted(others), count)}


# ----------------------------------------------------------------------------------------------------------- tasks


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
        targets: [N, …].
        training, validation: which of the N, disjoint.
        mean, std: [C, 1, …] of the training inputs; a network sees (input − mean) / std.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    training: torch.Tensor
    validation: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor


class TableOptions(Options):
    """The metric table: architectures and how well each does on the task."""

    path: str = Field(description="CSV with a header, or a JSON list of [architecture, value] or of records")
    metric: str | None = Field(None, description="column, or path into a record such as test_ep_top1[-1]")
    key: str | None = Field(
        None, description="column that names the architecture; unset: key, architecture or the first"
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

    def files(self) -> tuple[str, ...]:
        """Input files whose content is part of a run's identity."""
        return ()

    # Optional: networks can really be trained on a task with a `metric`, as `benchmark` does.

    metric: ClassVar[str] = ""
    """Name of what `meter` measures; empty where networks cannot be trained on the task."""
    metric_goal: ClassVar[Goal] = "maximize"

    def examples(self, seed: int, validation: float, limit: int | None = None) -> Examples:
        """All examples, split by `seed`: a share for validation, and of the rest at most `limit` for training.

        Raises:
            DataError: too few, without targets, or unreadable.
        """
        raise NotImplementedError

    def model(self, network: Network) -> nn.Module:
        """The module that is trained: the network, and where the task needs another head than a classifier, that."""
        raise NotImplementedError

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The scalar that training lowers, the mean over a batch."""
        raise NotImplementedError

    def meter(self) -> Meter:
        """A new meter of the metric."""
        raise NotImplementedError

    def augment(self, inputs: torch.Tensor, augmentations: Sequence[str], random: torch.Generator) -> torch.Tensor:
        """A training batch [B, C, *spatial] varied at random, its shape kept; `random` is a CPU generator."""
        return inputs


# --------------------------------------------------------------------------------------------------------- proxies


@dataclass(frozen=True)
class Costs:
    """Size of one full network and of the largest in its space: parameters, and multiply-adds of one input."""

    params: int
    macs: int
    params_max: int
    macs_max: int


@dataclass(frozen=True)
class Needs:
    """What a proxy asks of the engine."""

    labels: bool = False
    gradients: bool = False
    batches: int = 1
    official: bool = False
    """True: the unpruned network."""


Trace = tuple[tuple[float, ...], ...]
"""Losses [iterations][branches]."""


@dataclass(frozen=True)
class Score:
    """A proxy's verdict on one network. `value` NaN or infinite means it diverged."""

    value: float
    trace: Trace = ()


Features = Mapping[str, Sequence[float]]
"""Named values of architectures, one an architecture: `size.params`, `size.macs` and the traits of their space."""


@dataclass(frozen=True)
class Known:
    """What a proxy learns from: its members' values and the features of some architectures."""

    traces: Sequence[Trace]
    features: Features


class Provenance(Options):
    """How DPS found a proxy, and which architectures must stay out of every later correlation."""

    training: tuple[str, ...] = Field((), description="canonical keys of the architectures it was tuned on")
    table_sha256: str = ""
    seed: int = 0
    readout: str = ""


class Readout(Options):
    """A way to read one number from a trace, without training again."""


class ProxyOptions(Options):
    """What every proxy's section of a spec has."""

    fidelity: Fidelity = FULL
    repeats: PositiveInt = Field(1, description="seeds to average; their spread is reported")
    label: str | None = Field(None, min_length=1, description="name of its column; unset: its kind")
    provenance: Provenance | None = Field(None, description="written by dps; do not edit")


class Proxy(ABC):
    """How good a network is, told without training it to the end."""

    kind: ClassVar[str]
    Options: ClassVar[type[ProxyOptions]] = ProxyOptions
    higher_is_better: ClassVar[bool] = True
    needs: ClassVar[Needs] = Needs()
    learns: ClassVar[bool] = False
    """True: `dps` calls `learn`."""
    relative: ClassVar[bool] = False
    """True: a score is a rank among the architectures scored together, made by `together`."""

    def __init__(self, options: ProxyOptions) -> None:
        self.options = options

    @abstractmethod
    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        """Score a freshly built network, which may be changed in place; its weights are initialised from `seed`."""

    # Optional: a proxy with `parameters` can be tuned by DPS.

    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        """The trained settings DPS searches, by name; empty where there are none."""
        return {}

    def encode(self, choices: Mapping[str, Choice]) -> ProxyOptions:
        """Choices → options; equal for choices that differ only in genes without effect."""
        raise NotImplementedError

    # Optional: a proxy made of others, or one that is `relative`.

    def members(self) -> tuple[ProxyOptions, ...]:
        """The proxies it is made of; the engine scores with each and hands over their values as the trace."""
        return ()

    def together(self, traces: Sequence[Trace], features: Features) -> list[float]:
        """The values of architectures scored together.

        Args:
            traces: one an architecture; of a proxy with members ((value, …),), each turned so that higher is better.
            features: what is known of the same architectures without scoring them: sizes and traits.
        """
        raise NotImplementedError

    # Optional: a proxy that `learns` from the training architectures of the metric table, instead of being searched.

    def ready(self) -> None:  # noqa: B027 - most proxies always are
        """Raises DataError where it cannot score before it has learned."""

    def learn(self, known: Known, metric: Sequence[float], every: Known) -> ProxyOptions:
        """These options with what was learned.

        Args:
            known: the training architectures.
            metric: of each, higher is better.
            every: all architectures there are, whose metric it is not told.
        """
        raise NotImplementedError

    # Optional: a proxy with `readouts` has its value read from the trace, which costs no training.

    def readouts(self, mode: str = "paper") -> tuple[Readout, ...]:
        """Every read-out DPS may choose, the simplest first."""
        return ()

    def with_readout(self, readout: Readout) -> ProxyOptions:
        """These options with the chosen read-out."""
        raise NotImplementedError

    def read(self, trace: Trace, costs: Costs, readout: Readout | None = None) -> float:
        """Trace and size → value; `readout` None is the one in the options."""
        raise NotImplementedError

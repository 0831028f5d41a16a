"""How good it is, told without training to the end; and what else a proxy may be, each a class of its own.

A proxy derives from `Proxy`, and from those of the capabilities that it has: the rest of the package asks with
`isinstance`, and nothing raises NotImplementedError.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, PositiveInt

from eproxyctl.contracts.base import FULL, Choice, Fidelity, Options, Seed
from eproxyctl.contracts.task import Batches

if TYPE_CHECKING:
    from eproxyctl.contracts.base import Network


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
    """What a proxy learns from: its members' values and the features of some architectures.

    Attributes:
        traces: one an architecture, a tuple for each member: its value, higher is better, or of one that is `Relative`
            the numbers of its own trace, since its value is a rank among whatever is scored together. Empty where
            scoring failed.
        features: NaN where unknown.
    """

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

    def words(self) -> str:
        """What differs from the default, for people."""
        changed = self.model_dump(exclude_defaults=True)
        return " ".join(f"{name}={value}" for name, value in changed.items()) or "default"


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

    def __init__(self, options: ProxyOptions) -> None:
        self.options = options

    @abstractmethod
    def score(self, network: Network, batches: Batches, seed: Seed) -> Score:
        """Score a freshly built network, which may be changed in place; its weights are initialised from `seed`."""

    def work(self, macs: int, channels: tuple[int, ...], rank: int) -> float:
        """Counted multiply-adds of one score, for each input of the minibatch; forward passes only.

        Args:
            macs: of the network as it is scored, one forward pass.
            channels: of its feature maps, deepest first.
            rank: of the maps: 1 sequences, 2 images, 3 volumes.
        """
        return float(macs)


class Tunable(ABC):
    """A proxy with settings that DPS searches."""

    @abstractmethod
    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        """The trained settings that DPS searches, by name."""

    @abstractmethod
    def encode(self, choices: Mapping[str, Choice]) -> ProxyOptions:
        """Choices → options; equal for choices that differ only in genes without effect."""


class Readable(ABC):
    """A proxy whose value is read from the trace, which costs no training; the way is its option `readout`."""

    @abstractmethod
    def readouts(self, mode: str = "paper") -> tuple[Readout, ...]:
        """Every read-out that DPS may choose, the simplest first."""

    @abstractmethod
    def with_readout(self, readout: Readout, params_max: int, macs_max: int) -> ProxyOptions:
        """These options with the chosen read-out, and in it what it needs of the space's largest architecture."""

    @abstractmethod
    def read(self, trace: Trace, costs: Costs, readout: Readout | None = None) -> float:
        """Trace and size → value; `readout` None is the one in the options."""


class Composite(ABC):
    """A proxy made of others; it scores no network itself."""

    @abstractmethod
    def members(self) -> tuple[ProxyOptions, ...]:
        """The proxies it is made of; each scores the networks, and their values are handed over as the trace."""


class Relative(ABC):
    """A proxy whose value says where an architecture stands among those scored together."""

    @abstractmethod
    def place(self, traces: Sequence[Trace], features: Features) -> list[float]:
        """The values of architectures scored together.

        Args:
            traces: one an architecture; of a proxy with members ((value, …),), each turned so that higher is better; of
                a `Learner` as in `Known`.
            features: what is known of the same architectures without scoring them: sizes and traits.
        """


class Learner(Relative):
    """A proxy that learns from the training architectures of the metric table, instead of being searched."""

    @abstractmethod
    def ready(self) -> None:
        """Raises DataError where it cannot score before it has learned."""

    @abstractmethod
    def learn(self, known: Known, metric: Sequence[float], every: Known) -> ProxyOptions:
        """These options with what was learned.

        Args:
            known: the training architectures.
            metric: of each, higher is better.
            every: all architectures there are, whose metric it is not told.
        """

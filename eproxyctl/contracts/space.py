"""What can be built: a discrete set of architectures."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PositiveInt, model_validator

from eproxyctl.contracts.base import FULL, Choice, Fidelity, Options
from eproxyctl.contracts.paths import DataPath
from eproxyctl.errors import InvalidArchitecture

if TYPE_CHECKING:
    from eproxyctl.contracts.base import Network


class Architectures(Options):
    """Which architectures of the space a command works on. `sample: n` is a prefix of `sample: m > n`."""

    keys: tuple[Any, ...] | None = Field(None, description="the architectures themselves, in any known notation")
    file: DataPath | None = Field(None, description="a text file, one architecture a line")
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

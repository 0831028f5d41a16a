"""What the contracts share: options of a spec, fidelity, seeds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

if TYPE_CHECKING:
    import torch

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

"""What a spec may say of Eproxy: its branches, its training and its read-out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from eproxyctl.contracts import Options, ProxyOptions, Readout, Scheme

Kernel = Literal[1, 3, 7]
Cost = Literal["macs", "params"]
Feature = Literal["net", "wave_low", "wave_mid", "wave_high", "dot"]
FEATURES: tuple[Feature, ...] = ("net", "wave_low", "wave_mid", "wave_high", "dot")
MAX_BRANCHES = 3


class Branch(Options):
    """One feature map and its synthetic target."""

    features: tuple[Feature, ...] = Field(("net",), min_length=1, description="target features, summed")
    transform_kernel: Kernel = Field(1, description="kernel of the trained transform")
    barrier_kernel: Kernel = Field(3, description="kernel of the frozen barrier")
    transform_channels: PositiveInt = Field(512, description="channels between transform and barrier")
    target_channels: PositiveInt = Field(64, le=512, description="channels of the target")
    level: PositiveFloat = Field(1.0, description="factor on the target")

    @field_validator("features")
    @classmethod
    def _distinct(cls, features: tuple[Feature, ...]) -> tuple[Feature, ...]:
        return tuple(feature for feature in FEATURES if feature in features)


class EproxyReadout(Readout):
    """value = ± L / L_early × (1 − α · cost / cost_max), the lower the better.

    L is Σᵢ MSEᵢ · decayⁱ at one iteration, i = 0 being the deepest branch. L_early, the same at an earlier one, is left
    out where `early` is unset: with it the value is the share of the loss that training did not take away.
    """

    iteration: PositiveInt | None = Field(None, description="which forward pass is read; unset: the last")
    early: PositiveInt | None = Field(None, description="read the loss as a share of that of this earlier pass")
    reverse: bool = Field(
        False, description="minus the value: the higher loss ranks higher, as early in training with a small step"
    )
    decay: float = Field(0.5, ge=0, description="weight of a branch relative to the next deeper one")
    alpha: float = Field(0.0, ge=-1, le=1, description="cost mix; > 0 rewards size")
    cost: Cost = Field("macs", description="what size means in the cost mix")
    cost_max: PositiveFloat | None = Field(None, description="cost of the space's largest architecture; unset: counted")

    def words(self) -> str:
        """As of any read-out, the size of the largest architecture left out."""
        return Readout.words(self.model_copy(update={"cost_max": None}))


class EproxyOptions(ProxyOptions):
    """What Eproxy trains, on what, and how its value is read."""

    iterations: PositiveInt = Field(10, description="forward passes; the last needs no backward pass")
    learning_rate: PositiveFloat = Field(1.2, description="of SGD")
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD")
    weight_decay: float = Field(4e-5, ge=0, description="on weights of two or more dimensions")
    init: Scheme = Field("default", description="how network and transform start")
    barrier_init: Scheme = Field("default", description="how the barrier is drawn")
    barrier: Literal["frozen", "trained", "none"] = Field(
        "frozen", description="ablations: trained like the rest, or none, so that the transform meets the target"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="of convolutions; bfloat16 trains faster where the processor has it, and is another score",
    )
    inputs: Literal["task", "noise"] = Field(
        "task",
        description="an ablation: standard normal noise of the minibatch's shape instead of the task's inputs",
    )
    map_size: PositiveInt = Field(8, description="side of the feature maps in pixels")
    branches: tuple[Branch, ...] = Field(
        (Branch.model_validate({}),), min_length=1, max_length=MAX_BRANCHES, description="deepest first"
    )
    readout: EproxyReadout = EproxyReadout.model_validate({})

"""The sections of a spec that no plugin extends, and the whole, built from the registry."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, create_model

from eproxyctl.contracts import Options, ProxyOptions, SpaceOptions, TaskOptions
from eproxyctl.registry import SECTIONS, Registry

Sampler = Literal["evolution", "tpe", "random"]
Objective = Literal["spearman", "kendall"]
Augmentation = Literal["flip", "crop"]


class DpsOptions(Options):
    """Discrete proxy search: how the proxy is tuned to the metric table."""

    trials: PositiveInt = Field(200, description="settings tried in total")
    architectures: int = Field(20, ge=3, description="training architectures drawn from the table")
    held_out: NonNegativeInt = Field(100, description="other architectures on which the result is checked")
    objective: Objective = Field("spearman", description="rank correlation on the training architectures")
    sampler: Sampler = Field("evolution", description="how settings are proposed")
    readout: Literal["paper", "trace"] = Field(
        "paper", description="read-outs chosen without training: every α, or every α, iteration and branch decay"
    )


class TrainOptions(Options):
    """Real training, as `benchmark` does it: by gradient descent with a cosine schedule down to zero."""

    architectures: PositiveInt = Field(20, description="how many are trained; no two are equal in function")
    epochs: PositiveInt = Field(20, description="passes over the training images")
    batch_size: int = Field(64, ge=2, description="images a step")
    optimizer: Literal["sgd", "adamw"] = Field("sgd", description="sgd has Nesterov momentum 0.9")
    learning_rate: float = Field(0.1, gt=0, description="at the start; about 0.001 for adamw")
    weight_decay: float = Field(5e-4, ge=0, description="of all weights")
    augment: tuple[Augmentation, ...] = Field((), description="random left-right flips; crops after padding by 1/8")
    validation: float = Field(0.25, gt=0, lt=1, description="share of the images that the metric is measured on")
    images: PositiveInt | None = Field(None, description="training images at most; unset: all but those of validation")
    patience: PositiveInt | None = Field(
        None, description="stop after this many epochs that were not better than the best, whose metric then counts"
    )
    seconds: PositiveInt | None = Field(None, description="time for one architecture; with it results depend on speed")
    repeat: NonNegativeInt = Field(0, description="another number gives other weights and another order of images")


class Spec(Options):
    """A space, a task and a proxy, and what to do with them."""

    version: Literal[1] = Field(1, description="of the spec's format")
    seed: NonNegativeInt = Field(0, description="of everything that is drawn")
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?)$", description="cpu, cuda or cuda:N")
    space: SpaceOptions
    task: TaskOptions
    proxy: ProxyOptions
    dps: DpsOptions = DpsOptions.model_validate({})
    train: TrainOptions = TrainOptions.model_validate({})


def spec_model(registry: Registry) -> type[Spec]:
    """The model of a spec with the kinds that are known."""
    fields: dict[str, Any] = {}
    for section in SECTIONS:
        fields[section] = (registry.union(section), Field(description=f"the {section}, or a path to a YAML file of it"))
    return create_model("Spec", __base__=Spec, __module__=__name__, **fields)


def json_schema(registry: Registry) -> dict[str, Any]:
    """JSON Schema of a spec: each section may also be a path to a file, or just a kind."""
    schema = spec_model(registry).model_json_schema()
    for section in SECTIONS:
        inline = schema["properties"][section]
        description = inline.pop("description", "")
        schema["properties"][section] = {"description": description, "anyOf": [inline, {"type": "string"}]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}

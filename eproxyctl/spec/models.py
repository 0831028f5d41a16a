"""The sections of a spec that no plugin extends, and the whole, built from the registry."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, create_model, model_validator

from eproxyctl.contracts import Options, ProxyOptions, SpaceOptions, TaskOptions
from eproxyctl.registry import ANY_PROXY, SECTIONS, Registry

Sampler = Literal["evolution", "tpe", "random", "nsga2"]
Objective = Literal["spearman", "kendall", "quantile"]
Pick = Literal["random", "spread"]
"""How architectures to label are chosen: drawn, or spread over the traits of the space (`scoring.labelling.spread`)."""
Augmentation = Literal["flip", "crop"]
Cost = Literal["params", "macs", "latency"]


class FidelityChoices(Options):
    """How far networks may be shrunk and training shortened; a dimension without choices stays as the proxy has it."""

    width: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field((), description="shares of the channels")
    depth: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field((), description="shares of the cells or blocks")
    resolution: tuple[PositiveInt, ...] = Field((), description="sides of the input in pixels")
    batch: tuple[PositiveInt, ...] = Field((), description="images in the minibatch")
    iterations: tuple[PositiveInt, ...] = Field((), description="forward passes, of a proxy that has `iterations`")


class DpsOptions(Options):
    """Discrete proxy search: how the proxy is tuned to the metric table."""

    trials: PositiveInt = Field(200, description="settings tried in total")
    architectures: int = Field(20, ge=3, description="training architectures drawn from the table")
    pick: Pick = Field("random", description="how they are chosen; spread: to differ as much as they can in structure")
    held_out: NonNegativeInt = Field(100, description="other architectures on which the result is checked")
    objective: Objective = Field(
        "spearman",
        description="what is made large on the training architectures; quantile: the tenth percentile of Spearman's ρ "
        "over bootstrap resamples, which is low where a few architectures decide",
    )
    folds: NonNegativeInt | None = Field(
        None,
        description="parts of a cross-validation, so that read-outs are judged on architectures they were not chosen "
        "on; 0: on those they were chosen on, as in the paper. Unset: 5 with nsga2, else 0",
    )
    sampler: Sampler = Field(
        "evolution", description="how settings are proposed; nsga2: the best objective for every counted cost"
    )
    fidelity: bool | FidelityChoices = Field(
        False, description="search width, depth, resolution, batch and iterations too; true: the usual choices"
    )
    prune: bool = Field(
        False,
        description="give a trial up halfway where no scores of the other architectures could bring it among the best "
        "five; with sampler: random the result is the same",
    )
    seeds: PositiveInt = Field(
        1, description="above 1 the best trials compete once more, by scores averaged over so many seeds"
    )
    readout: Literal["paper", "trace"] = Field(
        "paper",
        description="read-outs chosen without training: every α, or every iteration, branch decay, α of either size, "
        "share of an earlier loss and direction",
    )

    @model_validator(mode="after")
    def _dividable(self) -> Self:
        if self.folds == 1:
            raise ValueError("folds: 1 leaves nothing to choose read-outs on; write 0, or 2 and more")
        if self.prune and (self.objective != "spearman" or self.parts or self.sampler == "nsga2"):
            raise ValueError("prune can bound objective: spearman only, without folds, and no sampler: nsga2")
        return self

    @property
    def parts(self) -> int:
        """`folds` as it holds."""
        return (5 if self.sampler == "nsga2" else 0) if self.folds is None else self.folds


class Limits(Options):
    """What an architecture may cost at most; checked before anything is scored."""

    params: PositiveFloat | None = Field(None, description="parameters, classifier included, such as 1.0e6")
    macs: PositiveFloat | None = Field(None, description="multiply-adds of one input of the task, such as 600.0e6")
    latency: PositiveFloat | None = Field(
        None, description="milliseconds for one input, measured on this machine with one thread; repeats may differ"
    )


class SearchOptions(Options):
    """Architecture search: which architectures are scored, in what order, and what they may cost."""

    evaluations: PositiveInt = Field(500, description="architectures scored in total")
    minutes: PositiveFloat | None = Field(
        None, description="stop after this time, between batches of its own; the result may differ"
    )
    batch: PositiveInt = Field(8, description="architectures proposed at a time, and so scored in parallel")
    sampler: Literal["evolution", "tpe", "random", "nsga2"] = Field(
        "evolution", description="how architectures are proposed; nsga2: the best score for every size, see against"
    )
    against: Cost | None = Field(None, description="nsga2 only: the cost to keep small; latency as in limits")
    limits: Limits = Limits.model_validate({})

    @model_validator(mode="after")
    def _two_goals(self) -> Self:
        if (self.sampler == "nsga2") != (self.against is not None):
            raise ValueError("nsga2 weighs the score against a cost: set both sampler: nsga2 and against: params")
        return self

    @property
    def timed(self) -> bool:
        """Whether latency is measured, so that another run may end elsewhere."""
        return self.against == "latency" or self.limits.latency is not None


class TrainOptions(Options):
    """Real training, as `benchmark` does it: by gradient descent with a cosine schedule down to zero."""

    architectures: PositiveInt = Field(20, description="how many are trained; no two are equal in function")
    pick: Pick = Field("random", description="which; spread: to differ as much as they can in structure")
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
    tf32: bool = Field(False, description="on CUDA, TensorFloat-32: faster, less exact, other scores")
    space: SpaceOptions
    task: TaskOptions
    proxy: ProxyOptions | tuple[ProxyOptions, ...]
    dps: DpsOptions = DpsOptions.model_validate({})
    search: SearchOptions = SearchOptions.model_validate({})
    train: TrainOptions = TrainOptions.model_validate({})

    @property
    def proxies(self) -> tuple[ProxyOptions, ...]:
        """The proxies, also where there is one."""
        return self.proxy if isinstance(self.proxy, tuple) else (self.proxy,)


def spec_model(registry: Registry, *, several: bool = False) -> type[Spec]:
    """The model of a spec with the kinds that are known; `several`: its proxy is a list of them."""
    fields: dict[str, Any] = {}
    for section in SECTIONS:
        fields[section] = (registry.union(section), Field(description=f"the {section}, or a path to a YAML file of it"))
    if several:
        one, description = fields["proxy"]
        fields["proxy"] = (Annotated[tuple.__class_getitem__((one, ...)), Field(min_length=1)], description)
    return create_model("Spec", __base__=Spec, __module__=__name__, **fields)


def json_schema(registry: Registry) -> dict[str, Any]:
    """JSON Schema of a spec: a section may also be a path to a file or just a kind, and the proxy a list of them."""
    schema = spec_model(registry).model_json_schema()
    for section in SECTIONS:
        inline = schema["properties"][section]
        description = inline.pop("description", "")
        schema["properties"][section] = {"description": description, "anyOf": [inline, {"type": "string"}]}
    one = {"$ref": "#/$defs/AnyProxy"}
    schema["$defs"]["AnyProxy"] = {"anyOf": schema["properties"]["proxy"].pop("anyOf")}
    schema["properties"]["proxy"]["anyOf"] = [one, {"type": "array", "items": one, "minItems": 1}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_referring(schema, one)}


def _referring(part: Any, one: dict[str, str]) -> Any:
    """The same, with a reference to the proxies' schema where a nested proxy stands."""
    if part == ANY_PROXY:
        return one
    if isinstance(part, dict):
        return {key: _referring(value, one) for key, value in part.items()}
    return [_referring(value, one) for value in part] if isinstance(part, list) else part

"""A stem, a stage and a head as a spec writes them, checked against the blocks they name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, PlainValidator, PositiveInt, TypeAdapter, ValidationInfo, WithJsonSchema

from eproxyctl.contracts import Block, Options
from eproxyctl.errors import PluginError, SpecError, did_you_mean
from eproxyctl.registry import Origin, Registry
from eproxyctl.spaces.blocks import BLOCK_MODULES
from eproxyctl.spaces.blocks.costs import ActivationName, NormalisationName
from eproxyctl.spaces.declared.values import Check, DrawnChoices, Faults, Value, declared_value

MOST_CHANNELS = 65_536
MOST_DEPTH = 256
Channels = Annotated[PositiveInt, Field(le=MOST_CHANNELS)]


class StageOptions(Options):
    """What a stage says beside the options of its block."""

    channels: Channels | None = Field(None, description="of every block's output; unset: as before")
    stride: PositiveInt | None = Field(None, le=32, description="of the first block; unset: 1")
    depth: int = Field(1, ge=0, le=MOST_DEPTH, description="blocks")


class HeadOptions(Options):
    """From the last map or tokens to logits: an optional 1×1 convolution, pooling, a linear classifier."""

    channels: Channels | None = Field(None, description="of a 1×1 convolution before the pooling; unset: none")
    normalisation: NormalisationName = Field("batch", description="of that convolution")
    activation: ActivationName = Field("relu6", description="of that convolution")
    norm: Literal["none", "layer"] = Field("none", description="layer: of tokens, or of the means of maps")
    pool: Literal["mean", "class"] = Field("mean", description="class: the class token is read instead of the mean")


@dataclass(frozen=True)
class SpaceSection:
    """A stem, stage or head.

    Attributes:
        raw: as written.
        kinds: the blocks it may have, by name; empty for a head.
        fields: what it says, `block` among them.
        each: whether its choices are made for every block.
    """

    raw: Mapping[str, Any]
    kinds: Mapping[str, type[Block]]
    fields: Mapping[str, Value]
    each: bool = False

    def blockwise(self, name: str) -> bool:
        """Whether a field is drawn for every block."""
        value = self.fields[name]
        if not isinstance(value, DrawnChoices) or value.use or name in StageOptions.model_fields:
            return False
        return self.each if value.each is None else value.each


@lru_cache(maxsize=1)
def built_in() -> Registry:
    """The built-in blocks, for who validates without a registry of a command."""
    registry = Registry()
    for name in BLOCK_MODULES:
        registry.add_module(importlib.import_module(name), Origin(name, "", "", builtin=True))
    return registry


@lru_cache(maxsize=1024)
def checks(model: type[Options], name: str) -> Check:
    """What validates one constant of a field."""
    info = model.model_fields[name]
    kind: Any = info.annotation
    if info.metadata:
        kind = Annotated[(kind, *info.metadata)]
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    return adapter.validate_python


def stage_of(raw: Any, info: ValidationInfo) -> SpaceSection:
    """A validated stage or part of a stem."""
    if isinstance(raw, SpaceSection):
        return raw
    faults = Faults()
    if not isinstance(raw, Mapping) or "block" not in raw:
        faults.add((), "a stage is a mapping with a block", "such as {block: mbconv, channels: 24}")
        faults.check()
    registry = info.context if isinstance(info.context, Registry) else built_in()
    block = declared_value(raw["block"], checks(_Named, "block"), ("block",), faults)
    faults.check()
    kinds = _kinds(block, raw["block"], registry, faults)
    faults.check()
    each = raw.get("each", "stage")
    if each not in ("block", "stage"):
        faults.add(("each",), "each: block or each: stage")
    fields: dict[str, Value] = {"block": block}
    for name, value in raw.items():
        if name not in ("block", "each"):
            models: list[type[Options]] = [StageOptions, *(kind.Options for kind in kinds.values())]
            owner = next((model for model in models if name in model.model_fields), None)
            if owner is None:
                known = {field for model in models for field in model.model_fields}
                what = f"unknown key '{name}' in a stage of {' or '.join(kinds)}"
                faults.add((name,), what, did_you_mean(name, known), at_key=True)
            else:
                fields[name] = declared_value(
                    value, checks(owner, name), (name,), faults, blockwise=owner is not StageOptions
                )
    faults.check()
    return SpaceSection(dict(raw), kinds, fields, each == "block")


class _Named(Options):
    block: str


def _kinds(block: Value, raw: Any, registry: Registry, faults: Faults) -> dict[str, type[Block]]:
    if isinstance(block, DrawnChoices) and block.use:
        faults.add(("block",), "blocks cannot be a shared choice", "write {choose: [..]} here")
        return {}
    names = block.values if isinstance(block, DrawnChoices) else (block,)
    kinds = {}
    for name in names:
        try:
            kinds[str(name)] = registry.get("block", str(name)).cls
        except (SpecError, PluginError) as error:
            loc = ("block", "choose", raw["choose"].index(name)) if isinstance(block, DrawnChoices) else ("block",)
            faults.add(loc, error.message, error.hint)
    return kinds


def head_of(raw: Any, info: ValidationInfo) -> SpaceSection:
    """A validated head."""
    if isinstance(raw, SpaceSection):
        return raw
    faults = Faults()
    if not isinstance(raw, Mapping):
        faults.add((), "a head is a mapping", "such as {channels: 1280}")
        faults.check()
    fields: dict[str, Value] = {}
    for name, value in raw.items():
        if name not in HeadOptions.model_fields:
            hint = did_you_mean(name, HeadOptions.model_fields)
            faults.add((name,), f"unknown key '{name}' in the head", hint, at_key=True)
        else:
            fields[name] = declared_value(value, checks(HeadOptions, name), (name,), faults)
    faults.check()
    return SpaceSection(dict(raw), {}, fields)


def shared_of(raw: Any) -> DrawnChoices:
    """A validated choice that others use."""
    if isinstance(raw, DrawnChoices):
        return raw
    faults = Faults()
    value = declared_value(raw, _anything, (), faults)
    if not faults.found and not (isinstance(value, DrawnChoices) and not value.use):
        faults.add((), "a shared choice is {choose: [..]} or {from: .., to: ..}")
    faults.check()
    assert isinstance(value, DrawnChoices)
    return value


def _anything(raw: Any) -> Any:
    return raw


def _as_written(section: Any) -> Any:
    return section.raw if isinstance(section, SpaceSection) else section


def _as_choice(drawn: Any) -> Any:
    if not isinstance(drawn, DrawnChoices):
        return drawn
    written: dict[str, Any] = {"choose": list(drawn.values)}
    if drawn.when:
        written["when"] = {one.name: sorted(one.values, key=str) for one in drawn.when}
    return written if drawn.otherwise is None else written | {"otherwise": drawn.otherwise}


def _schema() -> dict[str, Any]:
    """What editors complete in a stage: the built-in blocks and all their options, each a constant or a choice."""
    models: list[type[Options]] = [StageOptions, *(entry.cls.Options for entry in built_in().of("block"))]
    properties: dict[str, Any] = {}
    for model in models:
        for name, part in model.model_json_schema()["properties"].items():
            properties.setdefault(name, {"description": part.get("description", "")})
    kinds = built_in().kinds("block")
    properties["block"] = {"description": "what the stage is made of", "anyOf": [{"enum": kinds}, {}]}
    properties["each"] = {
        "description": "whether choices are made a stage or for every block",
        "enum": ["block", "stage"],
    }
    return {"title": "Stage", "type": "object", "properties": properties, "required": ["block"]}


Stage = Annotated[
    SpaceSection, PlainValidator(stage_of), PlainSerializer(_as_written, dict[str, Any]), WithJsonSchema(_schema())
]
Head = Annotated[
    SpaceSection,
    PlainValidator(head_of),
    PlainSerializer(_as_written, dict[str, Any]),
    WithJsonSchema(HeadOptions.model_json_schema()),
]
SharedChoice = Annotated[
    DrawnChoices,
    PlainValidator(shared_of),
    PlainSerializer(_as_choice, dict[str, Any]),
    WithJsonSchema({"type": "object"}),
]

"""What `space: {kind: declared, …}` may say, checked as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from pydantic import Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from eproxyctl.contracts import Options, SpaceOptions
from eproxyctl.errors import did_you_mean
from eproxyctl.spaces.declared.codec import circles, most_blocks, section_circles
from eproxyctl.spaces.declared.sections import (
    Head,
    HeadOptions,
    SharedChoice,
    SpaceSection,
    Stage,
    StageOptions,
    checks,
)
from eproxyctl.spaces.declared.values import DrawnChoices, Faults, Loc, declared_value

MOST_BLOCKS, MOST_CHOICES = 1_024, 4_096
SHARED_NAME = re.compile(r"[a-z][a-z0-9_]*")
RULE = re.compile(r"\s*([\w.]+)\s*(<=|>=|==|!=|<|>)\s*([\w.]+)\s*")
Shape = tuple[PositiveInt, ...]
EXAMPLE: tuple[Mapping[str, Any], ...] = tuple(
    {
        "block": "mbconv",
        "channels": channels,
        "stride": stride,
        "depth": {"choose": [1, 2, 3]},
        "expansion": {"choose": [3, 6]},
        "kernel": {"choose": [3, 5]},
        "each": "block",
    }
    for channels, stride in ((24, 2), (48, 2), (96, 2))
)


class SizeLimits(Options):
    """What every architecture keeps to; others are no architectures of the space."""

    params: PositiveFloat | None = Field(None, description="parameters at most, classifier included, such as 1.0e6")
    macs: PositiveFloat | None = Field(None, description="multiply-adds of one input at most")
    shape: Shape = Field((3, 224, 224), min_length=2, max_length=4, description="of the input they are counted for")
    outputs: PositiveInt = Field(1000, description="of the classifier they are counted for")
    rules: tuple[str, ...] = Field(
        (), max_length=256, description="comparisons of choices, such as stage1.channels <= stage2.channels"
    )


class DeclaredOptions(SpaceOptions):
    """Options of a declared space."""

    choices: Mapping[str, SharedChoice] = Field({}, max_length=64, description="choices by name, for {use: NAME}")
    defaults: Mapping[str, Any] = Field({}, max_length=64, description="options of every block that has them")
    stem: tuple[Stage, ...] | Stage = Field(
        ({"block": "conv", "channels": 16, "stride": 2},),
        validate_default=True,
        description="a block, or several, before the stages",
    )
    stages: tuple[Stage, ...] = Field(
        EXAMPLE,
        validate_default=True,
        min_length=1,
        max_length=64,
        description="each some blocks; unset: three stages of mbconv, as an example",
    )
    head: Head = Field({}, validate_default=True, description="from the last map to logits")
    limits: SizeLimits = SizeLimits.model_validate({})
    columns: Mapping[str, str] = Field({}, description="what a table's records call a choice, by its name here")

    @property
    def stems(self) -> tuple[SpaceSection, ...]:
        """The parts of the stem."""
        return self.stem if isinstance(self.stem, tuple) else (self.stem,)

    def sections(self) -> Iterator[tuple[str, Loc, SpaceSection]]:
        """Each with its name in keys and its place in the spec."""
        several = isinstance(self.stem, tuple)
        for i, stem in enumerate(self.stems):
            yield (
                f"stem{i + 1}" if several and len(self.stems) > 1 else "stem",
                ("stem", i) if several else ("stem",),
                stem,
            )
        for i, stage in enumerate(self.stages):
            yield f"stage{i + 1}", ("stages", i), stage
        yield "head", ("head",), self.head

    @model_validator(mode="after")
    def _whole(self) -> Self:
        faults = Faults()
        self._names(faults)
        faults.check()
        for _, loc, section in self.sections():
            self._section(section, loc, faults)
        faults.check()
        self._bounds(faults)
        self._rules(faults)
        faults.check()
        return self

    def _names(self, faults: Faults) -> None:
        """Shared choices: their names, and that each is used; defaults that some block has."""
        for name, drawn in self.choices.items():
            if not SHARED_NAME.fullmatch(name):
                faults.add(("choices", name), f"'{name}' is no name: lower-case letters, digits and underscores")
            for one in drawn.when:
                if one.name not in self.choices:
                    hint = did_you_mean(one.name, self.choices)
                    faults.add(("choices", name, "when", one.name), f"no shared choice is called '{one.name}'", hint)
            if drawn.when and drawn.otherwise is None:
                faults.add(("choices", name), "a shared choice with when needs otherwise")
        circles(self.choices, faults)
        for _, loc, section in self.sections():
            for field, value in section.fields.items():
                if isinstance(value, DrawnChoices) and value.use and value.use not in self.choices:
                    hint = did_you_mean(value.use, self.choices) or "declare it under choices"
                    faults.add((*loc, field, "use"), f"no shared choice is called '{value.use}'", hint)
        used = {v.use for _, _, s in self.sections() for v in s.fields.values() if isinstance(v, DrawnChoices)}
        used |= {
            c.name
            for _, _, s in self.sections()
            for v in s.fields.values()
            if isinstance(v, DrawnChoices)
            for c in v.when
        }
        used |= {c.name for drawn in self.choices.values() for c in drawn.when}
        for name in self.choices:
            if name not in used and not faults.found:
                faults.add(("choices", name), f"nothing uses '{name}'", f"write {{use: {name}}} where it is wanted")
        known = {
            field for _, _, s in self.sections() for kind in s.kinds.values() for field in kind.Options.model_fields
        }
        for name in self.defaults:
            if name not in known:
                hint = did_you_mean(name, known)
                faults.add(("defaults", name), f"no block of this space has the option '{name}'", hint, at_key=True)
        for kind in {kind for _, _, s in self.sections() for kind in s.kinds.values()}:
            for name in self.defaults.keys() & kind.Options.model_fields.keys():
                declared_value(self.defaults[name], checks(kind.Options, name), ("defaults", name), faults)

    def _section(self, section: SpaceSection, loc: Loc, faults: Faults) -> None:
        """Shared values are valid where they are used; conditions name what is known there."""
        for field, value in section.fields.items():
            if not isinstance(value, DrawnChoices):
                continue
            model = _owner(section, field)
            if value.use:
                drawn = self.choices[value.use]
                values = [*drawn.values, *([] if drawn.otherwise is None else [drawn.otherwise])]
                for each in values if model else []:
                    try:
                        checks(model, field)(value.scaled(each))
                    except ValidationError as error:
                        faults.of((*loc, field), error)
                        break
            for one in value.when:
                if one.name not in section.fields and one.name not in self.choices:
                    hint = did_you_mean(one.name, [*section.fields, *self.choices])
                    faults.add((*loc, field, "when", one.name), f"nothing here is called '{one.name}'", hint)
                elif one.name in section.fields and section.blockwise(one.name) and not section.blockwise(field):
                    what = f"'{field}' is chosen once a stage and cannot depend on '{one.name}' of each block"
                    faults.add((*loc, field, "when", one.name), what, "write each: block")
        section_circles(section, loc, faults)

    def _bounds(self, faults: Faults) -> None:
        blocks = choices = 0
        for _, loc, section in self.sections():
            most = most_blocks(section.fields.get("depth", 1), self.choices)
            own = [n for n, value in section.fields.items() if isinstance(value, DrawnChoices) and not value.use]
            blocks += most
            choices += sum(most if section.blockwise(name) else 1 for name in own)
            if blocks > MOST_BLOCKS or choices > MOST_CHOICES:
                what = f"{blocks:,} blocks" if blocks > MOST_BLOCKS else f"{choices:,} choices"
                faults.add(
                    (*loc, *(["depth"] if "depth" in section.fields else [])),
                    f"up to here there are {what}",
                    f"at most {MOST_BLOCKS:,} blocks and {MOST_CHOICES:,} choices",
                )
                return

    def _rules(self, faults: Faults) -> None:
        known = dict(self.comparable())
        for i, rule in enumerate(self.limits.rules):
            match = RULE.fullmatch(rule)
            if match is None:
                faults.add(("limits", "rules", i), "a comparison is NAME <= NAME or NAME <= NUMBER")
                continue
            for name in (match[1], match[3]):
                if name not in known and not _number(name):
                    faults.add(("limits", "rules", i), f"no choice is called '{name}'", did_you_mean(name, known))

    def comparable(self) -> Iterator[tuple[str, Any]]:
        """What rules may name: numbers that an architecture has once, and what they are where they are no choice."""
        yield "depth", None
        for name, drawn in self.choices.items():
            if not isinstance(drawn.values[0], str):
                yield name, None
        for name, _, section in self.sections():
            for field, value in section.fields.items():
                if not section.kinds or not section.blockwise(field):
                    yield f"{name}.{field}", value


def _owner(section: SpaceSection, field: str) -> Any:
    """The options a field belongs to."""
    models: Sequence[type[Options]] = [StageOptions, *(kind.Options for kind in section.kinds.values())]
    return next((model for model in (models if section.kinds else [HeadOptions]) if field in model.model_fields), None)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

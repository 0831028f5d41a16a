"""From a key to the blocks of its network, each with the place where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from eproxyctl.contracts import FULL, Block, Fidelity, Spot
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.spaces.declared.codec import Codec, WrittenChoices
from eproxyctl.spaces.declared.genes import text_of
from eproxyctl.spaces.declared.options import DeclaredOptions
from eproxyctl.spaces.declared.sections import HeadOptions, SpaceSection
from eproxyctl.spaces.declared.values import DrawnChoices
from eproxyctl.spaces.mobilenet import scaled

MOST_FITTING = 65_536


@dataclass(frozen=True, eq=False)
class Made:
    """A block with the values it was made from.

    Attributes:
        name: its kind and what is chosen of it; equal for blocks of one section that are equal.
        values: of its fields.
    """

    block: Block
    name: str
    values: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class StageOf:
    """A stage of one architecture: channels (None: as before), stride of the first block, blocks."""

    channels: int | None
    stride: int
    blocks: tuple[Made, ...]


@dataclass(frozen=True)
class Standing:
    """A block in its place."""

    made: Made
    spot: Spot


@dataclass(frozen=True)
class Built:
    """An architecture with its places: stem and stages of blocks, without those that vanish, and the last place.

    Attributes:
        ends: where each stage ends: channels, sides, class token, whether tokens.
    """

    stem: tuple[Standing, ...]
    stages: tuple[tuple[Standing, ...], ...]
    ends: tuple[tuple[int, tuple[int, ...], bool, bool], ...]


class DeclaredArchitectures:
    """Makes blocks of keys; equal blocks are made once."""

    def __init__(self, options: DeclaredOptions, codec: Codec) -> None:
        self.options, self.codec = options, codec
        self._sections = [SpaceSection({}, {}, {}), *(section for _, _, section in options.sections())]
        self._stems = len(options.stems)
        self._stages: dict[tuple[int, str, str, tuple[str, ...]], StageOf] = {}
        self._fitting: set[tuple[Made, tuple[int, int, int]]] = set()
        self._made: dict[tuple[int, str, str, str], Made] = {}

    def stages(self, written: WrittenChoices) -> list[StageOf]:
        """The parts of the stem, then the stages."""
        shared = written.texts[0]
        found = []
        for i in range(1, len(self._sections) - 1):
            slot = (i, shared, written.texts[i], written.blocks[i])
            stage = self._stages.get(slot)
            if stage is None:
                if len(self._stages) > 65_536:
                    self._stages.clear()
                stage = self._stages[slot] = self._stage(i, shared, written)
            found.append(stage)
        return found

    def _stage(self, i: int, shared: str, written: WrittenChoices) -> StageOf:
        section, part, values = self._sections[i], self.codec.parts[i], written.values[i]
        channels = self.channels(i, values)
        stride = field_value(section, "stride", values)
        if part.block is None:
            blocks = (self.block(i, shared, written.texts[i], "", values),) * part.blocks(values)
        else:
            read, outer = part.block.read, f"{shared}|{written.texts[i]}"
            blocks = tuple(
                self.block(i, shared, written.texts[i], text, read(text, values, outer)) for text in written.blocks[i]
            )
        implied = blocks[0].block.stride() if blocks else None
        if implied is not None and stride not in (None, implied):
            raise InvalidArchitecture(f"{part.name}: the stride of this block is its size, {implied}, not {stride}")
        return StageOf(channels, implied or stride or 1, blocks)

    def channels(self, i: int, values: Mapping[str, Any]) -> int | None:
        """Channels of a part, None where they stay."""
        found: int | None = field_value(self._sections[i], "channels", values)
        return found

    def block(self, i: int, shared: str, own: str, text: str, values: Mapping[str, Any]) -> Made:
        """The block of a part, by the texts of its terms; `values` are those they stand for."""
        slot = (i, shared, own, text)
        made = self._made.get(slot)
        if made is None:
            if len(self._made) > 65_536:
                self._made.clear()
            made = self._made[slot] = make(self._sections[i], values, self.options.defaults)
        return made

    def head(self, written: WrittenChoices) -> HeadOptions:
        """The head's options."""
        section, values = self._sections[-1], written.values[-1]
        given = {name: field_value(section, name, values) for name in section.fields}
        return HeadOptions.model_validate({name: value for name, value in given.items() if value is not None})

    def check(self, stages: list[StageOf], shape: tuple[int, ...]) -> None:
        """Raises InvalidArchitecture where a block does not fit; what fitted behind as many channels fits again."""
        channels, spatial = shape[0], tuple(shape[1:])
        for stage in stages:
            if not stage.blocks:
                continue
            behind = channels if stage.channels is None else stage.channels
            self._fits(stage.blocks[:1], (channels, behind, stage.stride), spatial)
            self._fits(stage.blocks[1:], (behind, behind, 1), spatial)
            channels = behind

    def _fits(self, blocks: tuple[Made, ...], shape: tuple[int, int, int], spatial: tuple[int, ...]) -> None:
        for made in dict.fromkeys(blocks):
            if (made, shape) not in self._fitting:
                if len(self._fitting) > MOST_FITTING:
                    self._fitting.clear()
                made.block.check(Spot(*shape, spatial))
                self._fitting.add((made, shape))

    def walk(
        self, stages: list[StageOf], shape: tuple[int, ...], fidelity: Fidelity = FULL, *, check: bool = False
    ) -> Built:
        """Blocks with their places for an input, shrunk as a proxy asks for.

        Args:
            stages: of `stages`.
            shape: (channels, *spatial) of the input.
            fidelity: how far to shrink it.
            check: raise InvalidArchitecture where a block does not fit.
        """
        at = Spot(shape[0], shape[0], 1, tuple(shape[1:]), width=fidelity.width)
        tokens = False
        every, ends = [], []
        for i, stage in enumerate(stages):
            share = FULL if i < self._stems else fidelity
            standing = []
            for made, spot in _placed(stage, at, share, fidelity.width):
                if check:
                    made.block.check(spot)
                standing.append(Standing(made, spot))
                token = made.block.class_token(spot)
                at = Spot(spot.outputs, spot.outputs, 1, spot.after, token, fidelity.width)
                tokens = made.block.gives == "tokens"
            every.append(tuple(standing))
            ends.append((at.inputs, at.spatial, at.class_token, tokens))
        return Built(
            tuple(one for part in every[: self._stems] for one in part),
            tuple(every[self._stems :]),
            tuple(ends[self._stems :]),
        )


def _placed(stage: StageOf, at: Spot, fidelity: Fidelity, width: float) -> Iterator[tuple[Made, Spot]]:
    """The blocks that do something, as many as the fidelity keeps."""
    channels = at.inputs if stage.channels is None else scaled(stage.channels, width)
    first = Spot(at.inputs, channels, stage.stride, at.spatial, at.class_token, width)
    further = replace(first, inputs=channels, stride=1, spatial=first.after)
    live = [m for i, m in enumerate(stage.blocks) if not m.block.vanishes(further if i else first)]
    if fidelity.depth != 1 and live:
        live = live[: fidelity.scale(len(live), fidelity.depth)]
    token = at.class_token
    for i, made in enumerate(live):
        spot, token = further if i else first, token and made.block.takes == "tokens"
        yield made, spot if spot.class_token == token else replace(spot, class_token=token)
        token = made.block.class_token(spot)


def field_value(section: SpaceSection, name: str, values: Mapping[str, Any]) -> Any:
    """A field's value in one architecture, None where it is unset."""
    value = section.fields.get(name)
    if not isinstance(value, DrawnChoices):
        return value
    if value.use:
        return value.scaled(values[value.use])
    return values[name]


def make(section: SpaceSection, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> Made:
    """The block of a section with these values."""
    kind = str(field_value(section, "block", values))
    cls = section.kinds[kind]
    fields = cls.Options.model_fields
    given = {name: value for name, value in defaults.items() if name in fields}
    name = kind
    for field in sorted(section.fields):
        if field in fields:
            value = field_value(section, field, values)
            if value is not None or not isinstance(section.fields[field], DrawnChoices):
                given[field] = value
            if isinstance(section.fields[field], DrawnChoices) and value is not None:
                name += f"~{field}{text_of(value)}"
    try:
        return Made(cls(cls.Options.model_validate(given)), name, given)
    except ValidationError as error:
        raise InvalidArchitecture(f"{kind}: {error.errors(include_url=False)[0]['msg']}") from None

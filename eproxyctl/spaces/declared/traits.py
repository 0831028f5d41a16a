"""Structure of a declared architecture as numbers: depth, width, and what its choices add up to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import add
from typing import Any

from eproxyctl.contracts import Block, Choice
from eproxyctl.spaces.declared.architecture import DeclaredArchitectures, Made, field_value
from eproxyctl.spaces.declared.codec import Codec, WrittenChoices
from eproxyctl.spaces.declared.genes import text_of
from eproxyctl.spaces.declared.options import DeclaredOptions
from eproxyctl.spaces.declared.sections import SpaceSection, StageOptions
from eproxyctl.spaces.declared.values import DrawnChoices

MOST_KNOWN = 65_536
MOST_COUNTED = 8
"""Values of a choice that are counted each by itself; of more, only the sum is told."""
Name = str


class Traits:
    """Traits of a space: `depth` and `width` (mean channels of the blocks), `depth.N` of stages, `width.N` where it is
    chosen, `kind.NAME` counts of blocks, `sum.FIELD` over blocks and `count.FIELD_VALUE` of each choice, and the values
    of choices of stem, head, and of shared ones.
    """

    def __init__(self, options: DeclaredOptions, codec: Codec, architectures: DeclaredArchitectures) -> None:
        self.codec, self.architectures = codec, architectures
        self.sections = list(options.sections())
        self.stems = len(options.stems)
        self.shared = {name: drawn for name, drawn in options.choices.items() if _numbers(drawn.values)}
        stages = [section for _, _, section in self.sections[self.stems : -1]]
        self.kinds = sorted({kind for section in stages for kind in section.kinds})
        self.fields = dict(_fields(stages, options))
        self.names = list(self._names())
        self._blocks: dict[tuple[int, str, str, str], tuple[float, ...]] = {}
        self._stages: dict[tuple[int, str, str, tuple[str, ...]], tuple[int, list[float]]] = {}
        self._depths = [f"depth.{i}" for i in range(1, len(self.sections) - self.stems)]
        self._once = [(part, name, gene.field) for part, name, gene in self._single()]

    def _names(self) -> Iterator[Name]:
        if len(self.kinds) > 1:
            yield from (f"kind.{kind}" for kind in self.kinds)
        for field, values in self.fields.items():
            if _numbers(values):
                yield f"sum.{field}"
            if len(values) <= MOST_COUNTED:
                yield from (f"count.{field}_{text_of(value).replace('.', 'p')}" for value in values)

    def _single(self) -> Iterator[tuple[int, str, Any]]:
        """Choices made once in stem and head, and the channels of stages."""
        for i, (name, _, section) in enumerate(self.sections, start=1):
            stage = bool(section.kinds) and i > self.stems
            for gene in self.codec.parts[i].own.genes:
                if _numbers(gene.values) and gene.always and (not stage or gene.field in ("channels", "stride")):
                    yield i, f"{gene.field}.{name}", gene

    def of(self, written: WrittenChoices) -> dict[str, float]:
        """The traits of one architecture."""
        texts, values, blocks = written
        shared = texts[0]
        totals = [0.0] * (1 + len(self.names))
        wide, channels = 0.0, 0
        depths = []
        for i in range(1, len(self.sections)):
            slot = (i, shared, texts[i], blocks[i])
            known = self._stages.get(slot)
            if known is None:
                _room(self._stages)
                known = self._stages[slot] = self._stage(i, written)
            width, sums = known
            channels = width or channels
            if i > self.stems:
                totals = list(map(add, totals, sums))
                depths.append(sums[0])
                wide += sums[0] * channels
        traits = {"depth": totals[0], "width": wide / max(1.0, totals[0])}
        traits.update(zip(self._depths, depths, strict=True))
        if self.shared:
            traits |= {f"choice.{name}": float(values[0][name] or 0) for name in self.shared}
        if self._once:
            traits |= {name: float(values[part][field]) for part, name, field in self._once}
        traits.update(zip(self.names, totals[1:], strict=True))
        return traits

    def _stage(self, i: int, written: WrittenChoices) -> tuple[int, list[float]]:
        """Channels (0: as before), how many blocks of a stage do something, and what they add to each total."""
        part, shared, own, values = self.codec.parts[i], written.texts[0], written.texts[i], written.values[i]
        width = self.architectures.channels(i, values) or 0
        sums = [0.0] * (1 + len(self.names))
        if i <= self.stems:
            return width, sums
        if part.block is None:
            return width, [part.blocks(values) * number for number in self._block(i, shared, own, "", values)]
        known, read, outer = self._blocks, part.block.read, f"{shared}|{own}"
        for text in written.blocks[i]:
            slot = (i, shared, own, text)
            vector = known.get(slot) or self._block(*slot, read(text, values, outer))
            if vector[0]:
                sums = list(map(add, sums, vector))
        return width, sums

    def _block(self, i: int, shared: str, own: str, text: str, values: Mapping[str, Any]) -> tuple[float, ...]:
        made = self.architectures.block(i, shared, own, text, values)
        _room(self._blocks)
        found = self._blocks[i, shared, own, text] = self._vector((i - 1, made))
        return found

    def _vector(self, slot: tuple[int, Made]) -> tuple[float, ...]:
        """1 for a block that does something, and what it adds to each total."""
        i, made = slot
        section = self.sections[i][2]
        kind = made.block.kind
        if type(made.block).vanishes is not Block.vanishes:
            return (0.0,) * (1 + len(self.names))
        found = [1.0]
        if len(self.kinds) > 1:
            found += [float(kind == one) for one in self.kinds]
        for field, values in self.fields.items():
            chosen = isinstance(section.fields.get(field), DrawnChoices)
            value = made.values.get(field) if chosen else None
            if _numbers(values):
                found.append(0.0 if value is None else float(value))
            if len(values) <= MOST_COUNTED:
                found += [float(value is not None and value == one) for one in values]
        return tuple(found)


def _room(known: dict[Any, Any]) -> None:
    """Forget all where there is too much."""
    if len(known) > MOST_KNOWN:
        known.clear()


def _fields(stages: list[SpaceSection], options: DeclaredOptions) -> Iterator[tuple[str, tuple[Choice, ...]]]:
    """The options of blocks that are chosen anywhere, with all their values."""
    found: dict[str, set[Choice]] = {}
    for section in stages:
        for field, value in section.fields.items():
            if isinstance(value, DrawnChoices) and field not in StageOptions.model_fields and field != "block":
                drawn = options.choices[value.use].values if value.use else value.values
                found.setdefault(field, set()).update(value.scaled(v) if value.use else v for v in drawn)
    for field in sorted(found):
        yield field, tuple(sorted(found[field], key=lambda v: (isinstance(v, str), v)))


def _numbers(values: tuple[Choice, ...]) -> bool:
    return not any(isinstance(value, str) for value in values)


def described(section: SpaceSection, values: Mapping[str, Any]) -> str:
    """What is chosen of a head."""
    return "~".join(
        f"{field}{field_value(section, field, values)}"
        for field in sorted(section.fields)
        if isinstance(section.fields[field], DrawnChoices)
    )

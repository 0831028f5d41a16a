"""Structure of a declared architecture as numbers: depth, width, and what its choices add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from operator import add
from typing import Any

from eproxyctl.contracts import Block, Choice
from eproxyctl.spaces.declared.architecture import Made, StageOf, field_value
from eproxyctl.spaces.declared.codec import Codec, Written
from eproxyctl.spaces.declared.genes import text_of
from eproxyctl.spaces.declared.options import DeclaredOptions
from eproxyctl.spaces.declared.sections import Section, StageOptions
from eproxyctl.spaces.declared.values import Drawn

MOST_KNOWN = 65_536
MOST_COUNTED = 8
"""Values of a choice that are counted each by itself; of more, only the sum is told."""
Name = str


class Traits:
    """Traits of a space: `depth` and `width` (mean channels of the blocks), `depth.N` of stages, `width.N` where it is
    chosen, `kind.NAME` counts of blocks, `sum.FIELD` over blocks and `count.FIELD_VALUE` of each choice, and the values
    of choices of stem, head, and of shared ones.
    """

    def __init__(self, options: DeclaredOptions, codec: Codec) -> None:
        self.codec = codec
        self.sections = list(options.sections())
        self.stems = len(options.stems)
        self.shared = {name: drawn for name, drawn in options.choices.items() if _numbers(drawn.values)}
        stages = [section for _, _, section in self.sections[self.stems : -1]]
        self.kinds = sorted({kind for section in stages for kind in section.kinds})
        self.fields = dict(_fields(stages, options))
        self.names = list(self._names())
        self._vectors: dict[tuple[int, Made], tuple[float, ...]] = {}
        self._stages: dict[tuple[int, StageOf], tuple[float, ...]] = {}
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

    def of(self, written: Written, stages: list[StageOf]) -> dict[str, float]:
        """The traits of one architecture."""
        totals = [0.0] * len(self.names)
        blocks, wide, channels = 0, 0.0, 0
        depths = []
        for i, stage in enumerate(stages):
            channels = stage.channels or channels
            if i < self.stems:
                continue
            slot = (i, stage)
            vector = self._stages.get(slot) or self._stage(slot)
            totals = list(map(add, totals, vector[1:]))
            depths.append(vector[0])
            blocks += int(vector[0])
            wide += vector[0] * channels
        traits = {"depth": float(blocks), "width": wide / max(1, blocks)}
        traits |= {f"depth.{i}": depth for i, depth in enumerate(depths, start=1)}
        traits |= {f"choice.{name}": float(written.values[0][name] or 0) for name in self.shared}
        traits |= {name: float(written.values[part][field]) for part, name, field in self._once}
        return traits | dict(zip(self.names, totals, strict=True))

    def _stage(self, slot: tuple[int, StageOf]) -> tuple[float, ...]:
        """How many blocks of a stage do something, and what they add to each total."""
        i, stage = slot
        sums = [0.0] * (1 + len(self.names))
        for made, count in Counter(stage.blocks).items():
            vector = self._vectors.get((i, made)) or self._vector((i, made))
            if vector[0]:
                sums = [a + count * b for a, b in zip(sums, vector, strict=True)]
        if len(self._stages) > MOST_KNOWN:
            self._stages.clear()
        self._stages[slot] = tuple(sums)
        return self._stages[slot]

    def _vector(self, slot: tuple[int, Made]) -> tuple[float, ...]:
        """1 for a block that does something, and what it adds to each total."""
        i, made = slot
        section = self.sections[i][2]
        kind = made.block.kind
        found = [1.0 if type(made.block).vanishes is Block.vanishes else 0.0]
        if len(self.kinds) > 1:
            found += [float(kind == one) for one in self.kinds]
        for field, values in self.fields.items():
            chosen = isinstance(section.fields.get(field), Drawn)
            value = made.values.get(field) if chosen else None
            if _numbers(values):
                found.append(0.0 if value is None else float(value))
            if len(values) <= MOST_COUNTED:
                found += [float(value is not None and value == one) for one in values]
        if len(self._vectors) > MOST_KNOWN:
            self._vectors.clear()
        self._vectors[slot] = tuple(found)
        return self._vectors[slot]


def _fields(stages: list[Section], options: DeclaredOptions) -> Iterator[tuple[str, tuple[Choice, ...]]]:
    """The options of blocks that are chosen anywhere, with all their values."""
    found: dict[str, set[Choice]] = {}
    for section in stages:
        for field, value in section.fields.items():
            if isinstance(value, Drawn) and field not in StageOptions.model_fields and field != "block":
                drawn = options.choices[value.use].values if value.use else value.values
                found.setdefault(field, set()).update(value.scaled(v) if value.use else v for v in drawn)
    for field in sorted(found):
        yield field, tuple(sorted(found[field], key=lambda v: (isinstance(v, str), v)))


def _numbers(values: tuple[Choice, ...]) -> bool:
    return not any(isinstance(value, str) for value in values)


def described(section: Section, values: Mapping[str, Any]) -> str:
    """What is chosen of a head."""
    return "~".join(
        f"{field}{field_value(section, field, values)}"
        for field in sorted(section.fields)
        if isinstance(section.fields[field], Drawn)
    )

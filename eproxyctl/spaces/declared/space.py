"""A space declared in YAML."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from eproxyctl.contracts import FULL, Block, BlockSize, Choice, Diagram, Drawable, Fidelity, Sized, Space
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.spaces.declared.architecture import DeclaredArchitectures, StageOf, field_value
from eproxyctl.spaces.declared.assembly import assemble, reads_token
from eproxyctl.spaces.declared.codec import Codec, WrittenChoices
from eproxyctl.spaces.declared.largest import admitted, costliest
from eproxyctl.spaces.declared.limits import LimitCheck
from eproxyctl.spaces.declared.options import DeclaredOptions
from eproxyctl.spaces.declared.picture import picture
from eproxyctl.spaces.declared.records import Records
from eproxyctl.spaces.declared.sections import SpaceSection
from eproxyctl.spaces.declared.sizes import Sizes
from eproxyctl.spaces.declared.traits import Traits, described
from eproxyctl.spaces.declared.values import DrawnChoices, Value
from eproxyctl.spaces.notation import shown

if TYPE_CHECKING:
    from eproxyctl.contracts import Network

MOST_LISTED = 1_000_000
MOST_MISSES = 100_000
"""Keys drawn in a row, all seen or left out by limits, after which the space counts as exhausted."""
NOMINAL = {1: (16, 1024), 2: (3, 224, 224), 3: (1, 64, 64, 64)}
"""Inputs for which architectures of a space are compared by size."""


class DeclaredSpace(Space, Sized, Drawable):
    """A space declared in YAML: a stem, stages and a head of blocks, any value of which may be a choice.

    A value is a constant, `{choose: [3, 5]}`, `{from: 16, to: 64, step: 8}`, or `{use: NAME}` of a choice under
    `choices` that several share (with `times: 2`, doubled). A stage has its choices once, or with `each: block` for
    every block up to its depth. `when: {block: mbconv}` makes a choice depend on others, `limits` leaves architectures
    out by size or by comparisons. `eproxyctl list blocks` shows what a stage can be made of; plugins add more.

    A key has a term for each section that chooses, such as `d2:e6k3:e3k5-d1:e6k5`: depth 2, then the blocks.
    """

    kind = "declared"
    ranks: ClassVar[tuple[int, ...]] = (1, 2, 3)
    example = "d2:e3k3:e6k5-d1:e6k3-d3:e3k3:e3k5:e6k5"

    Options = DeclaredOptions
    options: DeclaredOptions

    def __init__(self, options: DeclaredOptions) -> None:
        super().__init__(options)
        named = [(name, section) for name, _, section in options.sections()]
        self._codec = Codec(options.choices, named)
        self._architectures = DeclaredArchitectures(options, self._codec)
        self._records = Records(self._codec, options.columns)
        self._traits = Traits(options, self._codec, self._architectures)
        self._sizes = Sizes()
        self._limits = LimitCheck(options.limits)
        kinds = {cls for _, section in named for cls in section.kinds.values()}
        ranks = tuple(rank for rank in (1, 2, 3) if all(rank in cls.ranks for cls in kinds))
        self.ranks = ranks  # type: ignore[misc]  # narrower than the class's, where a block is
        self._vanishing = any(cls.vanishes is not Block.vanishes for cls in kinds)
        self._plain = not self._vanishing and all(
            (part.block is None or part.block.simple)
            and part.own.simple
            and (part.depth != 0 and (not isinstance(part.depth, DrawnChoices) or 0 not in part.depth.values))
            for part in self._codec.parts
        )
        self._checked = _may_fail([section for _, section in named], options.defaults)
        self._token = self._checked and self._may_lack_token()
        self._nominal = NOMINAL[2 if 2 in ranks else ranks[0]] if ranks else NOMINAL[2]

    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        return self._codec.parameters()

    def encode(self, choices: Mapping[str, Choice]) -> str:
        key = self._codec.write(choices)
        self._check(key)
        return key

    def choices(self, key: str) -> dict[str, Choice]:
        return self._codec.choices(key)

    def parse(self, notation: object) -> str:
        """The key itself, or a mapping of choices, also as JSON and nested as records of tables are (see `columns`)."""
        if isinstance(notation, str):
            text = notation.strip()
            if not text.startswith("{"):
                self._codec.read(text)
                self._check(text)
                return text
            try:
                notation = json.loads(text)
            except (ValueError, RecursionError):
                raise InvalidArchitecture(f"not a mapping of choices in JSON: {shown(text)}") from None
        if not isinstance(notation, Mapping):
            raise InvalidArchitecture(f"not an architecture of this space: {shown(notation)}")
        return self.encode(self._records.choices(notation))

    def canonical(self, key: str) -> str:
        """The blocks that do something, stage by stage; the key itself where all do and each choice counts."""
        if self._plain:
            return key
        written = self._codec.read(key)
        stages = self._stages(written)
        built = self._architectures.walk(stages, self._nominal)
        stems = len(self.options.stems)
        texts = [f"{stage.channels}/{stage.stride} " + stage.blocks[0].name for stage in stages[:stems]]
        for stage, standing in zip(stages[stems:], built.stages, strict=True):
            blocks = ",".join(one.made.name for one in standing)
            texts.append(f"{stage.channels}/{stage.stride} {blocks}" if blocks else "")
        return ">".join([*texts, described(self.options.head, written.values[-1])])

    def largest(self) -> str:
        return self._largest

    @cached_property
    def _largest(self) -> str:
        parameters = self.parameters()
        chosen = costliest(parameters, self._cost)
        if self._limits.any and self._excess(chosen) > 0:
            chosen = admitted(parameters, chosen, self._excess)
        return self.encode(chosen)

    def traits(self, key: str) -> dict[str, float]:
        return self._traits.of(self._codec.read(key))

    def size(self) -> int | None:
        return None if self._limits.any or self._checked else self._codec.size()

    def keys(self) -> Iterator[str] | None:
        """All keys, where there are at most a million combinations of choices."""
        parameters = self.parameters()
        total = 1
        for values in parameters.values():
            total *= len(values)
            if total > MOST_LISTED:
                return None
        return self._listed(parameters)

    def _listed(self, parameters: Mapping[str, tuple[Choice, ...]]) -> Iterator[str]:
        seen = set[str]()
        for values in itertools.product(*parameters.values()):
            try:
                key = self.encode(dict(zip(parameters, values, strict=True)))
            except InvalidArchitecture:
                continue
            if key not in seen:
                seen.add(key)
                yield key

    def sample(self, seed: int) -> Iterator[str]:
        generator = random.Random(f"sample {seed}").random
        total, seen, misses = self._codec.size(), set[str](), 0
        while (total is None or len(seen) < total) and misses < MOST_MISSES:
            key = self._codec.draw(generator)
            new = key not in seen
            seen.add(key)
            if not new or not self._admits(key):
                misses += 1
                continue
            misses = 0
            yield key

    def params_and_macs(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = False
    ) -> tuple[int, int]:
        written = self._codec.read(key)
        built = self._architectures.walk(self._stages(written), shape, fidelity)
        size = self._sizes.of(built, outputs, self._architectures.head(written))
        return size.params, size.macs

    def build(
        self, key: str, shape: tuple[int, ...], outputs: int, fidelity: Fidelity = FULL, *, pruned: bool = True
    ) -> Network:
        written = self._codec.read(key)
        built = self._architectures.walk(self._stages(written), shape, fidelity, check=True)
        return assemble(built, shape, outputs, self._architectures.head(written), fidelity)

    def diagram(self, key: str) -> Diagram:
        built = self._architectures.walk(self._stages(self._codec.read(key)), self._nominal)
        return picture(built, self._nominal)

    def _may_lack_token(self) -> bool:
        """Whether it takes an architecture to know that the class token is there where the head reads it."""
        pool = self.options.head.fields.get("pool", "mean")
        sections = [section for _, _, section in self.options.sections()]
        sure = isinstance(sections[0].fields.get("class_token"), bool) and all(
            cls.takes == "tokens" for section in sections[1:] for cls in section.kinds.values()
        )
        return isinstance(pool, DrawnChoices) or (pool == "class" and not sure)

    def _stages(self, written: WrittenChoices) -> list[StageOf]:
        return self._architectures.stages(written)

    def _admits(self, key: str) -> bool:
        try:
            self._check(key)
        except InvalidArchitecture:
            return False
        return True

    def _check(self, key: str) -> None:
        """Raises InvalidArchitecture where a block does not fit, or the limits leave it out."""
        if not self._checked and not self._limits.any:
            return
        written = self._codec.read(key)
        stages = self._stages(written)
        if self._checked:
            self._architectures.check(stages, self._nominal)
        if self._token:
            _, _, token, tokens = self._architectures.walk(stages, self._nominal).ends[-1]
            reads_token(self._architectures.head(written), tokens=tokens, class_token=token)
        if self._limits.any:
            self._limits.check(self._named(written, stages), self._limited_size(written, stages))

    def _limited_size(self, written: WrittenChoices, stages: list[StageOf]) -> BlockSize | None:
        if not self._limits.sized:
            return None
        limits = self.options.limits
        built = self._architectures.walk(stages, limits.shape)
        return self._sizes.of(built, limits.outputs, self._architectures.head(written))

    def _named(self, written: WrittenChoices, stages: list[StageOf]) -> dict[str, Any]:
        """What rules may name."""
        if not self._limits.rules:
            return {}
        stems = len(self.options.stems)
        named: dict[str, Any] = {"depth": sum(len(stage.blocks) for stage in stages[stems:])}
        named |= written.values[0]
        for i, (name, _, section) in enumerate(self.options.sections(), start=1):
            for field in section.fields:
                if not section.kinds or not section.blockwise(field):
                    named[f"{name}.{field}"] = field_value(section, field, written.values[i])
        return named

    def _excess(self, choices: Mapping[str, Choice]) -> float:
        try:
            written = self._codec.read(self._codec.write(choices))
            stages = self._stages(written)
            self._architectures.walk(stages, self._nominal, check=True)
        except InvalidArchitecture:
            return float("inf")
        return self._limits.excess(self._named(written, stages), self._limited_size(written, stages))[0]

    def _cost(self, choices: Mapping[str, Choice]) -> tuple[float, ...] | None:
        try:
            written = self._codec.read(self._codec.write(choices))
            built = self._architectures.walk(self._stages(written), self._nominal, check=True)
        except InvalidArchitecture:
            return None
        size = self._sizes.of(built, 1, self._architectures.head(written))
        return float(size.macs), float(size.params)


def _may_fail(sections: Sequence[SpaceSection], defaults: Collection[str]) -> bool:
    """Whether choices decide if blocks fit where they stand."""
    strict = [s for s in sections if any(cls.may_fail({*s.fields, *defaults}) for cls in s.kinds.values())]
    decisive = ("block", "channels", "stride", "depth")
    shapes = any(isinstance(s.fields.get(name), DrawnChoices) for s in sections for name in decisive[:3])
    shapes |= any(_may_be_absent(s.fields.get("depth", 1)) for s in sections)
    inner = any(
        isinstance(value, DrawnChoices) for s in strict for name, value in s.fields.items() if name not in decisive
    )
    return (bool(strict) and (shapes or inner)) or any(
        isinstance(v, DrawnChoices) for v in sections[-1].fields.values()
    )


def _may_be_absent(depth: Value) -> bool:
    return isinstance(depth, DrawnChoices) and (bool(depth.use) or 0 in depth.values)

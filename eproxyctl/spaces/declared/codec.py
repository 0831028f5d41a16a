"""Keys of a declared space: from a declaration to its terms, from choices to a key and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from eproxyctl.contracts import Choice
from eproxyctl.errors import InvalidArchitecture, did_you_mean
from eproxyctl.spaces.declared.genes import EMPTY, Gene, Term, shorts
from eproxyctl.spaces.declared.sections import SpaceSection, StageOptions
from eproxyctl.spaces.declared.values import DrawnChoices, Faults, Loc, Value

ONLY = "only"
MOST_READ, MOST_STAGES = 4_096, 65_536
"""The key where nothing is chosen."""


@dataclass(frozen=True)
class Part:
    """The terms of one section.

    Attributes:
        name: `stem`, `stage2`, `head`, or empty for the shared choices.
        own: choices made once.
        block: choices made for every block; None where there are none.
        depth: of a stage, where it is no choice of its own.
        most: blocks at most.
    """

    name: str
    own: Term
    block: Term | None = None
    depth: int | DrawnChoices = 1
    most: int = 1

    @property
    def written(self) -> bool:
        """Whether it has a term in the key."""
        return bool(self.own.genes or self.block)

    def field(self, name: str, block: int | None = None) -> str:
        """The parameter of a choice; blocks are counted from 1."""
        where = [self.name] if self.name else []
        return ".".join([*where, *([] if block is None else [f"block{block}"]), name])

    def blocks(self, values: Mapping[str, Any]) -> int:
        """How many blocks there are, given the values of `own`."""
        if isinstance(self.depth, DrawnChoices):
            return int(self.depth.scaled(values[self.depth.use]) if self.depth.use else values["depth"])
        return self.depth


class WrittenChoices(NamedTuple):
    """A key taken apart: for each part the text and values of its own term, and those of its blocks."""

    texts: tuple[str, ...]
    values: tuple[Mapping[str, Any], ...]
    blocks: tuple[tuple[str, ...], ...]


class Codec:
    """Between choices and keys.

    Args:
        shared: the choices that others use.
        sections: with their names (`stem`, `stage1`, `head`).
    """

    def __init__(self, shared: Mapping[str, DrawnChoices], sections: Sequence[tuple[str, SpaceSection]]) -> None:
        names = {*shared}
        for _, section in sections:
            names |= {n for n, value in section.fields.items() if isinstance(value, DrawnChoices) and not value.use}
        short = shorts(names)
        genes = [_gene(name, short, drawn) for name, drawn in shared.items()]
        self.parts = [Part("", Term(_sorted(genes), {}))]
        self.parts += [_part(name, section, short, shared) for name, section in sections]
        self._written = [part for part in self.parts if part.written]
        self._order = [(i, part, part.written) for i, part in enumerate(self.parts)]
        self._parameters = dict(self._list())
        self._names = [
            (
                [part.field(gene.field) for gene in part.own.genes],
                [_names(part, block + 1) for block in range(part.most)],
            )
            for part in self._written
        ]
        self.read = lru_cache(maxsize=MOST_READ)(self._read)
        """A key taken apart. Raises InvalidArchitecture where it is none."""
        self._stages: dict[tuple[int, str, str], tuple[str, Mapping[str, Any], tuple[str, ...]]] = {}

    def _list(self) -> Iterator[tuple[str, tuple[Choice, ...]]]:
        for part in self.parts:
            for gene in part.own.genes:
                yield part.field(gene.field), gene.values
            for block in range(1, part.most + 1) if part.block else ():
                for gene in part.block.genes if part.block else ():
                    yield part.field(gene.field, block), gene.values

    def parameters(self) -> dict[str, tuple[Choice, ...]]:
        """Every choice by name, in the order of keys."""
        return self._parameters

    def draw(self, random: Any) -> str:
        """A key whose choices are drawn with equal chances."""
        shared: Mapping[str, Any] = {}
        texts: list[str] = []
        for part in self._written:
            text = part.own.draw(random, shared) if part.own.genes else ""
            if not part.name:
                shared = part.own.read(text, {})
            elif part.block:
                values = part.own.read(text, shared, texts[0] if shared else "") if text else shared
                own = [text] if text else []
                blocks = part.blocks(values)
                draw, outer = part.block.draw, values
                text = ":".join(own + [draw(random, outer) for _ in range(blocks)]) or EMPTY
            texts.append(text)
        return "-".join(texts) or ONLY

    def write(self, choices: Mapping[str, Choice]) -> str:
        """Choices → key. Raises InvalidArchitecture where one that is made is missing, or no value of its choice."""
        shared: Mapping[str, Any] = {}
        texts: list[str] = []
        for part, (names, blocks_of) in zip(self._written, self._names, strict=True):
            try:
                text = self._own(part.own, names, choices, shared) if names else ""
                values = part.own.read(text, shared, texts[0] if shared else "") if text else shared
                if not part.name:
                    shared = values
                if part.block:
                    term, count = part.block, part.blocks(values)
                    blocks = [self._own(term, names, choices, values) for names in blocks_of[:count]]
                    text = ":".join([text] * bool(text) + blocks) or EMPTY
            except InvalidArchitecture as error:
                what = f"{part.name}: {error.message}" if part.name else error.message
                raise InvalidArchitecture(what, hint=self._hint(choices) or error.hint) from None
            texts.append(text)
        return "-".join(texts) or ONLY

    def _hint(self, choices: Mapping[str, Any]) -> str:
        """The likely name of one that is none."""
        unknown = next((name for name in choices if name not in self._parameters), None)
        return "" if unknown is None else f"no choice is called '{unknown}'; " + did_you_mean(unknown, self._parameters)

    def _own(self, term: Term, names: Sequence[str], choices: Mapping[str, Choice], outer: Mapping[str, Any]) -> str:
        quick = term.quick(choices, names) if term.simple else ""
        if quick:
            return quick
        given = {gene.field: choices.get(name) for gene, name in zip(term.genes, names, strict=True)}
        return term.write(given, outer)

    def _read(self, key: str) -> WrittenChoices:
        """A key taken apart. Raises InvalidArchitecture where it is none."""
        texts = [] if key == ONLY else key.split("-")
        if len(texts) != len(self._written):
            what = f"{len(self._written)} terms are expected in a key, and '{key[:120]}' has {len(texts)}"
            raise InvalidArchitecture(what, hint="terms are joined by -")
        owns, every, blocks = list[str](), list[Mapping[str, Any]](), list[tuple[str, ...]]()
        shared: Mapping[str, Any] = {}
        left, token = iter(texts), ""
        for i, part, stated in self._order:
            text = next(left) if stated else ""
            slot = (i, token, text)
            taken = self._stages.get(slot)
            if taken is None:
                if len(self._stages) > MOST_STAGES:
                    self._stages.clear()
                taken = self._stages[slot] = self._take(part, text, shared, token)
            if not i:
                token, shared, _ = taken
            owns.append(taken[0])
            every.append(taken[1])
            blocks.append(taken[2])
        return WrittenChoices(tuple(owns), tuple(every), tuple(blocks))

    def _take(
        self, part: Part, text: str, shared: Mapping[str, Any], token: str
    ) -> tuple[str, Mapping[str, Any], tuple[str, ...]]:
        """A part's text taken apart."""
        own: str = text
        blocks: tuple[str, ...] = ()
        if part.block:
            nothing = text == EMPTY and not part.own.genes
            pieces = (
                []
                if nothing and part.blocks(shared if isinstance(part.depth, DrawnChoices) else {}) == 0
                else text.split(":")
            )
            own = pieces.pop(0) if part.own.genes else ""
            blocks = tuple(pieces)
        values = part.own.read(own or EMPTY, shared, token)
        if part.block and len(blocks) != part.blocks(values):
            raise InvalidArchitecture(f"{part.name}: {part.blocks(values)} blocks are expected in '{text}'")
        for block in blocks:
            if part.block:
                part.block.read(block, values, f"{token}|{own}")
        return own, values, blocks

    def choices(self, key: str) -> dict[str, Choice]:
        """Key → choices; those that are not made have their first value."""
        written = self.read(key)
        found: dict[str, Choice] = {}
        for part, text, values, blocks in zip(self.parts, written.texts, written.values, written.blocks, strict=True):
            for gene in part.own.genes:
                value = values[gene.field] if gene.always or gene.active(values) else None
                found[part.field(gene.field)] = gene.values[0] if value is None else value
            for i in range(part.most if part.block else 0):
                assert part.block is not None
                inner = part.block.read(blocks[i], values, _outer(written, text)) if i < len(blocks) else {}
                for gene in part.block.genes:
                    made = i < len(blocks) and (gene.always or gene.active(inner))
                    found[part.field(gene.field, i + 1)] = inner[gene.field] if made else gene.values[0]
        return found

    def size(self) -> int | None:
        """How many keys there are; None where that takes enumerating them."""
        total = 1
        for part in self.parts:
            own, block = part.own.count(), part.block.count() if part.block else 1
            if own is None or block is None or (isinstance(part.depth, DrawnChoices) and part.depth.use and part.block):
                return None
            if part.block and isinstance(part.depth, DrawnChoices):
                own //= len(part.depth.values)
                total *= own * sum(block ** int(depth) for depth in part.depth.values)
            else:
                total *= own * block ** (part.most if part.block else 0)
        return total


def _names(part: Part, block: int) -> list[str]:
    """The parameters of a block."""
    return [part.field(gene.field, block) for gene in part.block.genes] if part.block else []


def _outer(written: WrittenChoices, text: str) -> str:
    """What block terms are kept by beside their own text."""
    return f"{written.texts[0]}|{text}"


def _gene(name: str, short: Mapping[str, str], drawn: DrawnChoices, kinds: frozenset[str] | None = None) -> Gene:
    when = tuple((one.name, one.values) for one in drawn.when)
    return Gene(name, short[name], drawn.values, kinds, when, drawn.otherwise)


def _sorted(genes: Sequence[Gene]) -> list[Gene]:
    """By name, `depth` and `block` first, each behind those it depends on."""
    rank = {"depth": 0, "block": 1}
    left = sorted(genes, key=lambda gene: (rank.get(gene.field, 2), gene.field))
    done: list[Gene] = []
    while left:
        waiting = {gene.field for gene in left}
        gene = next(g for g in left if not any(name in waiting and name != g.field for name, _ in g.when))
        left.remove(gene)
        done.append(gene)
    return done


def _part(name: str, section: SpaceSection, short: Mapping[str, str], shared: Mapping[str, DrawnChoices]) -> Part:
    own, block, constants = list[Gene](), list[Gene](), dict[str, Any]()
    for field, value in section.fields.items():
        if not isinstance(value, DrawnChoices) or value.use:
            if not isinstance(value, DrawnChoices):
                constants[field] = value
            continue
        having = frozenset(kind for kind, cls in section.kinds.items() if field in cls.Options.model_fields)
        everywhere = field in StageOptions.model_fields or field == "block" or len(having) == len(section.kinds)
        everywhere |= section.blockwise("block") and not section.blockwise(field) if section.kinds else True
        gene = _gene(field, short, value, None if everywhere else having)
        (block if section.blockwise(field) else own).append(gene)
    depth = section.fields.get("depth", 1)
    least = depth if isinstance(depth, DrawnChoices) else int(depth or 0)
    term = Term(_sorted(block), constants) if block else None
    return Part(name, Term(_sorted(own), constants), term, least, most_blocks(depth, shared))


def most_blocks(depth: Value, shared: Mapping[str, DrawnChoices]) -> int:
    """The largest depth a stage can have."""
    if not isinstance(depth, DrawnChoices):
        return int(depth or 0)
    values = [depth.scaled(value) for value in shared[depth.use].values] if depth.use else list(depth.values)
    return max(int(value) for value in values)


def circles(shared: Mapping[str, DrawnChoices], faults: Faults) -> None:
    """Adds a fault where shared choices depend on each other in a circle."""
    _circles({(name,): drawn for name, drawn in shared.items()}, ("choices",), faults)


def section_circles(section: SpaceSection, loc: Loc, faults: Faults) -> None:
    """Adds a fault where the choices of a section do."""
    drawn = {(name,): value for name, value in section.fields.items() if isinstance(value, DrawnChoices)}
    _circles(drawn, loc, faults)


def _circles(drawn: Mapping[tuple[str], DrawnChoices], loc: Loc, faults: Faults) -> None:
    left = {name: {one.name for one in value.when} for (name,), value in drawn.items()}
    while ready := [name for name, wanted in left.items() if not wanted & left.keys()]:
        for name in ready:
            del left[name]
    for name in left:
        faults.add((*loc, name, "when"), f"'{name}' depends on itself through {', '.join(sorted(left))}")

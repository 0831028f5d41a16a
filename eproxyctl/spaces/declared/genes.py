"""The choices of a declared space, and how each is written in a key.

A key has a term for the shared choices, for each part of the stem, each stage and the head, joined by `-`; a term
without choices is left out. A stage drawn block by block writes a term for each block behind `:`. A choice is the
shortest beginning of its name that no other name of the space has, then its value: `d2:e6k3:e4k5`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eproxyctl.contracts import Choice
from eproxyctl.errors import InvalidArchitecture

NUMBER, NAME = re.compile(r"[0-9.]+"), re.compile(r"[A-Za-z0-9_]+")
EMPTY = "_"
MOST_TEXTS = 4_096
Values = Mapping[str, Any]


def text_of(value: Choice) -> str:
    """A value as keys write it: true and false as 1 and 0, numbers without exponent."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:.9f}".rstrip("0").rstrip(".")
    return str(value)


def shorts(names: Iterable[str]) -> dict[str, str]:
    """The shortest beginning of each name that no other has; the whole name where another begins with it."""
    every = sorted(set(names))
    found = {}
    for name in every:
        others = [other for other in every if other != name]
        lengths = range(1, len(name) + 1)
        short = next((name[:n] for n in lengths if not any(o.startswith(name[:n]) for o in others)), name)
        found[name] = short + "=" if short[-1].isdigit() else short
    return found


@dataclass(frozen=True)
class Gene:
    """One choice.

    Attributes:
        field: its name among the values of its term.
        short: how keys write the name.
        values: sorted.
        kinds: the blocks that have it; None: all of the stage.
        when: other values of the term, or shared ones, that it depends on.
        otherwise: its value where it is not made.
    """

    field: str
    short: str
    values: tuple[Choice, ...]
    kinds: frozenset[str] | None = None
    when: tuple[tuple[str, frozenset[Choice]], ...] = ()
    otherwise: Choice | None = None

    @property
    def always(self) -> bool:
        """Whether it is made whatever the others are."""
        return self.kinds is None and not self.when

    def active(self, values: Values) -> bool:
        """Whether it is made, given those it depends on."""
        if self.kinds is not None and values["block"] not in self.kinds:
            return False
        return all(values.get(name) in wanted for name, wanted in self.when)


class Term:
    """Choices that are made together: of a stage, a block, a head.

    Args:
        genes: each behind those it depends on.
        constants: values that conditions may name.
    """

    def __init__(self, genes: Sequence[Gene], constants: Values) -> None:
        self.genes = tuple(genes)
        self.constants = dict(constants)
        self.simple = all(gene.always for gene in self.genes)
        self.texts = [{value: text_of(value) for value in gene.values} for gene in self.genes]
        self._values = [{text: value for value, text in texts.items()} for texts in self.texts]
        self._words = [isinstance(gene.values[-1], str) for gene in self.genes]
        self.tokens = [self._tokens(i) for i in range(len(self.genes))]
        self._known: dict[tuple[str, str], dict[str, Any]] = {}
        self._written = [
            dict(zip(gene.values, tokens, strict=True)) for gene, tokens in zip(genes, self.tokens, strict=True)
        ]
        self._every: list[str] = []
        if self.simple and math.prod(map(len, self.tokens)) <= MOST_TEXTS:
            self._every = ["".join(tokens) or EMPTY for tokens in itertools.product(*self.tokens)]

    def _tokens(self, i: int) -> list[str]:
        """What each value of a choice adds to a key, where all choices are made."""
        end = "~" if self._words[i] and i < len(self.genes) - 1 else ""
        return [self.genes[i].short + text + (end if isinstance(v, str) else "") for v, text in self.texts[i].items()]

    def quick(self, choices: Values, names: Sequence[str]) -> str:
        """As `write`, of a simple term whose choices have these names; empty where one is no value of its choice."""
        try:
            texts = [written[choices[name]] for written, name in zip(self._written, names, strict=True)]
        except (KeyError, TypeError):
            return ""
        return "".join(texts) or EMPTY

    def write(self, values: Values, outer: Values) -> str:
        """The text of values, checked. Raises InvalidArchitecture where one is no value of its choice."""
        text, word = "", False
        seen: dict[str, Any] = {**outer, **self.constants}
        for gene, texts in zip(self.genes, self.texts, strict=True):
            if not gene.always and not gene.active(seen):
                seen[gene.field] = gene.otherwise
                continue
            value = values.get(gene.field)
            try:
                token = texts[value]  # type: ignore[index]
            except (KeyError, TypeError):
                raise InvalidArchitecture(
                    f"'{gene.field}' cannot be {value!r}", hint="one of " + ", ".join(texts.values())
                ) from None
            seen[gene.field] = value
            text += ("~" if word else "") + gene.short + token
            word = isinstance(value, str)
        return text or EMPTY

    def read(self, text: str, outer: Values, token: str = "") -> dict[str, Any]:
        """The values that a text stands for; those of choices that are not made are `otherwise`.

        Args:
            text: of the term.
            outer: values of outer terms that conditions name.
            token: the text of the outer terms, as the values are kept by both.
        """
        known = self._known.get((text, token))
        if known is None:
            if len(self._known) > 65_536:
                self._known.clear()
            known = self._known[text, token] = self._scan(text, outer)
        return known

    def _scan(self, text: str, outer: Values) -> dict[str, Any]:
        found: dict[str, Any] = {**outer, **self.constants}
        rest, word = ("" if text == EMPTY else text), False
        for gene, values in zip(self.genes, self._values, strict=True):
            if not gene.always and not gene.active(found):
                found[gene.field] = gene.otherwise
                continue
            start = ("~" if word else "") + gene.short
            if not rest.startswith(start):
                raise InvalidArchitecture(f"'{start}' ({gene.field}) is expected where '{rest or text}' begins")
            rest = rest[len(start) :]
            match = NUMBER.match(rest)
            if match is None or match[0] not in values:
                match = NAME.match(rest)
            if match is None or match[0] not in values:
                raise InvalidArchitecture(
                    f"'{gene.field}' cannot be '{match[0] if match else rest}'", hint="one of " + ", ".join(values)
                )
            found[gene.field] = values[match[0]]
            rest, word = rest[match.end() :], isinstance(found[gene.field], str)
        if rest:
            raise InvalidArchitecture(f"'{rest}' is left over of '{text}'")
        return found

    def draw(self, random: Any, outer: Values) -> str:
        """The text of values drawn with equal chances; `random` gives numbers in [0, 1)."""
        if self._every:
            return self._every[int(random() * len(self._every))]
        if self.simple:
            return "".join([tokens[int(random() * len(tokens))] for tokens in self.tokens]) or EMPTY
        values: dict[str, Any] = {**outer, **self.constants}
        for gene in self.genes:
            made = gene.active(values)
            values[gene.field] = gene.values[int(random() * len(gene.values))] if made else gene.otherwise
        return self.write(values, outer)

    def first(self) -> dict[str, Choice]:
        """The first value of each choice."""
        return {gene.field: gene.values[0] for gene in self.genes}

    def count(self) -> int | None:
        """How many texts there are; None where some choices depend on others."""
        total = 1
        for gene in self.genes:
            total *= len(gene.values)
        return total if self.simple else None

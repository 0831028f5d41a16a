"""What a cell computes: its official graph, the smallest graph of the same function, and the paths through it.

In a graph, values 0 and 1 are the two inputs, value k + 2 is the sum of the terms listed in `sums[k]`, a term is an
operation on a value, and `concat` lists the values whose channels make the output. A value comes after those it needs.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

from eproxyctl.spaces.genotype import CODES, Genotype, GenotypeCell
from eproxyctl.spaces.traits import Ways, step, through

INPUTS = (0, 1)
Atom = int | tuple[str, "Value"] | tuple[str, int]
"""A term by what it is: an input; a pooling by what it pools; an operation with weights, which it owns, by its edge."""
Value = frozenset[tuple["Atom", int]]
"""A sum: how often each atom is in it. Empty: zero."""


class CellGraph(NamedTuple):
    """A cell as its network is built from it."""

    terms: tuple[tuple[str, int], ...]
    sums: tuple[tuple[int, ...], ...]
    concat: tuple[int, ...]

    @property
    def inputs(self) -> tuple[int, ...]:
        """The inputs the output depends on, where the graph is a simplified one."""
        taken = {source for _, source in self.terms} | set(self.concat)
        return tuple(i for i in INPUTS if i in taken)

    @property
    def text(self) -> str:
        terms = ".".join(f"{CODES[operation]}{source}" for operation, source in self.terms)
        sums = ".".join("+".join(map(str, summed)) for summed in self.sums)
        return f"{terms}>{sums}>{'+'.join(map(str, self.concat))}"


def official_graph(cell: GenotypeCell) -> CellGraph:
    """The cell as the benchmark builds it, dead parts included; `none` has neither weights nor a value."""
    terms: list[tuple[str, int]] = []
    sums: list[list[int]] = [[] for _ in range(cell.nodes)]
    for position, (operation, source) in enumerate(cell.edges):
        if operation != "none":
            sums[position // 2].append(len(terms))
            terms.append((operation, source))
    return CellGraph(tuple(terms), tuple(map(tuple, sums)), cell.concat)


def parametric(operation: str, source: int, *, reduction: bool) -> bool:
    """Whether a term has weights; a skip that halves the resolution does."""
    if operation == "skip_connect":
        return reduction and source in INPUTS
    return "pool" not in operation


@lru_cache(maxsize=4_096)
def simplified_graph(cell: GenotypeCell, reduction: bool) -> CellGraph:
    """The smallest graph that computes the same, in an order that depends on the function only.

    Nodes no output depends on are dropped, as are `none` and what is applied to a node that is zero (a convolution of
    zeros, normalised, is zero but for a bias that starts at zero). Skips are contracted and sums flattened. Of the
    orders that are alike but for names the least is taken. An output's channels keep their number: a zero node's stay.
    """
    values, meaning = _values(cell, reduction)
    outputs = [values[node] for node in cell.concat]
    live = _live(outputs, meaning)
    inner = {meaning[atom][1] for atom in live} | set(outputs)
    inner -= {frozenset({(i, 1)}) for i in INPUTS}
    best: tuple[list[tuple[str, int, tuple[int, ...]]], list[int]] | None = None
    for order in _orders(inner, meaning):
        number = {frozenset({(i, 1)}): i for i in INPUTS} | {value: k + 2 for k, value in enumerate(order)}
        summed = [dict(value) for value in order]
        atoms: list[Atom] = [*live, *(i for i in INPUTS if any(i in s for s in summed))]
        rows = []
        for atom in atoms:
            operation, source = ("skip_connect", atom) if isinstance(atom, int) else _term(meaning[atom], number)
            rows.append((operation, source, tuple(s.get(atom, 0) for s in summed)))
        candidate = (sorted(rows), sorted(number[value] for value in outputs))
        best = candidate if best is None or candidate < best else best
    if best is None:
        raise AssertionError("a set of values has at least one order")
    rows, concat = best
    return CellGraph(
        tuple((operation, source) for operation, source, _ in rows),
        tuple(tuple(t for t, (_, _, times) in enumerate(rows) for _ in range(times[k])) for k in range(len(inner))),
        tuple(concat),
    )


Meaning = dict[Atom, tuple[str, Value]]


def _term(meaning: tuple[str, Value], number: dict[Value, int]) -> tuple[str, int]:
    operation, operand = meaning
    return operation, number[operand]


def _values(cell: GenotypeCell, reduction: bool) -> tuple[list[Value], Meaning]:
    """Each value as a sum of atoms; each atom's operation and operand."""
    values: list[Value] = [frozenset({(0, 1)}), frozenset({(1, 1)})]
    meaning: Meaning = {}
    for node in range(cell.nodes):
        total: Counter[Atom] = Counter()
        for position in (2 * node, 2 * node + 1):
            operation, source = cell.edges[position]
            operand = values[source]
            if operation == "none" or not operand:
                continue
            if parametric(operation, source, reduction=reduction):
                atom: Atom = ("edge", position)
            elif operation == "skip_connect":
                total.update(dict(operand))
                continue
            else:
                atom = (operation, operand)
            meaning[atom] = (operation, operand)
            total[atom] += 1
        values.append(frozenset(total.items()))
    return values, meaning


def _live(outputs: Iterable[Value], meaning: Meaning) -> set[Atom]:
    """The atoms, inputs apart, that the outputs depend on."""
    live: set[Atom] = set()
    pending = [atom for value in outputs for atom, _ in value]
    while pending:
        atom = pending.pop()
        if not isinstance(atom, int) and atom not in live:
            live.add(atom)
            pending += [inner for inner, _ in meaning[atom][1]]
    return live


def _orders(values: set[Value], meaning: Meaning) -> Iterator[tuple[Value, ...]]:
    """Orders to choose from: by height, then by the formula; those of equal formulas in every order."""
    ranks: dict[tuple[int, str], list[Value]] = {}
    for value in values:
        ranks.setdefault(_formula(value, meaning), []).append(value)
    groups = [ranks[rank] for rank in sorted(ranks)]
    for choice in itertools.product(*(itertools.permutations(group) for group in groups)):
        yield tuple(itertools.chain.from_iterable(choice))


def _formula(value: Value, meaning: Meaning) -> tuple[int, str]:
    """(terms on the longest way from an input, the formula with its variables' names left out)."""
    height, parts = 0, []
    for atom, times in value:
        if isinstance(atom, int):
            parts.append(f"{times}*{atom}")
            continue
        operation, operand = meaning[atom]
        below, text = _formula(operand, meaning)
        height = max(height, below + 1)
        parts.append(f"{times}*{operation}({text})")
    return height, "+".join(sorted(parts))


# ------------------------------------------------------------------------------------------------------------ ways

Kind = Literal["parametric", "pooling"]
"""Which operations a way's length counts: those with weights, or poolings."""


@lru_cache(maxsize=4_096)
def cell_ways(cell: GenotypeCell, reduction: bool, kind: Kind = "parametric") -> tuple[Ways, Ways]:
    """The live ways from each of the two inputs to the cell's output."""
    graph = simplified_graph(cell, reduction)
    if kind == "pooling":
        lengths = [int("pool" in operation) for operation, _ in graph.terms]
    else:
        lengths = [int(parametric(operation, source, reduction=reduction)) for operation, source in graph.terms]
    first, second = through([source for _, source in graph.terms], lengths, graph.sums, graph.concat, len(INPUTS))
    return first, second


def network_ways(genotype: Genotype, kind: Kind = "parametric") -> Ways:
    """The live ways from the stem to the last cell's output; the 1×1 convolution before each input does not count."""
    before, last = step(0), step(0)
    reductions = {genotype.depth // 3, 2 * genotype.depth // 3}
    for i in range(genotype.depth):
        cell = genotype.reduce if i in reductions else genotype.normal
        first, second = cell_ways(cell, i in reductions, kind)
        before, last = last, before.then(first) + last.then(second)
    return last

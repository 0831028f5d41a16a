"""Recurrent cells as recipes: nodes, each an operation on the input, on the previous states or on other nodes.

A recipe in memory, its key (`lin.x.h0-tanh.1~2`), the notation of NAS-Bench-NLP's records, and an order of nodes and
states that depends on the graph alone, so that recipes that differ by names or order have one key.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from eproxyctl.errors import InvalidArchitecture, did_you_mean

OFFICIAL = {
    "lin": "linear",
    "blend": "blend",
    "tanh": "activation_tanh",
    "sigm": "activation_sigm",
    "leaky": "activation_leaky_relu",
    "sum": "elementwise_sum",
    "prod": "elementwise_prod",
}
SHORT = {official: short for short, official in OFFICIAL.items()}
OPERATIONS = tuple(OFFICIAL)
ORDERED = ("blend",)
"""Operations whose inputs may not be exchanged."""
X = -1
"""The input as a source; state k is -2 - k, and node i is i."""
MAX_NODES = 40
EXAMPLE = "lin.x.h0-tanh.1~2"
Node = tuple[str, tuple[int, ...]]
"""Operation, sources."""


@dataclass(frozen=True)
class Recipe:
    """A cell: nodes, each after its sources, and the node that becomes each state. State 0 is the cell's output."""

    nodes: tuple[Node, ...]
    states: tuple[int, ...]


def to_key(recipe: Recipe) -> str:
    """Nodes as `operation.source.source`, numbered from 1, joined by `-`; after `~` the nodes that become h0, h1, …"""
    nodes = "-".join(".".join((operation, *map(source_name, inputs))) for operation, inputs in recipe.nodes)
    return nodes + "~" + ".".join(source_name(node) for node in recipe.states)


def source_name(source: int) -> str:
    """`x`, `h0`, `h1` … or a node's number, from 1."""
    if source == X:
        return "x"
    return str(source + 1) if source >= 0 else f"h{-2 - source}"


@lru_cache(maxsize=4_096)
def recipe_from_key(text: str) -> Recipe:
    """The recipe of a key, whatever the order its nodes are written in."""
    body, _, tail = text.partition("~")
    nodes = []
    for term in body.split("-"):
        operation, *inputs = term.split(".")
        nodes.append((operation, tuple(_source(text, name) for name in inputs)))
    return _checked(nodes, tuple(_source(text, name) for name in tail.split(".")))


def _source(text: str, name: str) -> int:
    match = re.fullmatch(r"(h|)(0|[1-9]\d{0,3})", name, flags=re.ASCII)
    if name == "x":
        return X
    if not match or name == "0":
        raise InvalidArchitecture(f"'{name}' is no input, state or node in {text!r}", hint=f"write a cell as {EXAMPLE}")
    return -2 - int(match[2]) if match[1] else int(match[2]) - 1


def from_mapping(recipe: Mapping[object, object]) -> Recipe:
    """NAS-Bench-NLP's notation: name → {op, input}; inputs `x`, `h_prev_K`, and a node `h_new_K` for each state K."""
    index = {name: i for i, name in enumerate(recipe)}
    found: dict[int, int] = {}
    for name, i in index.items():
        if not isinstance(name, str) or name == "x" or re.fullmatch(r"h_prev_\d+", name):
            raise InvalidArchitecture(f"{name!r} cannot be the name of a node", hint="x and h_prev_K are inputs")
        if match := re.fullmatch(r"h_new_(\d{1,4})", name, flags=re.ASCII):
            found[int(match[1])] = i
    if sorted(found) != list(range(len(found))) or not found:
        raise InvalidArchitecture("a recipe needs h_new_0, h_new_1, … without a gap", hint="h_new_0 is the output")
    nodes = [_named_node(str(name), node, index) for name, node in recipe.items()]
    return _checked(nodes, tuple(found[k] for k in range(len(found))))


def _named_node(name: str, node: object, index: Mapping[object, int]) -> Node:
    operation = node.get("op") if isinstance(node, Mapping) else None
    inputs = node.get("input") if isinstance(node, Mapping) else None
    if not isinstance(operation, str) or not isinstance(inputs, Sequence) or isinstance(inputs, str):
        raise InvalidArchitecture(f"node '{name}' is not {{op, input}}: {node!r}", hint="see NAS-Bench-NLP's recipes")
    if operation not in SHORT:
        raise InvalidArchitecture(f"no operation '{operation}', of node '{name}'", hint=did_you_mean(operation, SHORT))
    sources = []
    for source in inputs:
        match = re.fullmatch(r"h_prev_(\d{1,4})", source, flags=re.ASCII) if isinstance(source, str) else None
        if match or source == "x":
            sources.append(-2 - int(match[1]) if match else X)
        elif isinstance(source, str) and source in index:
            sources.append(index[source])
        else:
            raise InvalidArchitecture(f"node '{name}' reads {source!r}, which is nothing", hint="a node, x or h_prev_K")
    return SHORT[operation], tuple(sources)


def _checked(nodes: Sequence[Node], states: tuple[int, ...]) -> Recipe:
    """The recipe in canonical order; InvalidArchitecture where it is none."""
    if len(nodes) > MAX_NODES or len(states) > MAX_NODES:
        raise InvalidArchitecture(f"{len(nodes)} nodes and {len(states)} states: at most {MAX_NODES} of each")
    if any(not 0 <= node < len(nodes) for node in states):
        raise InvalidArchitecture(f"a state must be one of the {len(nodes)} nodes", hint=f"write a cell as {EXAMPLE}")
    for number, (operation, inputs) in enumerate(nodes, start=1):
        if operation not in OFFICIAL:
            raise InvalidArchitecture(
                f"no operation '{operation}', of node {number}", hint=did_you_mean(operation, OFFICIAL)
            )
        few, many = {"lin": (1, 99), "blend": (3, 3), "sum": (2, 99), "prod": (2, 99)}.get(operation, (1, 1))
        if not few <= len(inputs) <= many:
            raise InvalidArchitecture(f"node {number}, {operation}, takes {few} inputs and has {len(inputs)}")
        for source in inputs:
            if source >= len(nodes) or -2 - source >= len(states):
                raise InvalidArchitecture(f"node {number} reads {source_name(source)}, which does not exist")
            if source == X and operation != "lin":
                raise InvalidArchitecture(
                    f"node {number}, {operation}, reads x, whose size is not the states'", hint="only lin may read x"
                )
    return ordered(nodes, states)


def needed(recipe: Recipe) -> set[int]:
    """The nodes and states that the output, state 0, depends on now or later; states as -2 - k."""
    found: set[int] = set()
    pending = [recipe.states[0], -2]
    while pending:
        source = pending.pop()
        if source not in found and source != X:
            found.add(source)
            pending += recipe.nodes[source][1] if source >= 0 else [recipe.states[-2 - source]]
    return found


def reached(recipe: Recipe) -> Recipe:
    """Without the nodes and states that the output, state 0, never depends on."""
    found = needed(recipe)
    states = [k for k in range(len(recipe.states)) if -2 - k in found]
    nodes = [i for i in range(len(recipe.nodes)) if i in found]
    renamed = {X: X} | {-2 - k: -2 - i for i, k in enumerate(states)} | {node: i for i, node in enumerate(nodes)}
    return ordered(
        [(recipe.nodes[i][0], tuple(renamed[source] for source in recipe.nodes[i][1])) for i in nodes],
        [renamed[recipe.states[k]] for k in states],
    )


@lru_cache(maxsize=4_096)
def live(recipe: Recipe) -> Recipe:
    """What the output depends on, with equal nodes made one, except for lin, which owns its weights."""
    recipe = reached(recipe)
    merged: list[Node] = []
    renamed: dict[int, int] = {}
    for i, (operation, inputs) in enumerate(recipe.nodes):
        sources = tuple(renamed.get(source, source) for source in inputs)
        node = (operation, sources if operation in ORDERED else tuple(sorted(sources)))
        if operation == "lin" or node not in merged:
            merged.append(node)
            renamed[i] = len(merged) - 1
        else:
            renamed[i] = merged.index(node)
    if len(merged) == len(recipe.nodes):
        return recipe  # in order already
    return ordered(merged, [renamed[node] for node in recipe.states])


# ------------------------------------------------------------------------------------------------- canonical order

Colours = tuple[int, ...]
"""A rank for each node, then each state, then x; equal for those not told apart yet."""
Signature = tuple[Any, ...]
"""What tells vertices apart, in comparable terms."""


def ordered(nodes: Sequence[Node], states: Sequence[int]) -> Recipe:
    """The same cell with its nodes and states (but h0) in an order that depends on the graph alone.

    Vertices are told apart by operation, depth and neighbours until nothing changes; of those still alike one is
    singled out, and of the results the least is the order (as graph canonicalisation does, McKay 1981).
    """
    return _Graph(nodes, states).least()


class _Graph:
    def __init__(self, nodes: Sequence[Node], states: Sequence[int]) -> None:
        self.nodes, self.states = nodes, states
        self.x = len(nodes) + len(states)
        self.inputs = [[self._vertex(source) for source in inputs] for _, inputs in nodes]
        self.readers: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for node, inputs in enumerate(self.inputs):
            for place, vertex in enumerate(inputs):
                self.readers[vertex].append((node, place if nodes[node][0] in ORDERED else 0))

    def _vertex(self, source: int) -> int:
        if source >= 0:
            return source
        return self.x if source == X else len(self.nodes) - 2 - source

    def least(self) -> Recipe:
        depths = self._depths()
        kinds: list[tuple[int, ...]] = [
            (3, depth, OPERATIONS.index(operation), len(inputs))
            for depth, (operation, inputs) in zip(depths, self.nodes, strict=True)
        ]
        kinds += [(1,) if k == 0 else (2,) for k in range(len(self.states))] + [(0,)]
        return self._search(_ranks(kinds))

    def _depths(self) -> list[int]:
        depths: dict[int, int] = {}
        while len(depths) < len(self.nodes):
            ready = [
                node
                for node, inputs in enumerate(self.inputs)
                if node not in depths and all(v in depths or v >= len(self.nodes) for v in inputs)
            ]
            if not ready:
                raise InvalidArchitecture("the recipe's nodes read each other in a circle")
            depths |= {node: 1 + max((depths.get(v, 0) for v in self.inputs[node]), default=0) for node in ready}
        return [depths[node] for node in range(len(self.nodes))]

    def _search(self, colours: Colours) -> Recipe:
        colours = self._refine(colours)
        alike = _first_alike(colours)
        if not alike:
            return self._recipe(colours)
        found: list[Recipe] = []
        seen: set[Recipe] = set()
        for vertex in alike:
            single = _single_out(colours, vertex)
            first = self._first(single)
            # An equal result means that a symmetry of the cell exchanges the two vertices.
            if first not in seen:
                seen.add(first)
                found.append(self._search(single))
        return min(found, key=lambda recipe: (recipe.nodes, recipe.states))

    def _first(self, colours: Colours) -> Recipe:
        colours = self._refine(colours)
        while alike := _first_alike(colours):
            colours = self._refine(_single_out(colours, alike[0]))
        return self._recipe(colours)

    def _refine(self, colours: Colours) -> Colours:
        while True:
            finer = _ranks([self._signature(vertex, colours) for vertex in range(self.x + 1)])
            if finer == colours:
                return colours
            colours = finer

    def _signature(self, vertex: int, colours: Colours) -> Signature:
        readers = tuple(sorted((colours[node], place) for node, place in self.readers[vertex]))
        if vertex == self.x:
            return colours[vertex], (), readers, ()
        first_state = len(self.nodes)
        if vertex >= first_state:
            return colours[vertex], (colours[self.states[vertex - first_state]],), readers, ()
        inputs = [colours[v] for v in self.inputs[vertex]]
        if self.nodes[vertex][0] not in ORDERED:
            inputs.sort()
        becomes = sorted(colours[first_state + k] for k, node in enumerate(self.states) if node == vertex)
        return colours[vertex], tuple(inputs), readers, tuple(becomes)

    def _recipe(self, colours: Colours) -> Recipe:
        count = len(self.nodes)
        node_order = sorted(range(count), key=lambda node: colours[node])
        state_order = sorted(range(len(self.states)), key=lambda k: colours[count + k])
        named = {self.x: X} | {node: i for i, node in enumerate(node_order)}
        named |= {count + k: -2 - i for i, k in enumerate(state_order)}
        nodes = []
        for node in node_order:
            inputs = [named[v] for v in self.inputs[node]]
            if self.nodes[node][0] not in ORDERED:
                inputs.sort(key=lambda source: (source >= 0, abs(source)))
            nodes.append((self.nodes[node][0], tuple(inputs)))
        return Recipe(tuple(nodes), tuple(named[self.states[k]] for k in state_order))


def _ranks(signatures: Sequence[Signature]) -> Colours:
    """Each signature's place among the distinct ones, sorted."""
    places = {signature: i for i, signature in enumerate(sorted(set(signatures)))}
    return tuple(places[signature] for signature in signatures)


def _first_alike(colours: Colours) -> list[int]:
    """The vertices of the lowest colour that several have, none when all differ."""
    groups: dict[int, list[int]] = defaultdict(list)
    for vertex, colour in enumerate(colours):
        groups[colour].append(vertex)
    return next((groups[colour] for colour in sorted(groups) if len(groups[colour]) > 1), [])


def _single_out(colours: Colours, vertex: int) -> Colours:
    """The colours with `vertex` before those it was alike to."""
    return _ranks([(colour, v != vertex) for v, colour in enumerate(colours)])

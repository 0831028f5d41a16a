"""Genotypes: two cells of nodes, each node the sum of two operations on earlier values; and how they are written.

A key is `WIDTHxDEPTH-NORMAL-REDUCE`, with `-aux` behind it where the record has an auxiliary head. A cell is its nodes
between dots and, behind `_`, the nodes that make its output. A node is two edges; an edge is two characters for the
operation and one digit for its input: 0 and 1 are the two cells before, 2 the first node. So `s30id1` is a node that
adds `sep_conv_3x3` on input 0 to `skip_connect` on input 1.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeGuard

from eproxyctl.errors import InvalidArchitecture, did_you_mean

CODES = {
    "none": "no",
    "skip_connect": "id",
    "avg_pool_2x2": "a2",
    "avg_pool_3x3": "a3",
    "avg_pool_5x5": "a5",
    "max_pool_2x2": "m2",
    "max_pool_3x3": "m3",
    "max_pool_5x5": "m5",
    "max_pool_7x7": "m7",
    "conv_1x1": "c1",
    "conv_3x3": "c3",
    "sep_conv_3x3": "s3",
    "sep_conv_5x5": "s5",
    "sep_conv_7x7": "s7",
    "dil_conv_3x3": "d3",
    "dil_conv_5x5": "d5",
    "dil_sep_conv_3x3": "e3",
    "conv_3x1_1x3": "f3",
    "conv_7x1_1x7": "f7",
}
NAMES = {code: name for name, code in CODES.items()}
MOST_NODES = 8
MOST_WIDTH, MOST_DEPTH = 4096, 512
FEWEST_CELLS = 3
TEXT_LIMIT = 20_000
KEY = re.compile(r"(\d{1,4})x(\d{1,3})-([a-z0-9.]+)_(\d+)-([a-z0-9.]+)_(\d+)(-aux)?")
NODE = re.compile(r"([a-z][a-z0-9])(\d)([a-z][a-z0-9])(\d)")

Edge = tuple[str, int]
"""An operation and the value it is applied to."""


@dataclass(frozen=True)
class GenotypeCell:
    """A cell as a genotype has it.

    Attributes:
        edges: two a node, in order; input 0 is the cell before the last, 1 the last cell, 2 the first node.
        concat: the nodes whose values side by side are the output.
    """

    edges: tuple[Edge, ...]
    concat: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.edges or len(self.edges) % 2 or self.nodes > MOST_NODES:
            raise InvalidArchitecture(
                f"a cell has two operations a node and 1 to {MOST_NODES} nodes; this has {len(self.edges)} operations"
            )
        for position, (operation, source) in enumerate(self.edges):
            node = position // 2 + 2
            if operation not in CODES:
                raise InvalidArchitecture(f"no operation '{operation}'", hint=did_you_mean(operation, CODES))
            if not 0 <= source < node:
                raise InvalidArchitecture(
                    f"node {node} takes input {source}", hint=f"a node takes earlier values: 0 to {node - 1}"
                )
        last = self.nodes + 1
        if not self.concat or len(set(self.concat)) < len(self.concat) or not set(self.concat) <= {*range(2, last + 1)}:
            raise InvalidArchitecture(
                f"a cell's output cannot be nodes {list(self.concat)}",
                hint=f"one or more different nodes of 2 to {last}",
            )

    @property
    def nodes(self) -> int:
        return len(self.edges) // 2

    @property
    def loose(self) -> tuple[int, ...]:
        """The nodes that no other node takes."""
        taken = {source for _, source in self.edges}
        return tuple(node for node in range(2, self.nodes + 2) if node not in taken)


@dataclass(frozen=True)
class Genotype:
    """A whole architecture: its two cells, the channels of the first, and how many cells there are."""

    width: int
    depth: int
    normal: GenotypeCell
    reduce: GenotypeCell
    auxiliary: bool = False

    def __post_init__(self) -> None:
        if not (2 <= self.width <= MOST_WIDTH and self.width % 2 == 0):
            raise InvalidArchitecture(
                f"width {self.width}", hint=f"an even number, 2 to {MOST_WIDTH}: reductions make it of two halves"
            )
        if not FEWEST_CELLS <= self.depth <= MOST_DEPTH:
            raise InvalidArchitecture(
                f"depth {self.depth}", hint=f"{FEWEST_CELLS} to {MOST_DEPTH} cells: each of three stages has one"
            )

    @property
    def key(self) -> str:
        tail = "-aux" if self.auxiliary else ""
        return f"{self.width}x{self.depth}-{_cell_text(self.normal)}-{_cell_text(self.reduce)}{tail}"

    @property
    def notation(self) -> str:
        """The cells as DARTS prints them; width, depth and the auxiliary head are not part of it."""
        parts = []
        for name, cell in (("normal", self.normal), ("reduce", self.reduce)):
            parts.append(f"{name}={list(cell.edges)}, {name}_concat={list(cell.concat)}")
        return f"Genotype({', '.join(parts)})"


def _cell_text(cell: GenotypeCell) -> str:
    edges = [f"{CODES[operation]}{source}" for operation, source in cell.edges]
    nodes = ".".join(a + b for a, b in zip(edges[::2], edges[1::2], strict=True))
    return f"{nodes}_{''.join(map(str, cell.concat))}"


@lru_cache(maxsize=4_096)
def genotype_from_key(key: str) -> Genotype:
    """The architecture a key names."""
    match = KEY.fullmatch(key)
    if not match:
        raise InvalidArchitecture(
            f"not a genotype: {key[:200]}",
            hint="a key WIDTHxDEPTH-NORMAL-REDUCE, a Genotype(normal=[…], …), or a record with net.genotype",
        )
    width, depth, normal, normal_concat, reduce, reduce_concat, tail = match.groups()
    return Genotype(int(width), int(depth), _cell(normal, normal_concat), _cell(reduce, reduce_concat), bool(tail))


def _cell(text: str, concat: str) -> GenotypeCell:
    edges: list[Edge] = []
    for node in text.split("."):
        match = NODE.fullmatch(node)
        if not match:
            raise InvalidArchitecture(f"not a node: {node[:40]}", hint="two operations and their inputs, as s30id1")
        for code, source in ((match[1], match[2]), (match[3], match[4])):
            if code not in NAMES:
                codes = ", ".join(f"{c} {name}" for c, name in NAMES.items())
                raise InvalidArchitecture(f"no operation has code '{code}'", hint=f"known: {codes}")
            edges.append((NAMES[code], int(source)))
    return GenotypeCell(tuple(edges), tuple(map(int, concat)))


def from_text(text: str, width: int, depth: int) -> Genotype:
    """A key, a record as JSON, or `Genotype(…)`, which says nothing of width and depth."""
    text = text.strip()
    if len(text) > TEXT_LIMIT:
        raise InvalidArchitecture(f"not a genotype: {len(text)} characters")
    if text.startswith("{"):
        try:
            return genotype_from_record(json.loads(text), width, depth)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InvalidArchitecture(f"not a JSON record: {error}") from None
    if text.startswith("Genotype"):
        try:
            call = ast.parse(text, mode="eval").body
            fields = _fields(call)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise InvalidArchitecture(
                f"not a Genotype(…): {error}",
                hint="Genotype(normal=[('sep_conv_3x3', 0), …], normal_concat=[2, 3, 4, 5], reduce=…, reduce_concat=…)",
            ) from None
        return genotype_from_record({"genotype": fields}, width, depth)
    return genotype_from_key(text)


def _fields(call: ast.expr) -> dict[str, object]:
    """The arguments of `Genotype(…)`, read from the syntax tree: nothing is evaluated."""
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ValueError("it is no call")
    names = ("normal", "normal_concat", "reduce", "reduce_concat")
    fields: dict[str, object] = {name: _value(node) for name, node in zip(names, call.args, strict=False)}
    fields.update({keyword.arg or "**": _value(keyword.value) for keyword in call.keywords})
    return fields


def _value(node: ast.expr) -> object:
    match node:
        case ast.Constant(value=str() | int()):
            return node.value
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_value(element) for element in elements]
        case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=int(start)), ast.Constant(value=int(stop))]):
            return list(range(start, min(stop, start + MOST_NODES + 1)))
        case ast.Call(func=ast.Name(id="list"), args=[inner], keywords=[]):
            return _value(inner)
    raise ValueError(f"'{ast.unparse(node)[:60]}' is neither a name, a number, a list nor range(a, b)")


def genotype_from_record(record: Mapping[str, object], width: int, depth: int) -> Genotype:
    """A record of NDS, or its `net`, or a bare genotype; `width` and `depth` where it does not say them."""
    net = record.get("net", record)
    if not isinstance(net, Mapping):
        raise InvalidArchitecture(f"net is no record: {net!r:.80}", hint="the names and values that NDS publishes")
    genotype = net.get("genotype", net)
    if isinstance(genotype, str):
        parsed = from_text(genotype, width, depth)
        normal, reduce = parsed.normal, parsed.reduce
    elif isinstance(genotype, Mapping):
        normal, reduce = (_record_cell(genotype, name) for name in ("normal", "reduce"))
    else:
        raise InvalidArchitecture(f"genotype is no record: {genotype!r:.80}", hint="normal, normal_concat, …")
    auxiliary = net.get("aux", False)
    if not isinstance(auxiliary, bool):
        raise InvalidArchitecture(f"aux {auxiliary!r:.80}", hint="true or false")
    return Genotype(_integer(net, "width", width), _integer(net, "depth", depth), normal, reduce, auxiliary)


def _integer(net: Mapping[str, object], name: str, default: int) -> int:
    value = net.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArchitecture(f"{name} {value!r:.80}", hint="a whole number")
    return value


def _record_cell(genotype: Mapping[str, object], name: str) -> GenotypeCell:
    pairs, concat = genotype.get(name), genotype.get(f"{name}_concat")
    if not _is_list(pairs) or not _is_list(concat):
        raise InvalidArchitecture(
            f"a genotype needs {name} and {name}_concat", hint="lists of [operation, input] and of nodes"
        )
    edges = []
    for pair in pairs:
        match pair:
            case [str(operation), int(source)] if not isinstance(source, bool):
                edges.append((operation, source))
            case _:
                raise InvalidArchitecture(f"{pair!r:.80} in {name}", hint='write ["sep_conv_3x3", 0]')
    nodes = []
    for node in concat:
        if isinstance(node, bool) or not isinstance(node, int):
            raise InvalidArchitecture(f"{node!r:.80} in {name}_concat", hint="whole numbers, 2 is the first node")
        nodes.append(node)
    return GenotypeCell(tuple(edges), tuple(nodes))


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str)

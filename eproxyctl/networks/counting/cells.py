"""Size of `networks.cells.CellNetwork`, of the same arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from eproxyctl.networks.counting.layers import Sides, Size, Sums, Tally, Terms, strided

Graph = tuple[Terms, Sums, Sequence[int]]
"""(terms, sums, concat), see `networks.cells`."""
BOTH = (0, 1)


def uses_of(graph: Graph) -> tuple[int, ...]:
    """The inputs that a simplified graph takes."""
    terms, _, concat = graph
    return tuple(i for i in BOTH if i in concat or any(source == i for _, source in terms))


def live_cells(uses: Sequence[Sequence[int]]) -> set[int]:
    """The cells that the feature maps depend on; -1 and -2 are the stems.

    Args:
        uses: the inputs that each cell takes: 0 the cell before the last, 1 the last.
    """
    depth = len(uses)
    live = {i - 1 for i in (depth, 2 * depth // 3, depth // 3)}
    for i in reversed(range(depth)):
        if i in live:
            live |= {i - 2 + j for j in uses[i]}
    return live


def cell_network(
    shape: tuple[int, ...],
    outputs: int,
    *,
    width: int,
    depth: int,
    stem: Literal["cifar", "imagenet"],
    normal: Graph,
    reduce: Graph,
    auxiliary: bool = False,
    pruned: bool = True,
) -> Size:
    """The auxiliary head has parameters and is never run."""
    reductions = {depth // 3, 2 * depth // 3}
    graphs = [reduce if i in reductions else normal for i in range(depth)]
    uses = [uses_of(graph) if pruned else BOTH for graph in graphs]
    live = live_cells(uses) if pruned else set(range(-2, depth))
    total = Tally()
    stems, sides = _stems(shape, width, stem, live)
    total.add(stems)
    older, last = [width if stem == "imagenet" else 3 * width] * 2
    channels = width
    known: dict[tuple[bool, int, int, int], Size] = {}
    for i, graph in enumerate(graphs):
        reduction = i in reductions
        channels *= 1 + reduction
        if i in live:
            slot = reduction, older, last, channels
            if slot not in known:
                known[slot] = _cell(graph, uses[i], (older, last), channels, sides, reduction=reduction)
            total.add(known[slot])
        sides = strided(sides, 1 + reduction)
        older, last = last, channels * len(graph[2])
        if auxiliary and not pruned and i == 2 * depth // 3:
            total.params += _auxiliary(last, outputs, stem, len(sides))
    total.linear(last, outputs)
    return total.size


def _stems(shape: tuple[int, ...], width: int, stem: str, live: set[int]) -> tuple[Size, Sides]:
    """(size, sides of the last one's output); what no cell takes is left out."""
    total, sides = Tally(), shape[1:]
    if stem == "cifar":
        if live & {-1, -2}:
            total.conv(shape[0], 3 * width, 3, sides)
        return total.size, sides
    half = strided(sides, 2)
    quarter = strided(half, 2)
    if live & {-1, -2}:
        total.conv(shape[0], width // 2, 3, half)
        total.conv(width // 2, width, 3, quarter)
    if -1 in live:
        total.conv(width, width, 3, strided(quarter, 2))
    return total.size, strided(quarter, 2)


def _cell(
    graph: Graph,
    uses: Sequence[int],
    inputs: tuple[int, int],
    channels: int,
    sides: Sides,
    *,
    reduction: bool,
) -> Size:
    """Inputs are projected to the cell's channels; a halving skip is two convolutions, as large as one 1×1 together."""
    total = Tally()
    for i in uses:
        total.conv(inputs[i], channels, 1, sides)
    for name, source in graph[0]:
        stride = 2 if reduction and source in BOTH else 1
        at = strided(sides, 2) if reduction and source not in BOTH else sides
        total.add(_operation(name, channels, stride, at))
    return total.size


@lru_cache(maxsize=16_384)
def _operation(name: str, channels: int, stride: int, sides: Sides) -> Size:
    """Of an operation of `networks.cell_operations`, on a map of `sides`."""
    total = Tally()
    family, _, size = name.rpartition("_")
    after = strided(sides, stride)
    if name == "skip_connect":
        if stride != 1:
            total.conv(channels, channels, 1, after)
    elif family.startswith("conv_"):  # conv_3x1_1x3: one convolution along each axis, the last axis first
        for axis in reversed(range(len(sides))):
            sides = (*sides[:axis], after[axis], *sides[axis + 1 :])
            weights = channels * channels * int(size[-1])
            total.add((weights, weights * math.prod(sides)))
        total.params += 2 * channels
    elif not family.endswith("pool"):
        kernel = int(size[0])
        if family == "conv":
            total.conv(channels, channels, kernel, after)
        else:
            for _ in range(2 if "sep" in family else 1):
                total.conv(channels, channels, kernel, after, groups=channels, norm=False)
                total.conv(channels, channels, 1, after)
    return total.size


def _auxiliary(channels: int, outputs: int, stem: str, rank: int) -> int:
    weights = channels * 128 + 2 * 128 + 128 * 768 * int(2**rank) + (2 * 768 if stem == "cifar" else 0)
    return weights + (768 + 1) * outputs

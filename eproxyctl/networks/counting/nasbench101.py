"""Size of `networks.nasbench101.NasBench101`, of the same arguments."""

from __future__ import annotations

from collections.abc import Sequence

from eproxyctl.networks.counting.layers import Sides, Size, Tally, strided

KERNELS = {"conv3x3-bn-relu": 3, "conv1x1-bn-relu": 1}
Sources = Sequence[Sequence[int]]


def vertex_channels(outputs: int, sources: Sources) -> list[int]:
    """Channels of each inner vertex: those joined by the output share its channels, the first of them taking one more
    where they do not divide; any other has as many as the widest it feeds.
    """
    joined = [v for v in sources[-1] if v]
    last = len(sources)
    channels = [0] * last
    for i, v in enumerate(joined):
        channels[v] = outputs // len(joined) + (i < outputs % len(joined))
    for v in range(last - 1, 0, -1):
        if v not in joined:
            channels[v] = max(channels[b] for b in range(v + 1, last) if v in sources[b - 1])
    return channels[1:]


def nasbench101(
    shape: tuple[int, ...],
    outputs: int,
    *,
    channels: int,
    stacks: int,
    cells: int,
    operations: Sequence[str],
    sources: Sources,
) -> Size:
    """The first cell of a stack may have other inputs, the others are equal."""
    total = Tally()
    kernels = [KERNELS.get(operation, 0) for operation in operations]
    sides = total.conv(shape[0], channels, 3, shape[1:])
    inputs = channels
    for stack in range(stacks):
        width = channels * 2**stack
        if stack:
            sides = strided(sides, 2)
        inner, rest = _cell(width, kernels, sources, sides)
        total.add(inner, cells)
        total.add((inputs * rest[0] + rest[1], inputs * rest[0] * _positions(sides)))
        total.add((width * rest[0] + rest[1], width * rest[0] * _positions(sides)), cells - 1)
        inputs = width
    total.linear(inputs, outputs)
    return total.size


def _positions(sides: Sides) -> int:
    positions = 1
    for side in sides:
        positions *= side
    return positions


def _cell(outputs: int, kernels: Sequence[int], sources: Sources, sides: Sides) -> tuple[Size, tuple[int, int]]:
    """(size of a cell's vertices, (channels that the input is projected to, weights of their batch norms))."""
    total = Tally()
    widths = (*vertex_channels(outputs, sources), outputs)
    for kernel, width in zip(kernels, widths, strict=False):
        if kernel:
            total.conv(width, width, kernel, sides)
    projected = sum([width for width, row in zip(widths, sources, strict=True) if 0 in row])
    return total.size, (projected, 2 * projected)

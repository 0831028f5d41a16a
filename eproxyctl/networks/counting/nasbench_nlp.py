"""Size of `networks.nasbench_nlp.RecurrentNetwork`, of the same arguments."""

from __future__ import annotations

from collections.abc import Sequence

from eproxyctl.networks.counting.layers import Size, Tally

X = -1


def nasbench_nlp(
    shape: tuple[int, ...],
    outputs: int,
    *,
    nodes: Sequence[tuple[str, tuple[int, ...]]],
    states: Sequence[int],
    width: int,
    embedding: int,
    layers: int,
    tied: bool,
) -> Size:
    """Every matrix is multiplied once for each of `shape[1]` time steps, but for the classifier's: after the last."""
    tokens, length = shape
    linear = [sources for operation, sources in nodes if operation == "lin"]
    of_input = sum([sources.count(X) for sources in linear])
    others = sum(map(len, linear)) - of_input
    total = Tally()
    total.add((tokens * embedding, length * tokens * embedding))
    inputs = embedding
    for layer in range(layers):
        inside = width if layer < layers - 1 else embedding
        matrices = (of_input * inputs + others * inside) * inside
        total.add((matrices + len(linear) * inside, length * matrices))
        inputs = inside
    total.linear(embedding, outputs)
    if tied:
        total.params -= embedding * outputs
    return total.size

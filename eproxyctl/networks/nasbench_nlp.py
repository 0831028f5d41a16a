"""Recurrent networks whose cell is a recipe: an embedding, layers of equal cells, a classifier.

Source: Klyuchnikov et al., "NAS-Bench-NLP", IEEE Access 2022, and its code (fmsnew/nas-bench-nlp-release, AWD-RNN).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from eproxyctl.networks.operations import Embedding, Linear

Nodes = Sequence[tuple[str, tuple[int, ...]]]
X = -1
"""The input as a source; state k is -2 - k, and node i is i."""

WEIGHTLESS: dict[str, Callable[..., Tensor]] = {
    "tanh": torch.tanh,
    "sigm": torch.sigmoid,
    "leaky": functional.leaky_relu,
    "sum": lambda *inputs: functools.reduce(torch.add, inputs),
    "prod": lambda *inputs: functools.reduce(torch.mul, inputs),
    "blend": lambda gate, a, b: torch.lerp(b, a, gate),
}


class Tokens(Embedding):
    """One table [tokens, width] for both directions, and the bias of the way back."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__(tokens, width)
        self.bias = nn.Parameter(torch.empty(tokens))

    def logits(self, hidden: Tensor) -> Tensor:
        """[B, width] → [B, tokens]."""
        return functional.linear(hidden, self.weight, self.bias)


class Linears(nn.Module):
    """The lin nodes that read the same sources, as one: a matrix for each source, one bias.

    Args:
        sources: what they read.
        known: those of the sources that are there for all time steps at once.
        sizes: width of each source.
        width: of each node.
        nodes: how many.
    """

    def __init__(
        self, sources: tuple[int, ...], known: set[int], sizes: Sequence[int], width: int, nodes: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.sources, self.nodes = sources, nodes
        maps = [Linear(size, width * len(nodes), bias=place == 0) for place, size in enumerate(sizes)]
        self.maps = nn.ModuleList(maps)
        self.early = tuple(place for place, source in enumerate(sources) if source in known)
        self.late = tuple(place for place, source in enumerate(sources) if source not in known)

    def over_time(self, values: dict[int, Tensor], length: int) -> Sequence[Tensor | None]:
        """For each time step the sum over the early sources [B, nodes × width], None where there are none."""
        if not self.early:
            return [None] * length
        return self.whole(values).unbind(0)

    def whole(self, values: dict[int, Tensor]) -> Tensor:
        """The sum over the early sources for all time steps, [L, B, nodes × width]."""
        total: Tensor = functools.reduce(torch.add, (self.maps[p](values[self.sources[p]]) for p in self.early))
        return total

    def step(self, early: Tensor | None, values: dict[int, Tensor]) -> tuple[Tensor, ...]:
        """Values of the nodes [B, width] at one time step."""
        total = early
        for place in self.late:
            linear, value = cast(nn.Linear, self.maps[place]), values[self.sources[place]]
            if total is None:
                total = linear(value)
            elif linear.bias is not None:
                total = total + linear(value)
            else:
                total = torch.addmm(total, value, linear.weight.t())
        assert total is not None, "a lin node has a source"
        return total.chunk(len(self.nodes), dim=-1)


@dataclass(frozen=True)
class RecipeStep:
    """One thing to compute: a weightless node, or the lin nodes of `Layer.linears[index]`."""

    operation: str
    sources: tuple[int, ...]
    nodes: tuple[int, ...]
    index: int = -1


class Layer(nn.Module):
    """A cell run over a sequence: [L, B, inputs] → h0 of every step [L, B, width].

    What depends on the input alone is computed for all steps at once; the rest in a loop over L.
    """

    def __init__(self, inputs: int, width: int, nodes: Nodes, states: Sequence[int]) -> None:
        super().__init__()
        self.width, self.states = width, tuple(states)
        self.linears = nn.ModuleList()
        known = {X}
        for node, (_, sources) in enumerate(nodes):
            if known.issuperset(sources):
                known.add(node)
        self.early: list[RecipeStep] = []
        self.late: list[RecipeStep] = []
        for step in _steps(nodes):
            if step.operation == "lin":
                sizes = [inputs if source == X else width for source in step.sources]
                self.linears.append(Linears(step.sources, known, sizes, width, step.nodes))
            (self.early if step.nodes[0] in known else self.late).append(step)
        self.streams = tuple(sorted({s for step in self.late if step.index < 0 for s in step.sources} & known))
        self.early_states = tuple(sorted(set(self.states) & known))

    def forward(self, x: Tensor) -> Tensor:
        values = {X: x}
        for step in self.early:
            if step.index >= 0:
                total = self._linears(step).whole(values)
                values.update(zip(step.nodes, total.chunk(len(step.nodes), dim=-1), strict=True))
            else:
                values[step.nodes[0]] = WEIGHTLESS[step.operation](*(values[s] for s in step.sources))
        return self._loop(values) if self.late else values[self.states[0]]

    def _linears(self, step: RecipeStep) -> Linears:
        return cast(Linears, self.linears[step.index])

    def _loop(self, values: dict[int, Tensor]) -> Tensor:
        length, batch = values[X].shape[:2]
        early = {s.index: self._linears(s).over_time(values, length) for s in self.late if s.index >= 0}
        streams = {s: values[s].unbind(0) for s in {*self.streams, *self.early_states}}
        state = [values[X].new_zeros(batch, self.width)] * len(self.states)
        outputs = []
        for t in range(length):
            now = {-2 - k: value for k, value in enumerate(state)}
            now.update((s, stream[t]) for s, stream in streams.items())
            for step in self.late:
                if step.index >= 0:
                    results = self._linears(step).step(early[step.index][t], now)
                    now.update(zip(step.nodes, results, strict=True))
                else:
                    now[step.nodes[0]] = WEIGHTLESS[step.operation](*(now[s] for s in step.sources))
            state = [now[node] for node in self.states]
            outputs.append(state[0])
        return torch.stack(outputs)


def _steps(nodes: Nodes) -> list[RecipeStep]:
    """Nodes in order; lin nodes of equal sources are one step, at the place of the first."""
    steps: list[RecipeStep] = []
    placed: set[int] = set()
    index = 0
    for node, (operation, sources) in enumerate(nodes):
        if operation != "lin":
            steps.append(RecipeStep(operation, sources, (node,)))
        elif node not in placed:
            same = tuple(n for n, other in enumerate(nodes) if other == (operation, sources))
            placed.update(same)
            steps.append(RecipeStep(operation, sources, same, index))
            index += 1
    return steps


class RecurrentNetwork(nn.Module):
    """The network of one cell. `features`: h0 over time of the last, middle and first layer.

    Args:
        shape: (channels, length) of one input; channels is the vocabulary where inputs are one-hot tokens.
        nodes: (operation, sources) of the cell, each after its sources.
        states: the node that becomes each state.
        width: of the states in all layers but the last, which is as wide as the embedding (as in the benchmark, where
            the classifier shares its weights).
        tied: the classifier shares the embedding's weights; needs outputs == channels.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        *,
        nodes: Nodes,
        states: Sequence[int],
        width: int,
        embedding: int,
        layers: int,
        tied: bool,
    ) -> None:
        super().__init__()
        widths = [*[width] * (layers - 1), embedding]
        self.shown = (layers - 1, (layers - 1) // 2, 0)
        self.channels = tuple(widths[i] for i in self.shown)
        self.embedding = Tokens(shape[0], embedding) if tied else Embedding(shape[0], embedding)
        self.layers = nn.ModuleList(
            Layer(inputs, size, nodes, states) for inputs, size in zip([embedding, *widths], widths, strict=False)
        )
        self.classifier = None if tied else Linear(embedding, outputs)

    def _hidden(self, batch: Tensor) -> list[Tensor]:
        """h0 of each layer, [L, B, width]."""
        x = batch.permute(2, 0, 1) @ self.embedding.weight
        hidden = []
        for layer in self.layers:
            x = layer(x)
            hidden.append(x)
        return hidden

    def features(self, batch: Tensor) -> list[Tensor]:
        """[B, C, L] → maps [B, channels[i], L], deepest first."""
        hidden = self._hidden(batch)
        return [hidden[i].permute(1, 2, 0) for i in self.shown]

    def forward(self, batch: Tensor) -> Tensor:
        """Logits [B, outputs] after the last step: of the next token, in a language model."""
        last = self._hidden(batch)[-1][-1]
        if isinstance(self.embedding, Tokens):
            return self.embedding.logits(last)
        assert self.classifier is not None
        logits: Tensor = self.classifier(last)
        return logits

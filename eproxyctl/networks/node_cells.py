"""A cell as sums of operations: what NAS-Bench-201 and TransNAS-Bench-101 share."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from torch import Tensor, nn
from torch.nn.functional import relu

Terms = Sequence[tuple[str, int]]
Sums = Sequence[Sequence[int]]


class NodeCell(nn.Module):
    """Value 0 is the input; value k ≥ 1 the sum of the terms listed for it; the last is the output. A term is an
    operation on a value. The rectified value is computed once for all operations on it that take it rectified.

    Args:
        terms: (operation, number of the value it works on) of each term.
        sums: the terms of value 1, of value 2 and so on.
        make: (operation, value) → its module, called term by term.
        rectified: the operations that begin with a ReLU, which their modules leave to the cell.
        channels: those of the output, for a value that is the sum of nothing.
        stride: of every operation on the input.
    """

    def __init__(
        self,
        terms: Terms,
        sums: Sums,
        make: Callable[[str, int], nn.Module],
        *,
        rectified: Container[str],
        channels: int,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.sources = tuple(source for _, source in terms)
        self.rectified = tuple(operation in rectified for operation, _ in terms)
        self.sums = tuple(tuple(s) for s in sums)
        self.operations = nn.ModuleList(make(operation, source) for operation, source in terms)
        self.order = self._order()
        self.channels = channels
        self.stride = stride

    def _order(self) -> tuple[int, ...]:
        """Values, each after those it needs."""
        done = [0]
        while len(done) <= len(self.sums):
            done.append(
                next(
                    k
                    for k, summed in enumerate(self.sums, start=1)
                    if k not in done and all(self.sources[t] in done for t in summed)
                )
            )
        return tuple(done)

    def forward(self, x: Tensor) -> Tensor:
        results: dict[int, Tensor] = {}
        value = x
        output = x
        for k in self.order:
            if k:
                value = self._sum([results[t] for t in self.sums[k - 1]], x)
                if k == len(self.sums):
                    output = value
            rectified = None
            for t, source in enumerate(self.sources):
                if source != k:
                    continue
                if self.rectified[t]:
                    rectified = relu(value) if rectified is None else rectified
                    results[t] = self.operations[t](rectified)
                else:
                    results[t] = self.operations[t](value)
        return output

    def _sum(self, terms: Sequence[Tensor], x: Tensor) -> Tensor:
        if not terms:
            return x.new_zeros(x.shape[0], self.channels, *(-(-side // self.stride) for side in x.shape[2:]))
        value = terms[0]
        for term in terms[1:]:
            value = value + term
        return value

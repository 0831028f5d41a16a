"""Metrics of outputs that are numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class RSquared:
    """The share of the targets' variance that the outputs explain, R² = 1 − Σ(t − o)² / Σ(t − mean)², over all numbers.

    1 is perfect, 0 no better than the mean of the targets; worse than that is negative, without end.
    """

    def __init__(self) -> None:
        from torchmetrics.regression import R2Score

        self._score = R2Score()

    def update(self, outputs: torch.Tensor, targets: torch.Tensor) -> None:
        """Add a batch; both of one shape but for axes of length 1."""
        self._score.update(outputs.flatten().double(), targets.flatten().double())

    def compute(self) -> torch.Tensor:
        """R², a scalar."""
        value: torch.Tensor = self._score.compute()
        return value

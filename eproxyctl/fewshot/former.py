"""Models that earlier versions wrote into proxy.yaml: they predict as they did, and are learned no more."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from eproxyctl.contracts import Options
from eproxyctl.fewshot.scores import Features, Scale, matrix, votes
from eproxyctl.ranking import Floats


class Ensemble(Options):
    """A weighted sum of the normal scores of features: of one, or of all."""

    method: Literal["ensemble"] = "ensemble"
    scales: tuple[Scale, ...]
    weights: tuple[float, ...] = Field(description="below 0 where less of the feature is better")

    def predict(self, features: Features) -> Floats:
        """[n] predictions, higher is better, in no unit."""
        return self.score(matrix(self.scales, features))

    def score(self, points: Floats) -> Floats:
        """The same of [n, d] normal scores."""
        return np.asarray((points * np.array(self.weights)).sum(axis=1), dtype=np.float64)


class Member(Options):
    """One Gaussian process: a squared exponential kernel of length 1 over weighted features, and noise."""

    emphasis: str | None = Field(None, description="the group that has four votes; null: all groups have one")
    share: float = Field(description="weight of the member in the mean, from its marginal likelihood")
    noise: float = Field(gt=0, description="variance of the labels' noise; that of the function is 1")
    coefficients: tuple[float, ...] = Field(description="of each training row's kernel")


class GaussianProcess(Options):
    """Gaussian processes over normal scores, averaged by marginal likelihood.

    Each group of features has one vote, spread evenly over its features; a member may give one group four. Votes are
    the weights, summing to 1, of squared distances in a kernel exp(−d²/2) (Rasmussen and Williams 2006, eq. 4.9).
    """

    method: Literal["gaussian process"] = "gaussian process"
    scales: tuple[Scale, ...]
    rows: tuple[tuple[float, ...], ...] = Field(description="normal scores of the training architectures")
    members: tuple[Member, ...]

    def predict(self, features: Features) -> Floats:
        """[n] predictions, higher is better: normal scores of the metric's rank."""
        return self.score(matrix(self.scales, features))

    def score(self, points: Floats) -> Floats:
        """The same of [n, d] normal scores."""
        from scipy.spatial.distance import cdist

        names, rows = [scale.name for scale in self.scales], np.array(self.rows)
        total = np.zeros(len(points))
        for member in self.members:
            weights = np.sqrt(votes(names, member.emphasis))
            kernel = np.exp(-0.5 * cdist(points * weights, rows * weights, "sqeuclidean"))
            # Summed row by row: a matrix product's last bits depend on how many rows there are.
            total += member.share * (kernel * np.array(member.coefficients)).sum(axis=1)
        return total

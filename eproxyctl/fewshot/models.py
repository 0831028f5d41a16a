"""What few labels teach, kept as data: it predicts from what is written in it, without fitting again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from eproxyctl.contracts import Options
from eproxyctl.fewshot.former import Ensemble, GaussianProcess
from eproxyctl.fewshot.scores import Features, Scale, matrix, votes
from eproxyctl.ranking import Floats, spearman


class Process(Options):
    """A Gaussian process: a mean of priors with learned weights, a kernel over weighted features, and noise.

    Metric = Σ wᵢ·priorᵢ + f(features) + noise; wᵢ ~ N(mean / k, spread² / k) for k priors. The kernel of f is
    amplitude · ((1 − linear) · exp(−length · d² / 2) + linear · ⟨x, x'⟩), with the votes of groups as weights of d² and
    of the product (Rasmussen and Williams 2006, sections 2.7, 4.2 and 5.4.1).
    """

    emphasis: str | None = Field(None, description="the group that has four votes; null: all groups have one")
    length: float = Field(gt=0, description="factor of squared distances")
    linear: float = Field(ge=0, le=1, description="share of the linear kernel")
    amplitude: float = Field(1.0, gt=0, description="variance of the function")
    noise: float = Field(gt=0, description="variance of the labels' noise; that of the labels is 1")
    priors: tuple[str, ...] = Field((), description="that are part of the mean")
    mean: float = Field(0.0, description="expected weight of all priors together")
    spread: float = Field(0.0, ge=0, description="standard deviation of that weight")
    share: float = Field(1.0, description="weight of the process in the mean, from its marginal likelihood")
    coefficients: tuple[float, ...] = Field((), description="of each training row's kernel")

    def gram(self, names: Sequence[str], points: Floats, rows: Floats) -> Floats:
        """[n, m] kernel of f between two sets of architectures."""
        from scipy.spatial.distance import cdist

        roots = np.sqrt(votes(names, self.emphasis))
        left, right = points * roots, rows * roots
        kernel = (1.0 - self.linear) * np.exp(-0.5 * self.length * cdist(left, right, "sqeuclidean"))
        return np.asarray(self.amplitude * (kernel + self.linear * (left @ right.T)), dtype=np.float64)


class Mixture(Options):
    """Gaussian processes over normal scores, averaged by marginal likelihood.

    Each group of features has one vote, spread evenly over its features; a process may give one group four.
    """

    method: Literal["mixture"] = "mixture"
    scales: tuple[Scale, ...] = Field(description="of the features")
    priors: tuple[Scale, ...] = Field((), description="of the priors, higher is better")
    rows: tuple[tuple[float, ...], ...] = Field(description="normal scores of the training architectures: features")
    prior_rows: tuple[tuple[float, ...], ...] = Field((), description="the same of the priors")
    processes: tuple[Process, ...]

    def predict(self, features: Features) -> Floats:
        """[n] predictions, higher is better: normal scores of the metric's rank. Priors are among the features."""
        return self.score(matrix(self.scales, features), matrix(self.priors, features))

    def score(self, points: Floats, priors: Floats) -> Floats:
        """The same of [n, d] normal scores and [n, k] of the priors."""
        total = np.zeros(len(points))
        for process in self.processes:
            total += process.share * self._mean(process, points, priors)
        return total

    def std(self, features: Features) -> Floats:
        """[n] standard deviations of the predictions: of each process, and among them; label noise left out."""
        from scipy.linalg import cho_factor, cho_solve

        points, priors = matrix(self.scales, features), matrix(self.priors, features)
        mean, square = self.score(points, priors), np.zeros(len(points))
        rows, names = self._rows, [scale.name for scale in self.scales]
        for process in self.processes:
            own, given = self._prior_points(process, priors), self._prior_points(process, self._prior_rows)
            weight = process.spread**2 / max(1, len(process.priors))
            variance = process.amplitude * (
                1.0 - process.linear + process.linear * (points**2 * votes(names, process.emphasis)).sum(axis=1)
            ) + weight * (own**2).sum(axis=1)
            if len(rows):
                gram = process.gram(names, rows, rows) + weight * given @ given.T
                cross = process.gram(names, points, rows) + weight * own @ given.T
                factor = cho_factor(gram + process.noise * np.eye(len(rows)), lower=True)
                variance = variance - (cross * cho_solve(factor, cross.T).T).sum(axis=1)
            distance = self._mean(process, points, priors) - mean
            square += process.share * (np.maximum(variance, 0.0) + distance**2)
        return np.asarray(np.sqrt(square), dtype=np.float64)

    @property
    def _rows(self) -> Floats:
        return np.array(self.rows, dtype=np.float64).reshape(len(self.rows), len(self.scales))

    @property
    def _prior_rows(self) -> Floats:
        return np.array(self.prior_rows, dtype=np.float64).reshape(len(self.rows), len(self.priors))

    def _prior_points(self, process: Process, priors: Floats) -> Floats:
        """[n, k] normal scores of the priors that a process uses, about their mean over the training architectures."""
        columns = [i for i, scale in enumerate(self.priors) if scale.name in process.priors]
        given = self._prior_rows[:, columns]
        return priors[:, columns] - (given.mean(axis=0) if len(given) else 0.0)

    def _mean(self, process: Process, points: Floats, priors: Floats) -> Floats:
        """[n] predictions of one process, the last bit of each depending on its own architecture only."""
        from scipy.spatial.distance import cdist

        own = self._prior_points(process, priors)
        weights = np.full(own.shape[1], process.mean / max(1, own.shape[1]))
        if not self.rows:
            return np.asarray((own * weights).sum(axis=1), dtype=np.float64)
        alpha, rows = np.array(process.coefficients), self._rows
        given = self._prior_points(process, self._prior_rows)
        weights = weights + process.spread**2 / max(1, own.shape[1]) * (given * alpha[:, None]).sum(axis=0)
        vote = votes([scale.name for scale in self.scales], process.emphasis)
        slope = process.amplitude * process.linear * vote * (rows * alpha[:, None]).sum(axis=0)
        roots = np.sqrt(vote)
        kernel = np.exp(-0.5 * process.length * cdist(points * roots, rows * roots, "sqeuclidean"))
        # Summed row by row: a matrix product's last bits depend on how many rows there are.
        curved = (kernel * (process.amplitude * (1.0 - process.linear) * alpha)).sum(axis=1)
        return np.asarray(curved + (points * slope).sum(axis=1) + (own * weights).sum(axis=1), dtype=np.float64)


Model = Annotated[Mixture | Ensemble | GaussianProcess, Field(discriminator="method")]


class Influence(Options):
    """What a feature does in a model.

    Attributes:
        weight: 1 − ρ of predictions with and without it (its values shuffled): 0 means nothing, 1 everything.
        direction: ρ of the predictions with the feature: below 0 where less is better.
    """

    feature: str
    weight: float
    direction: float


def influences(model: Mixture | Ensemble | GaussianProcess, features: Features, seed: int = 0) -> tuple[Influence, ...]:
    """What each feature and prior does in a model, the strongest first, over at most 500 of the architectures given."""
    generator = np.random.default_rng(seed)
    total = max(len(column) for column in features.values())
    chosen = np.sort(generator.permutation(total)[:500])
    scales = {scale.name: scale for scale in (*model.scales, *(model.priors if isinstance(model, Mixture) else ()))}
    few = {name: np.asarray(features[name], dtype=np.float64)[chosen] for name in scales if name in features}
    predicted = model.predict(few)
    found = []
    for name, scale in scales.items():
        shuffled = model.predict({**few, name: generator.permutation(few[name])})
        weight = 1.0 - np.nan_to_num(spearman(predicted, shuffled))
        direction = np.nan_to_num(spearman(predicted, scale(few)))
        found.append(Influence(feature=name, weight=float(weight), direction=float(direction)))
    return tuple(sorted(found, key=lambda influence: -influence.weight))

"""Models of a few labels, kept as data: they predict from what is written in them, without fitting again."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from eproxyctl.contracts import Options
from eproxyctl.fewshot.scores import Features, Scale, group, matrix, normal_scores
from eproxyctl.ranking import Floats, spearman

EMPHASIS = 4.0
"""Votes of a group that a member of the Gaussian process trusts more than the others."""
NOISES = (0.05, 0.2, 0.5)
"""Variances of the labels' noise to average over, that of the function being 1: 20 ranks are never exact."""
SMALLEST_SHARE = 0.01


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


Model = Annotated[Ensemble | GaussianProcess, Field(discriminator="method")]


def votes(names: list[str], emphasis: str | None) -> Floats:
    """[d] weights of features, summing to 1: one vote a group, EMPHASIS for the group that is trusted more."""
    groups = [group(name) for name in names]
    weights = np.array([(EMPHASIS if g == emphasis else 1.0) / groups.count(g) for g in groups])
    return np.asarray(weights / weights.sum(), dtype=np.float64)


# ------------------------------------------------------------------------------------------------------- learning


def best_single(used: tuple[Scale, ...], points: Floats, metric: Floats) -> Ensemble:
    """The feature that ranks the training architectures best, its direction learned.

    Args:
        used: the features.
        points: [n, d] their normal scores.
        metric: [n], higher is better.
    """
    correlations = _correlations(points, metric)
    best = int(np.abs(correlations).argmax())
    return Ensemble(scales=used[best : best + 1], weights=(-1.0 if correlations[best] < 0 else 1.0,))


def ensemble(used: tuple[Scale, ...], points: Floats, metric: Floats) -> Ensemble:
    """All features, one vote a group, each by the square of its ρ on the training architectures and in its direction.

    The mean of rankings, but for features that do not rank the training architectures counting little. Arguments are
    those of `best_single`.
    """
    correlations = _correlations(points, metric)
    weights = votes([scale.name for scale in used], None) * correlations * np.abs(correlations)
    return Ensemble(scales=used, weights=tuple(weights.tolist()))


def _correlations(points: Floats, metric: Floats) -> Floats:
    """[d] Spearman's ρ of each feature, 0 where it is the same for all."""
    return np.asarray(np.nan_to_num([spearman(column, metric) for column in points.T]), dtype=np.float64)


def gaussian_process(used: tuple[Scale, ...], points: Floats, metric: Floats) -> GaussianProcess:
    """One member for each emphasis and noise, its share by marginal likelihood.

    Args:
        used: the features.
        points: [n, d] their normal scores.
        metric: [n], higher is better; not all equal.
    """
    names = [scale.name for scale in used]
    target = normal_scores(metric)
    target = target / target.std()
    groups = sorted({group(name) for name in names})
    emphases: list[str | None] = [None, *groups] if len(groups) > 1 else [None]
    fitted = [
        _member(points * np.sqrt(votes(names, emphasis)), target, emphasis, noise)
        for emphasis, noise in itertools.product(emphases, NOISES)
    ]
    likelihoods = np.array([likelihood for _, likelihood in fitted])
    shares = np.exp(likelihoods - likelihoods.max())
    shares = np.where(shares < SMALLEST_SHARE * shares.sum(), 0.0, shares)
    shares = shares / shares.sum()
    members = tuple(
        member.model_copy(update={"share": float(share)})
        for (member, _), share in zip(fitted, shares, strict=True)
        if share
    )
    return GaussianProcess(scales=used, rows=tuple(map(tuple, points.tolist())), members=members)


def _member(points: Floats, target: Floats, emphasis: str | None, noise: float) -> tuple[Member, float]:
    """(member, log marginal likelihood)"""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF

    fitted = GaussianProcessRegressor(RBF(1.0), alpha=noise, optimizer=None).fit(points, target)
    member = Member(emphasis=emphasis, share=1.0, noise=noise, coefficients=tuple(fitted.alpha_.tolist()))
    return member, float(fitted.log_marginal_likelihood_value_)


# --------------------------------------------------------------------------------------------------------- reading


class Influence(Options):
    """What a feature does in a model.

    Attributes:
        weight: 1 − ρ of predictions with and without it (its values shuffled): 0 means nothing, 1 everything.
        direction: ρ of the predictions with the feature: below 0 where less is better.
    """

    feature: str
    weight: float
    direction: float


def influences(model: Ensemble | GaussianProcess, features: Features, seed: int = 0) -> tuple[Influence, ...]:
    """What each feature does in a model, the strongest first, over at most 500 of the architectures given."""
    generator = np.random.default_rng(seed)
    points = matrix(model.scales, features)
    points = points[np.sort(generator.permutation(len(points))[:500])]
    predicted = model.score(points)
    found = []
    for column, scale in enumerate(model.scales):
        shuffled = points.copy()
        shuffled[:, column] = generator.permutation(points[:, column])
        weight = 1.0 - np.nan_to_num(spearman(predicted, model.score(shuffled)))
        direction = np.nan_to_num(spearman(predicted, points[:, column]))
        found.append(Influence(feature=scale.name, weight=float(weight), direction=float(direction)))
    return tuple(sorted(found, key=lambda influence: -influence.weight))

"""How a mixture of Gaussian processes is learned: every setting of a small grid, weighted by marginal likelihood."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from eproxyctl.fewshot.models import Mixture, Process
from eproxyctl.fewshot.scores import DECIMALS, Scale, group, normal_scores
from eproxyctl.ranking import Floats

NOISES = (0.05, 0.2, 0.5)
"""Variances of the labels' noise, that of the labels being 1: 20 ranks are never exact."""
LENGTHS = (0.3, 1.0)
LINEARS = (0.0, 0.3)
AMPLITUDES = (0.1, 0.3)
"""Variances of what the priors leave over."""
MEAN, SPREAD = 0.8, 0.3
"""Of the weight of all priors together, before the labels are seen: where they are trusted, they are trusted much."""
KERNELS_KEPT = 10
"""Kernels that are tried with every set of priors: those that explain the labels best with all priors, or with none."""
DOUBT = 3.0
"""How much likelier than a set of priors it is beforehand that none helps. With 5 labels on TransNAS and NAS-Bench-MR a
doubt of 1 gained .15 by other tasks and lost .04 by shuffled ones, a doubt of 3 .13 and .01."""
MOST, SMALLEST_SHARE = 16, 0.03
"""Settings that are kept of a set of priors: so many, and those this likely, that of the likeliest being 1."""
OTHER_TASKS = "prior"
"""The group of features that are metrics, or predictions, of other tasks: they are priors and no coordinates."""


def learn(
    scales: Sequence[Scale], priors: Sequence[Scale], points: Floats, prior_points: Floats, metric: Floats
) -> Mixture:
    """The mixture that the labels make likely.

    Args:
        scales, priors: of the features and of the priors.
        points: [n, d] normal scores of the labelled architectures.
        prior_points: [n, k] the same of their priors.
        metric: [n], higher is better, not all equal.
    """
    points, prior_points = points.round(DECIMALS), prior_points.round(DECIMALS)
    names, used = [scale.name for scale in scales], [prior.name for prior in priors]
    target = normal_scores(metric)
    target = target / target.std()
    blocks = sets_of(used)
    evidence = _Evidence(names, used, points, prior_points, target)
    kernels = list(_kernels(names))
    if len(blocks) > 1:
        whole = [block for block in blocks if len(block) in (0, len(used))]
        best = [max(evidence.of(each)[0] for each in _with(kernel, whole, (0.2,))) for kernel in kernels]
        kernels = [kernels[i] for i in np.argsort(-np.array(best), kind="stable")[:KERNELS_KEPT]]
    candidates = [each for kernel in kernels for each in _with(kernel, blocks, NOISES)]
    found = [evidence.of(each) for each in candidates]
    shares = _shares([each.priors for each in candidates], np.array([value for value, _ in found]))
    processes = tuple(
        each.model_copy(update={"share": float(share), "coefficients": tuple(alpha.tolist())})
        for each, share, (_, alpha) in zip(candidates, shares, found, strict=True)
        if share
    )
    return Mixture(
        scales=tuple(scales),
        priors=tuple(priors),
        rows=tuple(map(tuple, points.tolist())),
        prior_rows=tuple(map(tuple, prior_points.tolist())) if used else (),
        processes=processes,
    )


def _shares(blocks: Sequence[tuple[str, ...]], logs: Floats) -> Floats:
    """[settings] posterior weights of their log marginal likelihoods; 0 for those that are left out.

    Each set of priors is as likely before the labels are seen, however many settings it has, none at all DOUBT times
    as likely; and it keeps its weight where settings are left out.
    """
    likelihoods, shares = np.exp(logs - logs.max()), np.zeros(len(logs))
    for block in dict.fromkeys(blocks):
        own = np.array([i for i, each in enumerate(blocks) if each == block])
        kept = own[np.argsort(-likelihoods[own], kind="stable")[:MOST]]
        kept = kept[likelihoods[kept] >= SMALLEST_SHARE * likelihoods[kept[0]]]
        weight = likelihoods[own].mean() * (1.0 if block else DOUBT)
        shares[kept] = weight * likelihoods[kept] / likelihoods[kept].sum()
    shares = np.where(shares < SMALLEST_SHARE / MOST * shares.sum(), 0.0, shares)
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def unlabelled(priors: Sequence[Scale]) -> Mixture:
    """Without labels: the mean of the other tasks' priors, or of all where there are none of other tasks."""
    names = [prior.name for prior in priors]
    chosen = [name for name in names if group(name) == OTHER_TASKS] or names
    process = Process(length=1.0, linear=0.0, noise=NOISES[0], priors=tuple(chosen), mean=1.0, spread=SPREAD)
    return Mixture(scales=(), priors=tuple(priors), rows=(), processes=(process,))


def sets_of(priors: Sequence[str]) -> list[tuple[str, ...]]:
    """Sets of priors to try: none, those of other tasks, the others, all."""
    other = tuple(name for name in priors if group(name) == OTHER_TASKS)
    rest = tuple(name for name in priors if group(name) != OTHER_TASKS)
    return list(dict.fromkeys([(), other, rest, tuple(priors)]))


def _kernels(names: Sequence[str]) -> Iterator[Process]:
    groups = sorted({group(name) for name in names})
    emphases = [None, *groups] if len(groups) > 1 else [None]
    for emphasis, length, linear in itertools.product(emphases, LENGTHS, LINEARS):
        yield Process(emphasis=emphasis, length=length, linear=linear, noise=NOISES[0])


def _with(kernel: Process, blocks: Sequence[tuple[str, ...]], noises: Sequence[float]) -> Iterator[Process]:
    """A kernel with every set of priors, amplitude and noise."""
    for block in blocks:
        mean, spread = (MEAN, SPREAD) if block else (0.0, 0.0)
        for amplitude, noise in itertools.product(AMPLITUDES if block else (1.0,), noises):
            changed = {"priors": block, "mean": mean, "spread": spread, "amplitude": amplitude, "noise": noise}
            yield kernel.model_copy(update=changed)


class _Evidence:
    """Marginal likelihoods on the same labels; Gram matrices are kept."""

    def __init__(
        self, names: Sequence[str], priors: Sequence[str], points: Floats, prior_points: Floats, target: Floats
    ) -> None:
        self._names, self._points, self._target = names, points, target
        self._priors = list(priors)
        self._prior_points = prior_points - prior_points.mean(axis=0) if priors else prior_points
        self._grams: dict[tuple[str | None, float, float], Floats] = {}

    def of(self, process: Process) -> tuple[float, Floats]:
        """(log marginal likelihood but for a constant, [n] coefficients)"""
        from scipy.linalg import cho_factor, cho_solve

        key = (process.emphasis, process.length, process.linear)
        if key not in self._grams:
            unit = process.model_copy(update={"amplitude": 1.0})
            self._grams[key] = unit.gram(self._names, self._points, self._points)
        residual, gram = self._target, process.amplitude * self._grams[key]
        if process.priors:
            chosen = self._prior_points[:, [self._priors.index(name) for name in process.priors]]
            residual = residual - process.mean * chosen.mean(axis=1)
            gram = gram + process.spread**2 / chosen.shape[1] * chosen @ chosen.T
        factor = cho_factor(gram + process.noise * np.eye(len(residual)), lower=True, check_finite=False)
        alpha = cho_solve(factor, residual, check_finite=False)
        value = -0.5 * residual @ alpha - np.log(np.diag(factor[0])).sum()
        return float(value), np.asarray(alpha, dtype=np.float64)

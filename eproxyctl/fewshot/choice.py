"""Which model: the best single feature, the mean of several, or the Gaussian process, by cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from eproxyctl.contracts import Options
from eproxyctl.errors import DataError
from eproxyctl.fewshot.models import Ensemble, GaussianProcess, Model, best_single, ensemble, gaussian_process
from eproxyctl.fewshot.scores import Features, Scale, matrix, scales
from eproxyctl.ranking import Floats, spearman

FOLDS, REPEATS = 5, 4
MARGIN = 0.1
"""Lead in cross-validation that a simpler model needs. On five spaces of NDS with 20 labels, taking the best in
cross-validation outright, or the simplest within a tie, cost .01 to .04 of held-out ρ: 20 labels cannot tell."""
FEWEST = 5
"""Labels below which there is nothing to cross-validate on."""
Learner = Callable[[tuple[Scale, ...], Floats, Floats], Ensemble | GaussianProcess]
LEARNERS: dict[str, Learner] = {
    "best single": best_single,
    "ensemble": ensemble,
    "model": gaussian_process,
}
"""The simplest first."""


class Choice(Options):
    """A fitted model and how it was chosen; data, as it is kept in proxy.yaml."""

    name: str = Field(description="of the learners: best single, ensemble or model")
    reason: str
    validated: dict[str, float] = Field(
        description="mean cross-validated Spearman ρ of each learner on the labels, its choice of features inside"
    )
    model: Model


def fit(
    features: Features, metric: Floats, *, pool: Features | None = None, seed: int = 0, method: str | None = None
) -> Choice:
    """Learn from a few labelled architectures.

    Args:
        features: of the labelled architectures, n values each.
        metric: [n], higher is better.
        pool: the same features of all architectures there are to rank, labelled or not: the scale of each feature is
            made from it. Unset: from the labelled ones.
        seed: of the folds.
        method: one of LEARNERS; unset: the model, unless a simpler one is clearly better in cross-validation.

    Raises:
        DataError: too few labels, labels all equal, or no feature that tells architectures apart.
    """
    metric = np.asarray(metric, dtype=np.float64)
    if len(metric) < FEWEST or not np.isfinite(metric).all() or np.ptp(metric) == 0:
        raise DataError(
            f"a model cannot be learned from {len(metric)} labels, {len(set(metric.tolist()))} of them different",
            hint=f"{FEWEST} or more architectures, each with a finite metric, not all the same",
        )
    used = scales(features if pool is None else pool)
    if not used:
        raise DataError("every feature is the same for all architectures", hint="give more features")
    points = matrix(used, features)
    with threadpool_limits(1):
        if method:
            model = LEARNERS[method](used, points, metric)
            return Choice(name=method, reason="as asked for", validated={}, model=model)
        validated = {name: cross_validated(LEARNERS[name], used, points, metric, seed) for name in LEARNERS}
        name, reason = choose(validated)
        return Choice(name=name, reason=reason, validated=validated, model=LEARNERS[name](used, points, metric))


def choose(validated: Mapping[str, float]) -> tuple[str, str]:
    """(name, reason): the model, unless a simpler one is better by more than MARGIN; of equals the simplest."""
    best = max(validated, key=lambda name: validated[name])
    lead = validated[best] - validated["model"]
    if best == "model":
        return "model", "it ranks labels left out best"
    if lead > MARGIN:
        return best, f"it ranks labels left out better than the model by {lead:.2f}"
    return "model", f"{best} leads by {lead:.2f} on labels left out, and a lead up to {MARGIN} is mostly chance"


def cross_validated(learner: Learner, used: tuple[Scale, ...], points: Floats, metric: Floats, seed: int = 0) -> float:
    """Spearman ρ of predictions for labels left out, a fifth at a time, averaged over repeats."""
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(REPEATS):
        predicted = np.zeros(len(metric))
        for fold in np.array_split(generator.permutation(len(metric)), FOLDS):
            rest = np.setdiff1d(np.arange(len(metric)), fold)
            model = learner(used, points[rest], metric[rest])
            predicted[fold] = model.score(matrix_of(model, used, points[fold]))
        values.append(spearman(predicted, metric))
    return float(np.nan_to_num(values).mean())


def matrix_of(model: Ensemble | GaussianProcess, used: tuple[Scale, ...], points: Floats) -> Floats:
    """The columns of `points` that a model uses."""
    place = {scale.name: column for column, scale in enumerate(used)}
    return points[:, [place[scale.name] for scale in model.scales]]

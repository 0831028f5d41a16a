"""From a few labels to a model that ranks."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from eproxyctl.contracts import Options
from eproxyctl.errors import DataError
from eproxyctl.fewshot.learning import OTHER_TASKS, learn, unlabelled
from eproxyctl.fewshot.models import Mixture, Model
from eproxyctl.fewshot.scores import Features, group, matrix, scales
from eproxyctl.ranking import Floats

FEWEST = 5
"""Labels below which nothing can be learned without priors."""


class Choice(Options):
    """A fitted model and what to say of it; data, as it is kept in proxy.yaml."""

    name: str = Field(description="what the model is")
    reason: str = Field(description="why it is that")
    validated: dict[str, float] = Field(
        default_factory=dict, description="of a file of an earlier version: what its choice among models was made by"
    )
    model: Model


def fit(features: Features, metric: Floats, *, pool: Features | None = None, priors: Collection[str] = ()) -> Choice:
    """Learn from a few labelled architectures.

    Args:
        features: of the labelled architectures, n values each.
        metric: [n], higher is better; none where there are priors: then their mean is the prediction.
        pool: the same features of all architectures there are to rank, labelled or not: the scale of each feature is
            made from it. Unset: from the labelled ones.
        priors: names of features of which higher is expected to be better: the mean that labels correct, each with a
            weight that is learned. Those of the group `prior` are nothing else, others are coordinates besides.

    Raises:
        DataError: too few labels, labels all equal, a prior that is no feature, or no feature that tells
            architectures apart.
    """
    metric = np.asarray(metric, dtype=np.float64)
    every = features if pool is None else pool
    missing = [name for name in priors if name not in every]
    if missing:
        raise DataError(f"no values of the prior '{missing[0]}'", hint=f"there are {', '.join(every)}")
    known = list(scales({name: every[name] for name in every if name in priors}))
    distinct = len(set(metric.tolist()))
    if not np.isfinite(metric).all() or (not known and (len(metric) < FEWEST or distinct < 2)):
        raise DataError(
            f"a model cannot be learned from {len(metric)} labels, {distinct} of them different",
            hint=f"{FEWEST} or more architectures, each with a finite metric, not all the same",
        )
    if distinct < 2:
        return Choice(name="mean of the priors", reason="there are no labels to learn from", model=unlabelled(known))
    used = scales({name: values for name, values in every.items() if name not in priors or group(name) != OTHER_TASKS})
    if not used:
        raise DataError("every feature is the same for all architectures", hint="give more features")
    with threadpool_limits(1):
        model = learn(used, known, matrix(used, features), matrix(known, features), metric)
    return Choice(name=f"mean of {len(model.processes)} Gaussian processes", reason=_reason(model), model=model)


def _reason(model: Mixture) -> str:
    said = "each weighs as much as it makes the labels likely"
    if not model.priors:
        return said
    share = sum(process.share for process in model.processes if process.priors)
    return f"{said}, and those that start from the priors weigh {share:.0%}"

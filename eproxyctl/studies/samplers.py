"""How a discrete study proposes its next point, on Optuna.

A sampler's random state is not stored, so a resumed study would repeat itself: here each trial has a fresh inner
sampler, seeded from the study's seed and the trial's number, that draws the whole point at once. What a sampler learns
from (finished trials, the generations of NSGA-II) is in the storage.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from eproxyctl.contracts import Choice, derive

Space = dict[str, BaseDistribution]
POPULATION, TOURNAMENT, MUTATION = 40, 10, 0.2
MAX_REFUSED = 1000


class Evolution(BaseSampler):
    """Regularised (aging) evolution (Real et al., AAAI 2019) with Eproxy's settings.

    The first 40 finished trials are random. A child is the best of 10 drawn from the last 40, each gene
    resampled with probability 0.2.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
        return {}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Space) -> dict[str, Any]:
        fresh = {name: self._random.choice(_choices(space)) for name, space in search_space.items()}
        finished = [
            t
            for t in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if t.number < trial.number and t.value is not None
        ]
        if len(finished) < POPULATION:
            return fresh
        sign = 1 if study.direction == optuna.study.StudyDirection.MAXIMIZE else -1
        rivals = self._random.sample(finished[-POPULATION:], TOURNAMENT)
        parent = max(rivals, key=lambda t: (sign * (t.value or 0.0), -t.number))
        genes = {name: parent.params.get(name, value) for name, value in fresh.items()}
        return {name: fresh[name] if self._random.random() < MUTATION else gene for name, gene in genes.items()}

    def sample_independent(self, study: Study, trial: FrozenTrial, name: str, space: BaseDistribution) -> Any:
        return self._random.choice(_choices(space))


def _choices(space: BaseDistribution) -> Sequence[Any]:
    assert isinstance(space, CategoricalDistribution)
    return space.choices


class NoneAdmitted(Exception):
    """A thousand draws in a row made no point that may be evaluated."""


class Seeded(BaseSampler):
    """Wraps a sampler so that trial n draws the same point whenever it is asked with the same trials before it.

    Args:
        inner: makes the sampler of one draw from its seed.
        seed: of the study.
        space: of all choices.
        admits: whether choices make a point; what does not is drawn anew.
        created: called with each trial before its point is drawn.
    """

    def __init__(
        self,
        inner: Callable[[int], BaseSampler],
        seed: int,
        space: Mapping[str, BaseDistribution],
        admits: Callable[[Mapping[str, Choice]], bool] = lambda choices: True,
        created: Callable[[FrozenTrial], None] = lambda trial: None,
    ) -> None:
        self._inner = inner
        self._seed = seed
        self._space = dict(space)
        self._admits = admits
        self._created = created

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._created(trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
        return self._space

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Space) -> dict[str, Any]:
        for attempt in range(MAX_REFUSED):
            parts = ("trial", trial.number, attempt) if attempt else ("trial", trial.number)
            point = self._draw(derive(self._seed, *parts) % 2**32, study, trial, search_space)
            if self._admits(point):
                return point
        raise NoneAdmitted

    def _draw(self, seed: int, study: Study, trial: FrozenTrial, search_space: Space) -> dict[str, Any]:
        sampler = self._inner(seed)
        if isinstance(sampler, Evolution):
            return sampler.sample_relative(study, trial, search_space)
        together = sampler.infer_relative_search_space(study, trial)
        point = sampler.sample_relative(study, trial, together)
        for name, space in search_space.items():
            if name not in point:
                point[name] = sampler.sample_independent(study, trial, name, space)
        return point

    def sample_independent(self, study: Study, trial: FrozenTrial, name: str, space: BaseDistribution) -> Any:
        raise AssertionError(f"{name} was not drawn with the rest of the point")


SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "evolution": Evolution,
    "tpe": lambda seed: TPESampler(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
    "nsga2": lambda seed: NSGAIISampler(population_size=POPULATION, seed=seed),
}

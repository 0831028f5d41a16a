"""A discrete study: distinct points, evaluated batch by batch, persistent, continued after a kill.

A point belongs to the lowest trial that drew it; a repeat is told FAIL and drawn anew. A whole batch is drawn before
any of it is told, so what is drawn never depends on the order in which a batch is evaluated. On resume trials that
were asked but not told are adopted: their points are drawn again from the same seed, and the rows paid for are not paid
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from eproxyctl.contracts import Choice, Goal
from eproxyctl.studies.samplers import SAMPLERS, NoneAdmitted, Seeded
from eproxyctl.studies.storage import POINT, silent

if TYPE_CHECKING:
    from optuna.study import Study

MAX_REPEATS = 100


@dataclass(frozen=True)
class Asked:
    """A point to evaluate, and the choices of the trial that drew it first."""

    number: int
    point: str
    choices: Mapping[str, Choice]


@dataclass(frozen=True)
class Finished(Asked):
    """A trial that owns its point; `values` has one entry an objective."""

    values: tuple[float, ...]

    @property
    def value(self) -> float:
        """The first objective."""
        return self.values[0]


Values = Sequence[tuple[float, ...]]


@dataclass(frozen=True)
class Terms:
    """What a study draws, and how.

    Attributes:
        name: another study in the same storage has another.
        parameters: the choices, by name.
        sampler: one of SAMPLERS.
        seed: of all drawing.
        encode: choices → point; equal where they differ only in genes without effect.
        admits: whether choices make a point at all; others are drawn anew, and leave no trial.
        batch: points drawn before any of them is told.
        goals: of each objective.
    """

    name: str
    parameters: Mapping[str, tuple[Choice, ...]]
    sampler: str
    seed: int
    encode: Callable[[Mapping[str, Choice]], str]
    admits: Callable[[Mapping[str, Choice]], bool] = lambda choices: True
    batch: int = 1
    goals: Sequence[Goal] = ("maximize",)


class DiscreteStudy:
    """Ask and tell over independent choices.

    Args:
        storage: where trials are kept.
        terms: of the study.
        created: called with each trial as soon as it is this process's, before its point is drawn.
    """

    def __init__(
        self, storage: BaseStorage, terms: Terms, created: Callable[[FrozenTrial], None] = lambda trial: None
    ) -> None:
        self._choices = dict(terms.parameters)
        self._distributions: dict[str, BaseDistribution] = {
            n: CategoricalDistribution(options) for n, options in terms.parameters.items()
        }
        with silent():
            self._study: Study = optuna.create_study(
                storage=storage,
                study_name=terms.name,
                directions=list(terms.goals),
                sampler=Seeded(SAMPLERS[terms.sampler], terms.seed, self._distributions, terms.admits, created),
                load_if_exists=True,
            )
        self._encode = terms.encode
        self._batch = terms.batch

    def finished(self) -> list[Finished]:
        """Trials that own their point, by number."""
        trials = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [
            Finished(t.number, t.user_attrs[POINT], t.params, tuple(t.values)) for t in trials if POINT in t.user_attrs
        ]

    def run(self, trials: int, evaluate: Callable[[Sequence[Asked]], Values]) -> Iterator[Finished]:
        """Evaluate new points until `trials` are finished; yields each.

        Ends early where 100 draws in a row repeat a point, or 1000 are not admitted. Of the last batch no more is
        evaluated than `trials` asks for; the rest waits for a larger total.
        """
        while (done := len(self.finished())) < trials:
            asked = self._ask(self._batch - done % self._batch)[: trials - done]
            if not asked:
                return
            for one, values in zip(asked, evaluate(asked), strict=True):
                self._study.tell(one.number, list(values))
                yield Finished(one.number, one.point, one.choices, values)

    def _ask(self, count: int) -> list[Asked]:
        """The rest of a batch: what was asked but not told, then new points; fewer where there are no more."""
        stored = self._study.get_trials(deepcopy=False)
        owned = {t.user_attrs[POINT] for t in stored if POINT in t.user_attrs}
        waiting = [t for t in stored if t.state is TrialState.RUNNING]
        asked = [Asked(t.number, t.user_attrs[POINT], t.params) for t in waiting if POINT in t.user_attrs]
        unsettled = [t for t in waiting if POINT not in t.user_attrs]
        repeats = _repeats(stored)
        while len(asked) < count and repeats < MAX_REPEATS:
            try:
                trial = self._complete(unsettled.pop(0)) if unsettled else self._study.ask(self._distributions)
            except NoneAdmitted:
                break
            point = self._encode(trial.params)
            if point in owned:
                self._study.tell(trial, state=TrialState.FAIL)
                repeats += 1
                continue
            repeats = 0
            trial.set_user_attr(POINT, point)
            owned.add(point)
            asked.append(Asked(trial.number, point, trial.params))
        return asked

    def _complete(self, frozen: FrozenTrial) -> Trial:
        """A trial that was being asked, with what it lacks drawn again."""
        trial = Trial(self._study, frozen._trial_id)  # Optuna has no public way from a stored trial to a live one
        for name, choices in self._choices.items():
            trial.suggest_categorical(name, choices)
        return trial


def _repeats(trials: Sequence[FrozenTrial]) -> int:
    """How many of the last draws in a row repeated a point."""
    count = 0
    for trial in reversed(trials):
        if POINT in trial.user_attrs:
            break
        count += trial.state is TrialState.FAIL
    return count

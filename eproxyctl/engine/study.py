"""A discrete study: distinct points, evaluated in order, persistent, continued after a kill.

A point belongs to the lowest trial that drew it; a repeat is told FAIL and drawn anew. On resume a trial that was asked
but not told is adopted: its point is drawn again from the same seed, and the rows paid for are not paid again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from eproxyctl.contracts import Choice
from eproxyctl.engine import rundir
from eproxyctl.engine.samplers import SAMPLERS, Seeded
from eproxyctl.errors import RunError

if TYPE_CHECKING:
    from optuna.study import Study

POINT = "point"
MAX_REPEATS = 100


@dataclass(frozen=True)
class Finished:
    """A trial that owns its point."""

    number: int
    point: str
    value: float


def journal(path: Path) -> BaseStorage:
    """The study's file in a run directory, mended first: half a line of a full disk, a lock of a killed process."""
    rundir.repair(path)
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    return JournalStorage(JournalFileBackend(str(path)))


def masked(url: str) -> str:
    """A storage URL without its password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "the storage URL"


def shared(url: str) -> BaseStorage:
    """A storage that Optuna knows by URL.

    Raises:
        RunError: it cannot be opened; the password is never shown.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return optuna.storages.get_storage(url)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        cause = str(error).splitlines()[0].replace(url, masked(url))
        raise RunError(f"cannot open {masked(url)}: {cause}", hint="write --storage sqlite:///study.db") from None


class DiscreteStudy:
    """Ask and tell over independent choices.

    Args:
        storage: where trials are kept.
        name: of the study; another study in the same storage has another.
        parameters: the choices, by name.
        sampler: one of SAMPLERS.
        seed: of all drawing.
        encode: choices → point; equal where they differ only in genes without effect.
    """

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        parameters: Mapping[str, tuple[Choice, ...]],
        sampler: str,
        seed: int,
        encode: Callable[[Mapping[str, Choice]], str],
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._choices = dict(parameters)
        self._distributions: dict[str, BaseDistribution] = {
            n: CategoricalDistribution(options) for n, options in parameters.items()
        }
        self._study: Study = optuna.create_study(
            storage=storage,
            study_name=name,
            direction="maximize",
            sampler=Seeded(SAMPLERS[sampler], seed, self._distributions),
            load_if_exists=True,
        )
        self._encode = encode

    def finished(self) -> list[Finished]:
        """Trials that own their point, by number."""
        return [
            Finished(t.number, t.user_attrs[POINT], t.value)
            for t in self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if t.value is not None and POINT in t.user_attrs
        ]

    def run(self, trials: int, evaluate: Callable[[str], float]) -> Iterator[Finished]:
        """Evaluate new points until `trials` are finished; yields each. Ends early where 100 draws in a row repeat."""
        owned = {f.point for f in self.finished()}
        repeats = self._repeats()
        while len(owned) < trials and repeats < MAX_REPEATS:
            trial = self._adopt() or self._study.ask(self._distributions)
            point = self._encode(trial.params)
            if point in owned:
                self._study.tell(trial, state=TrialState.FAIL)
                repeats += 1
                continue
            repeats = 0
            trial.set_user_attr(POINT, point)
            value = evaluate(point)
            self._study.tell(trial, value)
            owned.add(point)
            yield Finished(trial.number, point, value)

    def _adopt(self) -> Trial | None:
        """A trial asked but not told, with what it lacks drawn again."""
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if not running:
            return None
        frozen: FrozenTrial = min(running, key=lambda t: t.number)
        trial = Trial(self._study, frozen._trial_id)  # Optuna has no public way from a stored trial to a live one
        for name, choices in self._choices.items():
            trial.suggest_categorical(name, choices)
        return trial

    def _repeats(self) -> int:
        """How many of the last trials repeated a point."""
        count = 0
        for trial in reversed(self._study.get_trials(deepcopy=False)):
            if trial.state is TrialState.RUNNING:
                continue
            if trial.state is not TrialState.FAIL:
                break
            count += 1
        return count

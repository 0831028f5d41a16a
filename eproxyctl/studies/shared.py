"""A discrete study that several processes, on one host or many, work on at once through a database.

The lowest trial that has not failed owns its point. A process evaluates a trial only once every lower trial has drawn
its point: then the number of points owned below it is final but for deaths, so that no point is evaluated twice, and
never more than were asked for. Each trial in work sends heartbeats; what was not heard of for long is failed, and its
point queued again. Rows travel in the attributes of trials and of the study, so that all processes end alike.
"""

from __future__ import annotations

import contextlib
import math
import time
import uuid
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, Trial, TrialState

from eproxyctl.runs import files
from eproxyctl.studies import storage
from eproxyctl.studies.heartbeat import Heart
from eproxyctl.studies.samplers import NoneAdmitted
from eproxyctl.studies.storage import POINT
from eproxyctl.studies.study import MAX_REPEATS, Asked, DiscreteStudy, Finished, Terms, Values

WORKER, ROWS = "worker", "rows"
POLL, SETTLE = 0.5, 0.05
"""Seconds between two looks: at the trials of others, and at points about to be drawn."""


class Rows(Protocol):
    """The rows that trials are judged by, as lines of rows.jsonl."""

    def lines(self, asked: Asked) -> Sequence[str]:
        """Those of a trial that was evaluated here."""

    def adopt(self, lines: Sequence[str]) -> None:
        """Take over what another process paid for."""


@dataclass(frozen=True)
class Store:
    """Where a run keeps its trials.

    Attributes:
        folder: the locked run directory.
        url: of a database that other processes may use too; None for a journal in the folder.
        rows: of the run.
    """

    folder: Path
    url: str | None
    rows: Rows

    def study(self, terms: Terms) -> DiscreteStudy:
        """The study of these terms, begun or continued."""
        if self.url is None:
            return DiscreteStudy(storage.journal(self.folder / "study.journal"), terms)
        return SharedStudy(self, terms)


class SharedStudy(DiscreteStudy):
    """Ask and tell beside other processes; see `DiscreteStudy`."""

    def __init__(self, store: Store, terms: Terms) -> None:
        assert store.url is not None
        self._url = store.url
        self._rows = store.rows
        self._worker = _worker(store.folder)
        self._database = storage.open_database(store.url)
        weakref.finalize(self, self._database.engine.dispose)  # closes the connections
        self._heart = Heart(self._database)
        self._adopted: set[int] = set()
        self._met: set[int] = set()
        self._swept = -math.inf
        self._repeats = 0
        self._ended = False
        with storage.database_explained(self._url):
            super().__init__(self._database, terms, self._take)

    def finished(self) -> list[Finished]:
        """Trials that own their point, by number."""
        with storage.database_explained(self._url):
            return _finished(self._trials())

    def run(self, trials: int, evaluate: Callable[[Sequence[Asked]], Values]) -> Iterator[Finished]:
        """Evaluate new points until `trials` are finished, here or elsewhere; yields those finished here."""
        self._repeats, self._ended = 0, False
        with storage.database_explained(self._url), self._heart:
            while not self._over(stored := self._trials(), trials):
                if asked := self._claim(stored, trials):
                    yield from self._judge(asked, evaluate)
                else:
                    time.sleep(POLL)

    def put(self, lines: Sequence[str]) -> None:
        """Give rows of no trial to the other processes."""
        with storage.database_explained(self._url):
            self._study.set_user_attr(f"{ROWS} {uuid.uuid4().hex}", "\n".join(lines))

    def take(self) -> list[str]:
        """The rows that any process has put."""
        with storage.database_explained(self._url):
            found = self._study.user_attrs
        return [line for name, text in found.items() if name.startswith(ROWS) for line in text.split("\n")]

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _over(self, stored: Sequence[FrozenTrial], trials: int) -> bool:
        """Whether the total is finished, or nothing more can be found; takes over what others finished."""
        self._sweep(stored)
        for trial in stored:
            if trial.state is TrialState.COMPLETE and trial.number not in self._adopted:
                self._adopt(trial)
        open_ = sum(trial.state is not TrialState.COMPLETE for trial in _claims(stored).values())
        return len(_finished(stored)) >= trials or (self._ended and not open_)

    def _adopt(self, trial: FrozenTrial) -> None:
        self._adopted.add(trial.number)
        if ROWS in trial.user_attrs:
            self._rows.adopt(trial.user_attrs[ROWS].split("\n"))

    def _sweep(self, stored: Sequence[FrozenTrial]) -> None:
        """Fail the trials of processes that died. Who died before the first heartbeat gets it from who meets it."""
        if time.monotonic() - self._swept < storage.INTERVAL / 2:
            return
        self._swept = time.monotonic()
        for trial in stored:
            if trial.state is TrialState.RUNNING and trial.number not in self._met:
                self._met.add(trial.number)
                self._database.record_heartbeat(trial._trial_id)
        with storage.quiet():
            fail_stale_trials(self._study)

    def _take(self, trial: FrozenTrial) -> None:
        """Optuna has just made a trial for this process, or given it one that waited."""
        self._met.add(trial.number)
        self._heart.trials[trial.number] = trial._trial_id
        self._database.record_heartbeat(trial._trial_id)
        self._database.set_trial_user_attr(trial._trial_id, WORKER, self._worker)

    def _claim(self, stored: Sequence[FrozenTrial], trials: int) -> list[Asked]:
        """Trials to evaluate here: first those that this run directory left when it was killed, then new ones."""
        left = [partial(self._complete, trial) for trial in stored if self._left(trial)]
        asked = [one for draw in left if (one := self._settled(draw, trials))]
        while len(asked) < self._batch:
            waits = any(t.state is TrialState.WAITING for t in stored)
            if not waits and (self._ended or len(_claims(stored)) >= trials):
                break
            if one := self._settled(partial(self._study.ask, self._distributions), trials):
                asked.append(one)
            stored = self._trials()
        return asked

    def _left(self, trial: FrozenTrial) -> bool:
        mine = trial.user_attrs.get(WORKER) == self._worker
        return trial.state is TrialState.RUNNING and mine and trial.number not in self._heart.trials

    def _settled(self, draw: Callable[[], Trial], trials: int) -> Asked | None:
        """A trial that owns its point and counts; None for one that does not, which is then failed."""
        before = set(self._heart.trials)
        try:
            with storage.quiet():
                trial = draw()
            trial.set_user_attr(POINT, self._encode(trial.params))
        except NoneAdmitted:
            self._ended = True
        except UpdateFinishedTrialError:
            pass  # it was taken for dead
        else:
            return self._decided(trial, trials)
        for number in set(self._heart.trials) - before:
            self._fail(number)
        return None

    def _decided(self, trial: Trial, trials: int) -> Asked | None:
        point, stored = trial.user_attrs[POINT], self._drawn_below(trial.number)
        below = {p for p, t in _claims(stored).items() if t.number < trial.number}
        self._repeats = self._repeats + 1 if point in below else 0
        self._ended = self._ended or self._repeats >= MAX_REPEATS
        if point not in below and len(below) < trials:
            for same in stored:
                if same.number == trial.number and ROWS in same.user_attrs:  # who had it died before it told the value
                    self._rows.adopt(same.user_attrs[ROWS].split("\n"))
            return Asked(trial.number, point, trial.params)
        self._fail(trial.number)
        return None

    def _drawn_below(self, number: int) -> list[FrozenTrial]:
        """All trials, once the lower ones that run have drawn their points."""
        while True:
            stored = self._trials()
            drawing = (t for t in stored if t.state is TrialState.RUNNING and POINT not in t.user_attrs)
            if not any(t.number < number for t in drawing):
                return stored
            self._sweep(stored)
            time.sleep(SETTLE)

    def _judge(self, asked: Sequence[Asked], evaluate: Callable[[Sequence[Asked]], Values]) -> list[Finished]:
        told = []
        for one, values in zip(asked, evaluate(asked), strict=True):
            if self._tell(one, values):
                told.append(Finished(one.number, one.point, one.choices, values))
        return told

    def _tell(self, one: Asked, values: tuple[float, ...]) -> bool:
        """False where this process was taken for dead meanwhile, and its point given to another."""
        trial_id = self._heart.trials.pop(one.number)
        try:
            self._database.set_trial_user_attr(trial_id, ROWS, "\n".join(self._rows.lines(one)))
            told = self._study.tell(one.number, list(values), skip_if_finished=True)
        except UpdateFinishedTrialError:
            return False
        self._adopted.add(one.number)
        return told.state is TrialState.COMPLETE

    def _fail(self, number: int) -> None:
        del self._heart.trials[number]
        with contextlib.suppress(UpdateFinishedTrialError):
            self._study.tell(number, state=TrialState.FAIL, skip_if_finished=True)


def _claims(trials: Sequence[FrozenTrial]) -> dict[str, FrozenTrial]:
    """Point → the trial that owns it."""
    owners: dict[str, FrozenTrial] = {}
    for trial in trials:
        if POINT in trial.user_attrs and trial.state is not TrialState.FAIL:
            owners.setdefault(trial.user_attrs[POINT], trial)
    return owners


def _finished(trials: Sequence[FrozenTrial]) -> list[Finished]:
    owned = (trial for trial in _claims(trials).values() if trial.state is TrialState.COMPLETE)
    return [Finished(t.number, t.user_attrs[POINT], t.params, tuple(t.values)) for t in owned]


def _worker(folder: Path) -> str:
    """The name of a run directory among those that share a study, by which it knows its own trials again."""
    path = folder / "worker"
    if not path.exists():
        files.write(path, uuid.uuid4().hex + "\n")
    return path.read_text("utf-8").strip()

"""The trials of a study, from the journal in a run directory, else from trials.csv."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eproxyctl.contracts import Choice
from eproxyctl.report.reading import Run, number

if TYPE_CHECKING:
    from optuna.study import Study

JOURNAL, TRIALS = "study.journal", "trials.csv"
FEWEST = 8
"""Trials below which the importance of settings is not worth showing."""


@dataclass(frozen=True)
class Told:
    """A trial that was told its value.

    Attributes:
        point: what it tried.
        value: what the study makes large.
        cost: the second objective, or the counted cost; NaN where there is none.
        choices: by the name of the setting; empty where only trials.csv is there.
    """

    number: int
    point: str
    value: float
    cost: float
    choices: Mapping[str, Choice]


@dataclass(frozen=True)
class History:
    """The trials in order, and how much each setting matters; weights sum to 1, none where they cannot be told."""

    trials: Sequence[Told]
    weights: Mapping[str, float]


def history(run: Run, *, weighed: bool = False) -> History:
    """The trials of a run, empty where it keeps none; `weighed`: with the importance of settings."""
    data = _whole_lines(run.folder / JOURNAL)
    costs = {int(number(row.get("trial"))): number(row.get("cost")) for row in _listed(run)}
    if data:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / JOURNAL
            copy.write_bytes(data)
            if found := _from_journal(copy, costs, weighed=weighed):
                return found
    listed = [
        Told(int(number(row["trial"])), row.get("proxy", ""), number(row.get("objective")), number(row.get("cost")), {})
        for row in _listed(run)
    ]
    return History(listed, {})


def _listed(run: Run) -> list[dict[str, str]]:
    return [row for row in run.table(TRIALS) if math.isfinite(number(row.get("trial")))]


def _whole_lines(path: Path) -> bytes:
    """What is in the journal, without half a line at its end; the run's own file is left alone."""
    try:
        data = path.read_bytes()
    except OSError:
        return b""
    return data[: data.rfind(b"\n") + 1]


def _from_journal(path: Path, costs: Mapping[int, float], *, weighed: bool) -> History | None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState

    try:
        storage = JournalStorage(JournalFileBackend(str(path)))
        (name,) = optuna.get_all_study_names(storage)
        study = optuna.load_study(study_name=name, storage=storage)
        stored = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    except (ValueError, KeyError, AssertionError, OSError):
        return None
    trials = []
    for trial in stored:
        if "point" in trial.user_attrs and trial.values:
            cost = trial.values[1] if len(trial.values) > 1 else costs.get(trial.number, math.nan)
            point = str(trial.user_attrs["point"])
            trials.append(Told(trial.number, point, float(trial.values[0]), float(cost), dict(trial.params)))
    return History(trials, _weights(study) if weighed and len(trials) >= FEWEST else {})


def _weights(study: Study) -> dict[str, float]:
    """Importance of the settings by fANOVA (Hutter et al., ICML 2014), as Optuna computes it."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    try:
        evaluator = FanovaImportanceEvaluator(seed=0)
        found = get_param_importances(study, evaluator=evaluator, target=lambda trial: float(trial.values[0]))
    except (ValueError, RuntimeError, ZeroDivisionError):
        return {}
    return {name: weight for name, weight in found.items() if weight > 0}

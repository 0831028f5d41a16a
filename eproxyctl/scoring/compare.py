"""Side by side: how well finished runs rank the architectures they share, and which of them cannot be told apart."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eproxyctl.errors import DataError, UsageError
from eproxyctl.ranking import STATISTICS, Estimate, Floats, ranked, sampled
from eproxyctl.runs.tabular import Record, Tabular
from eproxyctl.scoring.results import Results, read_results

LOWER_IS_BETTER = ("regret@10", "rank@10")


@dataclass(frozen=True)
class Rival:
    """A column, how well it ranks, and how far it is behind the best.

    Attributes:
        name: `run: column`, or the column alone where no other run has it.
        value: of the statistic.
        behind: best − this one, on the same resampled architectures; None for the best.
        tied: the interval of that difference holds 0, or there is none.
    """

    name: str
    value: Estimate
    behind: Estimate | None
    tied: bool


@dataclass(frozen=True)
class Comparison(Tabular):
    """Rivals, the best first, on `shared` architectures; `left_out` more are in some runs only, or were tuned on."""

    statistic: str
    rivals: tuple[Rival, ...]
    shared: int
    left_out: int

    def _table(self) -> tuple[str, Sequence[Record]]:
        return self.title, self.rows

    @property
    def title(self) -> str:
        """What was compared."""
        return f"{self.statistic} on {self.shared} shared architectures, 95 % intervals"

    @property
    def rows(self) -> list[Record]:
        """A record a rival: its value, and how far it is behind the best."""
        return [
            {
                "column": rival.name,
                self.statistic: rival.value.value,
                "low": rival.value.low,
                "high": rival.value.high,
                "behind": rival.behind.value if rival.behind else None,
                "behind_low": rival.behind.low if rival.behind else None,
                "behind_high": rival.behind.high if rival.behind else None,
                "verdict": "best" if rival.behind is None else "tied" if rival.tied else "behind",
            }
            for rival in self.rivals
        ]


def compare(runs: Sequence[str | Path], statistic: str = "spearman", seed: int = 0) -> Comparison:
    """Compare every column of finished runs of `score`, and the baselines.

    Args:
        runs: their run directories.
        statistic: one of `ranking.STATISTICS`.
        seed: of the bootstrap.

    Raises:
        UsageError: an unknown statistic, a directory named twice.
        RunError: no run directory, or one whose run has not finished.
        DataError: another metric table, no metric, or no architecture in common.
    """
    named = _names([Path(run) for run in runs])
    return compared({name: read_results(path) for name, path in named.items()}, statistic, seed)


def compared(runs: Mapping[str, Results], statistic: str, seed: int = 0) -> Comparison:
    """Compare every column of the runs, and the baselines.

    Args:
        runs: by the name that they are called in the result.
        statistic: one of `ranking.STATISTICS`.
        seed: of the bootstrap.

    Raises:
        UsageError: an unknown statistic.
        DataError: another metric table, no metric, or no architecture in common.
    """
    if statistic not in STATISTICS:
        raise UsageError(f"no statistic is called '{statistic}'", hint=f"one of: {', '.join(STATISTICS)}")
    keys, every = _shared(runs)
    first = next(iter(runs.values()))
    metric = ranked([first.metric[key] for key in keys], higher_is_better=first.goal == "maximize")
    columns = _columns(runs, keys)
    found = sampled(columns, metric, statistics={statistic: STATISTICS[statistic]}, seed=seed)
    values = {name: one.estimate for (name, _), one in found.items()}
    sign = -1 if statistic in LOWER_IS_BETTER else 1
    order = sorted(columns, key=lambda name: (values[name].value != values[name].value, -sign * values[name].value))
    rivals = [Rival(order[0], values[order[0]], None, tied=True)]
    for name in order[1:]:
        behind = found[order[0], statistic].minus(found[name, statistic]).estimate
        tied = behind.low is None or behind.high is None or behind.low <= 0 <= behind.high
        rivals.append(Rival(name, values[name], behind, tied))
    return Comparison(statistic, tuple(rivals), len(keys), every - len(keys))


def _shared(runs: Mapping[str, Results]) -> tuple[list[str], int]:
    """Keys that every run has with a metric and none was tuned on, and how many keys there are at all."""
    tables = {results.table for results in runs.values()}
    if tables == {""}:
        raise DataError("the runs have no metric table to compare on", hint="set task.table.path, and score again")
    if len(tables) > 1:
        raise DataError("the runs have different metric tables", hint="score all of them with the same table")
    sets = [set(results.metric) for results in runs.values()]
    tuned = frozenset[str]().union(*(results.tuned for results in runs.values()))
    common = set.intersection(*sets) - tuned
    if not common:
        raise DataError("the runs have no architecture in common that the metric table knows")
    first = next(iter(runs.values()))
    return [key for key in first.metric if key in common], len(set.union(*sets))


def _columns(runs: Mapping[str, Results], keys: Sequence[str]) -> dict[str, Floats]:
    """Every column, higher is better; the sizes and other baselines, which runs share, once."""
    own = [(run, name) for run, results in runs.items() for name in results.columns if name not in results.baselines]
    several = {name for _, name in own if sum(other == name for _, other in own) > 1}
    found = {}
    for run, name in own:
        results = runs[run]
        title = f"{run}: {name}" if name in several or name == "score" else name
        values = [results.columns[name].get(key) for key in keys]
        found[title] = ranked(values, higher_is_better=results.higher_is_better[name])
    for results in runs.values():
        for name in results.baselines:
            if name not in found:
                values = [results.columns[name].get(key) for key in keys]
                found[name] = ranked(values, higher_is_better=results.higher_is_better[name])
    return found


def _names(runs: list[Path]) -> dict[str, Path]:
    """Each run by the part of its path that tells it from the others."""
    paths = [Path(os.path.normpath(path)) for path in runs]
    if len(set(paths)) < len(paths):
        raise UsageError("a run directory is named twice")
    if len(paths) == 1:
        return {paths[0].name: paths[0]}
    shared = os.path.commonpath([path.absolute() for path in paths])
    return {str(path.absolute().relative_to(shared)): path for path in paths}

"""What a finished run of `score` left: its scores as columns, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eproxyctl.ranking import Floats
from eproxyctl.report.reading import Run, number

SIZES = ("params", "macs")


@dataclass(frozen=True)
class ScoredRun:
    """scores.csv and scores.json.

    Attributes:
        keys: of the architectures, [n].
        columns: [n] each, by name: the proxies', the sizes, the baselines'; NaN where there is none.
        proxies: which of them are proxies'.
        higher: whether more is better, of each.
        metric: [n], NaN where the table has none.
        goal: `maximize` or `minimize`.
        tuned: keys equal to one that a proxy was tuned on.
    """

    keys: Sequence[str]
    columns: dict[str, Floats]
    proxies: Sequence[str]
    higher: dict[str, bool]
    metric: Floats
    goal: str
    tuned: frozenset[str]


def scores(run: Run) -> ScoredRun | None:
    """What a finished run left, None where there is nothing (yet)."""
    rows, meaning = run.table("scores.csv"), run.json("scores.json")
    if not rows or not isinstance(meaning, dict) or not isinstance(meaning.get("columns"), dict):
        return None
    baselines = meaning.get("baselines") or {}
    higher = {**meaning["columns"], **dict.fromkeys(SIZES, True), **baselines}
    present = [name for name in higher if name in rows[0]]
    return ScoredRun(
        [row["key"] for row in rows],
        {name: np.array([number(row[name]) for row in rows]) for name in present},
        [name for name in meaning["columns"] if name in present],
        {name: bool(higher[name]) for name in present},
        np.array([number(row.get("metric")) for row in rows]),
        str(meaning.get("goal", "maximize")),
        frozenset(map(str, meaning.get("tuned") or ())),
    )

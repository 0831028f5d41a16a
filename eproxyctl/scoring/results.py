"""What a finished run leaves for other commands: its scores as a table, and what the columns mean.

scores.csv     key, a column for each proxy, params, macs, each baseline of the task, metric
scores.json    which way each column goes, which are baselines, the metric's goal and table, keys a proxy was tuned on
"""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eproxyctl.errors import RunError
from eproxyctl.runs import directory as rundir
from eproxyctl.runs import files
from eproxyctl.runs.ledger import TIMINGS
from eproxyctl.scoring.found import Found
from eproxyctl.scoring.plan import Plan, column_names

SCORES, MEANING = "scores.csv", "scores.json"
SIZES = ("params", "macs")


@dataclass(frozen=True)
class Results:
    """A finished run as it was read back.

    Attributes:
        columns: name → key → score, None where the architecture has none.
        baselines: those of them that are no proxy's; the sizes first.
        higher_is_better: of each column.
        metric: key → metric, as the table has it.
        goal: `maximize` or `minimize`.
        table: digest of the metric table, empty without one.
        tuned: keys equal to one that a proxy was tuned on.
    """

    columns: Mapping[str, Mapping[str, float | None]]
    baselines: Sequence[str]
    higher_is_better: Mapping[str, bool]
    metric: Mapping[str, float]
    goal: str
    table: str
    tuned: frozenset[str]


def write_results(plan: Plan, found: Found, folder: Path, tuned: Sequence[str]) -> None:
    """Write both files; each is replaced at once.

    Args:
        tuned: keys equal to one that a proxy was tuned on.
    """
    named = column_names(plan)
    meaning = {
        "columns": {name: proxy.higher_is_better for name, proxy in zip(named, plan.proxies, strict=True)},
        "baselines": {name: table.goal == "maximize" for name, table in plan.baselines.items()},
        "goal": plan.task.goal,
        "table": plan.table.sha256 if plan.table else "",
        "tuned": list(tuned),
    }
    files.write(folder / SCORES, _lines(plan, found, ["key", *named, *SIZES, *plan.baselines, "metric"]))
    files.write(folder / MEANING, json.dumps(meaning, indent=1) + "\n")


def _lines(plan: Plan, found: Found, header: Sequence[str]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    writer.writerow(header)
    for i, key in enumerate(found.keys):
        metric = plan.table.metric.get(key) if plan.table else None
        sizes = [None if math.isnan(values[i]) else int(values[i]) for values in (found.params, found.macs)]
        scores = [None if math.isnan(score) else score for score in found.scores[:, i].tolist()]
        others = [table.metric.get(key) for table in plan.baselines.values()]
        numbers = (*scores, *sizes, *others, metric)
        writer.writerow([key, *("" if value is None else repr(value) for value in numbers)])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def read_results(folder: Path) -> Results:
    """The results of a run of `score`.

    Raises:
        RunError: no run directory, or one whose run has not finished.
    """
    try:
        meaning = json.loads((folder / MEANING).read_text("utf-8"))
        with (folder / SCORES).open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except FileNotFoundError:
        stamp = rundir.read_stamp(folder)
        if stamp is None:
            raise RunError(f"{folder} is no run directory", hint="eproxyctl runs lists them") from None
        if stamp.get("command") != "score":
            raise RunError(f"{folder} belongs to `eproxyctl {stamp.get('command')}`, not to score") from None
        raise RunError(f"the run in {folder} has not finished", hint="run the same command again") from None
    except ValueError:
        raise RunError(f"{folder / MEANING} is damaged", hint="run the same command again") from None
    beside = {**dict.fromkeys(SIZES, True), **meaning.get("baselines", {})}
    directions = {**meaning["columns"], **beside}
    columns = {name: {r["key"]: float(r[name]) if r[name] else None for r in rows} for name in directions}
    metric = {row["key"]: float(row["metric"]) for row in rows if row["metric"]}
    return Results(
        columns, tuple(beside), directions, metric, meaning["goal"], meaning["table"], frozenset(meaning["tuned"])
    )


def milliseconds(folder: Path) -> dict[str, float]:
    """Median milliseconds an architecture of each kind of proxy."""
    seconds: dict[str, list[float]] = {}
    for line in files.lines(folder / TIMINGS):
        seconds.setdefault(line["proxy"], []).append(line["seconds"])
    return {kind: round(1000 * statistics.median(values), 2) for kind, values in seconds.items()}

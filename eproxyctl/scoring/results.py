"""What a finished run leaves for other commands: its scores as a table, and what the columns mean.

scores.csv     key, a column for each proxy, params, macs, each baseline of the task, metric
scores.json    which way each column goes, which are baselines, the metric's goal and table, keys a proxy was tuned on,
               rows and checksum of scores.csv
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from eproxyctl.contracts import Goal
from eproxyctl.errors import RunError
from eproxyctl.runs import directory as rundir
from eproxyctl.runs import files
from eproxyctl.runs.ledger import timings
from eproxyctl.scoring.found import Found
from eproxyctl.scoring.plan import Plan, column_names

SCORES, MEANING = "scores.csv", "scores.json"
SIZES = ("params", "macs")
AGAIN = "run the same command again: the rows beside it are kept, and it is made from them anew"


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


class Meaning(BaseModel):
    """scores.json: what the columns of scores.csv mean, and how that file is told from a damaged one.

    Attributes:
        columns: of each proxy, whether higher is better.
        baselines: the same of each baseline of the task.
        goal, table: of the metric.
        tuned: keys equal to one that a proxy was tuned on.
        rows, sha256: of scores.csv; unset in runs of eproxyctl 0.1.0.
    """

    columns: dict[str, bool]
    baselines: dict[str, bool] = {}
    goal: Goal
    table: str
    tuned: tuple[str, ...]
    rows: int | None = None
    sha256: str | None = None


def write_results(plan: Plan, found: Found, folder: Path, tuned: Sequence[str]) -> None:
    """Write both files; each is replaced at once.

    Args:
        tuned: keys equal to one that a proxy was tuned on.
    """
    named = column_names(plan)
    content = hashlib.sha256()

    def hashed(pieces: Iterable[str]) -> Iterator[str]:
        for piece in pieces:
            content.update(piece.encode())
            yield piece

    lines = _lines(plan, found, ["key", *named, *SIZES, *plan.baselines, "metric"])
    files.write(folder / SCORES, hashed(lines))
    meaning = Meaning(
        columns={name: proxy.higher_is_better for name, proxy in zip(named, plan.proxies, strict=True)},
        baselines={name: table.goal == "maximize" for name, table in plan.baselines.items()},
        goal=plan.task.goal,
        table=plan.table.sha256 if plan.table else "",
        tuned=tuple(tuned),
        rows=len(found.keys),
        sha256=content.hexdigest(),
    )
    files.write(folder / MEANING, meaning.model_dump_json(indent=1) + "\n")


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
        meaning = Meaning.model_validate_json((folder / MEANING).read_bytes())
        content = (folder / SCORES).read_bytes()
    except FileNotFoundError:
        stamp = rundir.read_stamp(folder)
        if stamp is None:
            raise RunError(f"{folder} is no run directory", hint="eproxyctl runs lists them") from None
        if stamp.get("command") != "score":
            raise RunError(f"{folder} belongs to `eproxyctl {stamp.get('command')}`, not to score") from None
        raise RunError(f"the run in {folder} has not finished", hint="run the same command again") from None
    except ValueError:
        raise RunError(f"{folder / MEANING} is damaged", hint=AGAIN) from None
    try:
        return _results(meaning, content)
    except (ValueError, KeyError, TypeError):
        raise RunError(f"{folder / SCORES} is damaged", hint=AGAIN) from None


def _results(meaning: Meaning, content: bytes) -> Results:
    """Raises ValueError, KeyError or TypeError where the table is not the one that was written."""
    if meaning.sha256 is not None and hashlib.sha256(content).hexdigest() != meaning.sha256:
        raise ValueError
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    if meaning.rows is not None and len(rows) != meaning.rows:
        raise ValueError
    beside = {**dict.fromkeys(SIZES, True), **meaning.baselines}
    directions = {**meaning.columns, **beside}
    columns = {name: {r["key"]: float(r[name]) if r[name] else None for r in rows} for name in directions}
    metric = {row["key"]: float(row["metric"]) for row in rows if row["metric"]}
    tuned = frozenset(meaning.tuned)
    return Results(columns, tuple(beside), directions, metric, meaning.goal, meaning.table, tuned)


def milliseconds(folder: Path) -> dict[str, float]:
    """Median milliseconds an architecture of each kind of proxy."""
    seconds: dict[str, list[float]] = {}
    for timing in timings(folder):
        seconds.setdefault(timing.proxy, []).append(timing.seconds)
    return {kind: round(1000 * statistics.median(values), 2) for kind, values in seconds.items()}

"""`search`: find architectures that score best within limits on their size."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

from eproxyctl.contracts import Trainable
from eproxyctl.errors import RunError
from eproxyctl.ranking import shared_ranks
from eproxyctl.runs import files
from eproxyctl.runs.conduct import Conduct
from eproxyctl.runs.identity import study_name
from eproxyctl.runs.ledger import Ledger, timings
from eproxyctl.runs.lines import csv_lines
from eproxyctl.runs.progress import Listener
from eproxyctl.runs.rows import Row
from eproxyctl.runs.tabular import Record, Tabular, plain
from eproxyctl.scoring.plan import Plan, identity, make_plan
from eproxyctl.searching.evaluation import SearchedRows, scored_alone
from eproxyctl.searching.exploring import Explored, best_at_every_cost, cost_of, explore, ranked_rows
from eproxyctl.searching.latency import Latencies
from eproxyctl.spec.request import Changes, Specification, requested
from eproxyctl.studies.shared import Store
from eproxyctl.studies.storage import silent, storage_stamp

TOP = "top.csv"
RESULT = "result.json"
TIMED = "milliseconds for one input, measured on this machine with one thread: another run may end elsewhere"


@dataclass(frozen=True)
class SearchResult(Tabular):
    """What `search` found.

    Attributes:
        name: of the spec.
        folder: the run directory.
        rows: the best first; with nsga2 the best score at every cost. With a metric table, what it knows of each.
        evaluations: architectures scored.
        notation: of the first, as papers write it; empty where nothing was found.
        failed: architectures that failed; rows.jsonl says why.
        seconds: of one core that scoring took in all.
        title: what the rows are.
        ended: why there are fewer evaluations than asked for, empty where there are not.
        notes: what a person should know.
    """

    name: str
    folder: Path
    rows: Sequence[Record] = field(repr=False)
    evaluations: int
    notation: str
    failed: int
    seconds: float
    title: str
    ended: str = ""
    notes: tuple[str, ...] = ()

    def _table(self) -> tuple[str, Sequence[Record]]:
        return self.title, self.rows

    @property
    def best(self) -> Record:
        """The first of the rows. Raises IndexError where every architecture failed or diverged under nsga2."""
        return self.rows[0]


def search(
    spec: Specification = None,
    *,
    run: str | Path | None = None,
    workers: int | None = None,
    dask: str | None = None,
    accept_versions: bool = False,
    storage: str | None = None,
    progress: Listener | None = None,
    **changes: Unpack[Changes],
) -> SearchResult:
    """Find the architectures that score best, within the spec's limits; the same call continues to its total.

    Args:
        spec: a file, a mapping, or a loaded spec; None: the built-in quickstart.
        run: the run directory; None: `runs/<spec>/search`.
        workers: processes; 0: this one. None: one a core.
        dask: a scheduler's address, or `local`.
        accept_versions: continue a run whose rows were made by another eproxyctl, torch or numpy.
        storage: URL of a database, so that many processes work on one study, each in a run directory of its own.
        progress: called with each event.
        changes: of the spec, see `Changes`.

    Raises:
        EproxyError: whatever is wrong; a failed architecture is a row that ranks last.
    """
    plan = make_plan(requested(spec, changes or None))
    scored_alone(plan)  # before a run directory is made for a proxy that cannot be used
    return _search(plan, Conduct(run, workers, dask, accept_versions, progress), storage)


def _search(plan: Plan, conduct: Conduct, storage: str | None) -> SearchResult:
    options, context, folder = plan.spec.search, plan.context, conduct.folder(plan.loaded, "search")
    own = options.model_dump(exclude={"evaluations", "minutes"})
    names = identity(plan, {"search": hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:16]})
    with (
        silent(),
        conduct.directory("search", plan.loaded, names, plan.origins, storage_stamp(storage)),
        conduct.pool(options.batch, plan.spec.device) as running,
        Ledger(folder, Row.from_json, name=plan.space.canonical) as ledger,
    ):
        counter = conduct.counter(f"search {plan.loaded.name}", options.evaluations)
        counter.advance(min(options.evaluations, ledger.architectures))
        latencies = Latencies(plan.space, context.shape, context.outputs, context.device, folder)
        rows = SearchedRows(plan, ledger, running, counter.advance)
        store = Store(folder, storage, rows)
        explored = explore(plan, rows, latencies, store, study_name("search", names))
        rows.settle(explored.rows)
        ranked = ranked_rows(explored.rows, rows.value)
        if against := options.against:
            ranked = best_at_every_cost(explored.rows, rows.value, lambda row: cost_of(row, against, latencies))
        records = _records(plan, ranked, latencies)
        files.write(folder / TOP, csv_lines(records))
        files.write(folder / RESULT, json.dumps(_result(plan, explored, records), indent=2) + "\n")
    return _found(plan, folder, explored, records, ledger.notes)


def _found(
    plan: Plan, folder: Path, explored: Explored, records: Sequence[Record], damage: Sequence[str]
) -> SearchResult:
    against, count = plan.spec.search.against, len(explored.rows)
    order = f"best score for every size in {against}" if against else "best first"
    notes = [*plan.notes, *damage]
    if explored.ended:
        notes.append(f"{explored.ended}; {count} of {plan.spec.search.evaluations} evaluations")
    return SearchResult(
        name=plan.loaded.name,
        folder=folder,
        rows=records,
        evaluations=count,
        notation=plan.space.notation(str(records[0]["key"])) if records else "",
        failed=sum(row.status == "failed" for row in explored.rows),
        seconds=sum(timing.seconds for timing in timings(folder)),
        title=f"{plan.loaded.name}: {count} architectures scored, {order}",
        ended=explored.ended,
        notes=tuple(notes),
    )


def _records(plan: Plan, rows: Sequence[Row], latencies: Latencies) -> list[dict[str, Any]]:
    """Rows as a person or program reads them; what the metric table knows where there is one."""
    records = []
    for rank, row in zip(shared_ranks([row.score for row in rows]), rows, strict=True):
        record = {"rank": rank, "key": row.key, "score": row.score, "params": row.params, "macs": row.macs}
        if plan.spec.search.timed:
            record["latency"] = latencies.known(row.key)
        if plan.table:
            truth = plan.table.truth(row.key)
            record["metric"] = truth.metric if truth else None
            record["true_rank"] = truth.rank if truth else None
            record["regret"] = truth.regret if truth else None
        records.append(record | {"status": row.status})
    return records


def _result(plan: Plan, explored: Explored, records: Sequence[Record]) -> dict[str, Any]:
    """result.json: the top list, and what `export` needs to build its networks without the task's data."""
    return {
        "evaluations": len(explored.rows),
        "ended": explored.ended,
        "failed": sum(row.status == "failed" for row in explored.rows),
        "diverged": sum(row.status == "diverged" for row in explored.rows),
        "latency": TIMED if plan.spec.search.timed else "",
        "notation": plan.space.notation(records[0]["key"]) if records else "",
        "top": [plain(record) for record in records],
        "network": {
            "space": json.loads(plan.context.space),
            "task": _head(plan) if isinstance(plan.task, Trainable) else None,
            "shape": plan.context.shape,
            "outputs": plan.context.outputs,
            "seed": plan.spec.seed,
        },
    }


def _head(plan: Plan) -> dict[str, Any]:
    """The task's section, from which the head of its networks follows, the number of classes spelt out."""
    section = plan.spec.task.model_dump(mode="json", exclude={"table"})
    return section | ({"outputs": plan.context.outputs} if "outputs" in section else {})


def read_search(folder: Path) -> SearchResult:
    """A finished run of `search` as it was kept. Raises RunError where it has not finished, or is damaged."""
    try:
        kept = json.loads((folder / RESULT).read_text("utf-8"))
        rows = [dict(record) for record in kept["top"]]
        count, notation = int(kept["evaluations"]), str(kept["notation"])
        failed, ended = int(kept["failed"]), str(kept["ended"])
    except FileNotFoundError:
        raise RunError(f"the run in {folder} has not finished", hint="run the same command again") from None
    except (ValueError, KeyError, TypeError):
        raise RunError(f"{folder / RESULT} is damaged", hint="run the same command again") from None
    seconds = sum(timing.seconds for timing in timings(folder))
    title = f"{folder}: {count} architectures scored"
    return SearchResult(
        name=str(folder),
        folder=folder,
        rows=rows,
        evaluations=count,
        notation=notation,
        failed=failed,
        seconds=seconds,
        title=title,
        ended=ended,
    )

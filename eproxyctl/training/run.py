"""`benchmark`: sampled architectures, really trained on the task, and the metric table they make."""

from __future__ import annotations

import csv
import hashlib
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Unpack

from eproxyctl.contracts import TableOptions
from eproxyctl.errors import EproxyError, RunError, UsageError
from eproxyctl.runs import files
from eproxyctl.runs.conduct import Conduct
from eproxyctl.runs.directory import read_stamp
from eproxyctl.runs.ledger import ALONE, ROWS, Keyed, Ledger, stream, timings
from eproxyctl.runs.lines import csv_lines
from eproxyctl.runs.progress import Listener
from eproxyctl.runs.tabular import Record, Tabular
from eproxyctl.spec.request import Changes, Specification, requested
from eproxyctl.tasks.table import load_table
from eproxyctl.training.bench import Bench, bench_identity, make_ready, to_train
from eproxyctl.training.trainee import TrainedRow, TrainingJob
from eproxyctl.workers.executors import Outcome, Workers

TABLE = "table.csv"
GOAL = "goal"
"""What the stamp of a run says beside the usual: whether a higher metric is better."""


@dataclass(frozen=True)
class Benchmark(Tabular):
    """What `benchmark` trained.

    Attributes:
        name: of the spec.
        folder: the run directory, with table.csv.
        metric, goal: of the task.
        rows: of the architectures asked for, in their order, as the table has them.
        failed: architectures that failed; the same call tries them again.
        own_table: whether the spec's metric table is this run's.
        notes: what a person should know.
    """

    name: str
    folder: Path
    metric: str
    goal: str
    rows: Sequence[Record] = field(repr=False)
    failed: int
    own_table: bool
    notes: tuple[str, ...] = ()

    def _table(self) -> tuple[str, Sequence[Record]]:
        return f"{self.name}: {len(self.rows)} architectures, best first", self.ranked

    @property
    def ranked(self) -> list[Record]:
        """The best first, those without a metric last."""
        sign = -1 if self.goal == "maximize" else 1
        return sorted(self.rows, key=lambda row: (row[self.metric] is None, sign * (row[self.metric] or 0)))

    @property
    def best(self) -> Record:
        """The architecture with the best metric."""
        return self.ranked[0]

    @property
    def table(self) -> Path:
        """The metric table of every architecture that the run directory has."""
        return self.folder / TABLE

    def summary(self) -> dict[str, Any]:
        """Lowest, median and highest metric."""
        values = sorted(row[self.metric] for row in self.rows if row[self.metric] is not None)
        found = {"lowest": values[0], "median": statistics.median(values), "highest": values[-1]} if values else {}
        empty = {"lowest": None, "median": None, "highest": None}
        return {"spec": self.name, "metric": self.metric, "architectures": len(self.rows)} | (found or empty)


def benchmark(
    spec: Specification = None,
    *,
    architectures: Sequence[str] = (),
    run: str | Path | None = None,
    workers: int | None = None,
    dask: str | None = None,
    accept_versions: bool = False,
    save: bool = False,
    progress: Listener | None = None,
    **changes: Unpack[Changes],
) -> Benchmark:
    """Really train architectures on the task, and write their metric to table.csv in the run directory.

    The same call continues where it stopped.

    Args:
        spec: a file, a mapping, or a loaded spec; None: the built-in quickstart.
        architectures: those to train; none: as the spec says.
        run: the run directory; None: `runs/<spec>/benchmark`.
        workers: processes; 0: this one. None: one a core.
        dask: a scheduler's address, or `local`.
        accept_versions: continue a run whose rows were made by another eproxyctl, torch or numpy.
        save: keep the weights, as safetensors; needs workers that write to this machine.
        progress: called with each event.
        changes: of the spec, see `Changes`.

    Raises:
        EproxyError: whatever is wrong; a failed architecture is a row.
    """
    if save:
        _check_save(dask)
    bench = make_ready(requested(spec, changes or None))
    return _benchmark(bench, Conduct(run, workers, dask, accept_versions, progress), architectures, save=save)


def _benchmark(bench: Bench, conduct: Conduct, named: Sequence[str], *, save: bool) -> Benchmark:
    folder, keys = conduct.folder(bench.loaded, "benchmark"), to_train(bench, named)
    name, metric, goal = bench.loaded.name, bench.task.metric, bench.task.metric_goal
    rows: list[TrainedRow] = []
    damage: list[str] = []
    with (
        conduct.directory("benchmark", bench.loaded, bench_identity(bench), bench.origins, {GOAL: goal}),
        conduct.pool(len(keys), bench.spec.device) as running,
    ):
        counter = conduct.counter(f"training {name}", len(keys))
        for row in trained(bench, keys, folder, running, damage, save=save):
            counter.advance()
            rows.append(row)
        records = table_records(metric, folder)
        files.write(folder / TABLE, csv_lines(records))
    wanted = set(keys)
    shown = [record for record in records if record["key"] in wanted]
    own = _is(bench.spec.task.table, folder / TABLE)
    found = Benchmark(name, folder, metric, goal, shown, _failed(rows), own)
    beside = _beside_others(bench, found) if named else ()
    return replace(found, notes=(*bench.notes, *damage, *_notes(rows), *beside))


def trained(
    bench: Bench, keys: Sequence[str], folder: Path, workers: Workers, notes: list[str], *, save: bool = False
) -> Iterator[TrainedRow]:
    """Train the keys that have no row yet; yield all rows in the order of `keys`.

    `notes` gets what the person should know. With `save` each has its weights in a file, see `weights_file`; a row
    without them is trained again.
    """

    def job(key: str, lacking: Sequence[str]) -> TrainingJob:
        return TrainingJob(key, str(weights_file(folder, key)) if save else None)

    def complete(row: TrainedRow) -> bool:
        return not save or row.metric is None or weights_file(folder, row.key).exists()

    def run(jobs: Iterator[TrainingJob]) -> Iterator[tuple[Keyed, tuple[Outcome[TrainedRow], ...]]]:
        return workers.results(bench.context, jobs)

    with Ledger(folder, TrainedRow.from_json, complete=complete) as ledger:
        notes += ledger.notes
        for (row,) in stream(ledger, keys, ALONE, job, run):
            yield row


def weights_file(folder: Path, key: str) -> Path:
    """The file of an architecture's trained weights in a run directory."""
    return folder / "weights" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"


def table_records(metric: str, folder: Path) -> list[dict[str, Any]]:
    """Every row of a run directory as the metric table has it; `task.table.path` reads the file."""
    seconds = {timing.key: timing.seconds for timing in timings(folder)}
    return [
        {
            "key": row.key,
            metric: None if row.metric is None else float(f"{row.metric:.6g}"),
            "loss": None if row.loss is None else round(row.loss, 6),
            "params": row.params,
            "macs": row.macs,
            "epochs": row.epochs,
            "seconds": round(seconds.get(row.key, 0.0), 2),
            "status": row.status,
        }
        for row in map(TrainedRow.from_json, files.lines(folder / ROWS))
    ]


def _is(table: TableOptions | None, path: Path) -> bool:
    return table is not None and Path(table.path).resolve() == path.resolve()


def _check_save(dask: str | None) -> None:
    if dask not in (None, "local"):
        raise UsageError("--save writes files where networks are trained", hint="leave out --save, or use --dask local")
    if find_spec("safetensors") is None:
        raise UsageError("--save needs the package safetensors", hint="pip install 'eproxyctl[export]'")


def _failed(rows: Iterable[TrainedRow]) -> int:
    return sum(row.status == "failed" for row in rows)


def _notes(rows: Sequence[TrainedRow]) -> Iterator[str]:
    """Which rows have no metric, and why."""
    diverged = sum(row.status == "diverged" for row in rows)
    if diverged:
        yield f"{diverged} architecture(s) diverged and have no metric; a lower train.learning_rate may help"
    for row in [row for row in rows if row.status == "failed"][:3]:
        yield f"{row.key} failed: {row.cause}" + (f"; {row.hint}" if row.hint else "")
    if failed := _failed(rows):
        yield f"{failed} architecture(s) failed; the same command tries them again"


def _beside_others(bench: Bench, found: Benchmark) -> Iterator[str]:
    """How the architectures that were named do beside those of the spec's metric table, if that is another."""
    own, metric = bench.spec.task.table, found.metric
    if own is None or own.metric not in (None, metric) or not Path(own.path).exists() or found.own_table:
        return
    try:
        known = sorted(load_table(own, bench.space).metric.values())
    except EproxyError:  # a table that a search would refuse is no reason to fail after the training
        return
    best = known[-1] if found.goal == "maximize" else known[0]
    for record in found.rows:
        if record[metric] is not None:
            beside = f"{own.path} has median {statistics.median(known):g}, best {best:g}"
            yield f"{metric} {record[metric]:g}; {beside}"


def read_benchmark(folder: Path) -> Benchmark:
    """A finished run of `benchmark` as it was kept. Raises RunError where it has not finished, or is damaged."""
    try:
        with (folder / TABLE).open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            metric = (reader.fieldnames or [])[1]
            rows = [{name: _value(name, text) for name, text in row.items()} for row in reader]
    except FileNotFoundError:
        raise RunError(f"the run in {folder} has not finished", hint="run the same command again") from None
    except (ValueError, IndexError):
        raise RunError(f"{folder / TABLE} is damaged", hint="run the same command again") from None
    failed = sum(row["status"] == "failed" for row in rows)
    goal = str(((read_stamp(folder) or {}).get("stamp") or {}).get(GOAL, "maximize"))
    return Benchmark(str(folder), folder, metric, goal, rows, failed, own_table=False)


def _value(name: str, text: str) -> str | float | None:
    return text if name in ("key", "status") else float(text) if text else None

"""`score`: rank architectures without training them."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

from eproxyctl.contracts import Learner
from eproxyctl.errors import RunError
from eproxyctl.ranking import shared_ranks
from eproxyctl.runs import files
from eproxyctl.runs.conduct import Conduct
from eproxyctl.runs.ledger import POINT, Ledger, stream
from eproxyctl.runs.progress import Listener
from eproxyctl.runs.rows import Row
from eproxyctl.runs.tabular import Record, Tabular, plain
from eproxyctl.scoring import results
from eproxyctl.scoring.architectures import architectures, known_share
from eproxyctl.scoring.equals import Result, Shared
from eproxyctl.scoring.found import Found, needs_others
from eproxyctl.scoring.pace import Pace
from eproxyctl.scoring.plan import Plan, column_names, identity, make_plan
from eproxyctl.scoring.records import correlation_record, scored_record
from eproxyctl.scoring.settings import leaves, scored_with, within
from eproxyctl.scoring.statistics import Correlation, correlations, tuned_on
from eproxyctl.scoring.worker import ScoringJob
from eproxyctl.spec.request import Changes, Specification, requested
from eproxyctl.workers.executors import Workers

CORRELATIONS = "correlations.json"


@dataclass(frozen=True)
class Scores(Tabular):
    """What `score` found.

    Attributes:
        name: of the spec.
        folder: the run directory, which holds every row.
        keys: of the architectures, in the order of the spec.
        correlations: of each column with the metric; none without a table.
        best_first: places of the architectures, the best by the first proxy first.
        failed: architectures that a proxy failed on; their records say why.
        columns: kind of proxy by column.
        notes: what a person should know.
    """

    name: str
    folder: Path
    keys: Sequence[str] = field(repr=False)
    correlations: tuple[Correlation, ...] = field(repr=False)
    best_first: Sequence[int] = field(repr=False)
    failed: int
    columns: dict[str, str]
    notes: tuple[str, ...] = ()
    _records: Callable[[frozenset[int] | None], Iterator[tuple[int, dict[str, Any]]]] = field(
        repr=False, kw_only=True, default=lambda wanted: iter(())
    )

    def _table(self) -> tuple[str, Sequence[Record]]:
        return self.title, self.rows

    @property
    def title(self) -> str:
        """What was found, in a sentence."""
        best = self.correlations[0].estimate if self.correlations else None
        rho = f", Spearman's ρ of {next(iter(self.columns))} with the metric {best.value:.2f}" if best else ""
        return f"{self.name}: {len(self.keys)} architectures scored{rho}; the best is {self.best['key']}"

    @property
    def rows(self) -> list[Record]:
        """Every architecture in the order of the spec, read from the run directory."""
        return list(self.records())

    @property
    def best(self) -> Record:
        """The architecture that ranks first by the first proxy."""
        return self.top(1)[0]

    def records(self) -> Iterator[Record]:
        """As `rows`, one at a time: memory does not grow with their number."""
        return (record for _, record in self._records(None))

    def top(self, count: int) -> list[Record]:
        """The best by the first proxy, with their rank; equal scores share one."""
        order = self.best_first[:count]
        found = dict(self._records(frozenset(order)))
        first = next(iter(self.columns))
        ranks = shared_ranks([found[i][first] for i in order])
        return [{"rank": rank, **found[i]} for rank, i in zip(ranks, order, strict=True)]

    @property
    def milliseconds(self) -> dict[str, float]:
        """Median of an architecture, by kind of proxy, where it was scored here."""
        return results.milliseconds(self.folder)


def score(
    spec: Specification = None,
    *,
    run: str | Path | None = None,
    workers: int | None = None,
    dask: str | None = None,
    accept_versions: bool = False,
    progress: Listener | None = None,
    on_row: Callable[[Record], None] | None = None,
    **changes: Unpack[Changes],
) -> Scores:
    """Score architectures; with a metric table, say how well the scores rank them.

    Every row is kept in the run directory, and the same call continues where it stopped.

    Args:
        spec: a file, a mapping, or a loaded spec; None: the built-in quickstart.
        run: the run directory; None: `runs/<spec>/score`.
        workers: processes; 0: this one. None: one a core.
        dask: a scheduler's address, or `local`.
        accept_versions: continue a run whose rows were made by another eproxyctl, torch or numpy.
        progress: called with each event.
        on_row: called with the record of each architecture, in the spec's order, as they are done; where a proxy ranks
            them together, at the end.
        changes: of the spec, see `Changes`.

    Raises:
        EproxyError: whatever is wrong; a failed architecture is a row.
    """
    plan = make_plan(requested(spec, changes or None))
    return _score(plan, Conduct(run, workers, dask, accept_versions, progress), on_row)


def _score(plan: Plan, conduct: Conduct, on_row: Callable[[Record], None] | None) -> Scores:
    keys, folder = architectures(plan), conduct.folder(plan.loaded, "score")
    found = Found(plan, keys, folder)
    waits = any(needs_others(proxy) for proxy in plan.proxies)
    damage: list[str] = []
    with conduct.directory("score", plan.loaded, identity(plan), plan.origins):
        with closing(_scored(plan, found, folder, conduct, damage)) as rows:
            for i, each in rows:
                if on_row and not waits:
                    on_row(scored_record(plan, found.of(i, each)))
        found.rank()
        measured, notes = _measure(plan, found, folder)

    def records(wanted: frozenset[int] | None) -> Iterator[tuple[int, dict[str, Any]]]:
        return ((i, scored_record(plan, rows)) for i, rows in found.rows(wanted))

    if on_row and waits:
        for _, record in records(None):
            on_row(record)
    share = known_share(plan, keys)
    return Scores(
        name=plan.loaded.name,
        folder=folder,
        keys=keys,
        correlations=measured,
        best_first=found.best_first(),
        failed=found.failed,
        columns={name: proxy.kind for name, proxy in zip(column_names(plan), plan.proxies, strict=True)},
        notes=(*plan.notes, *damage, *([share] if share else []), *notes, *found.ties()),
        _records=records,
    )


def _scored(
    plan: Plan, found: Found, folder: Path, conduct: Conduct, notes: list[str]
) -> Generator[tuple[int, tuple[Row, ...]], None, None]:
    """(place, rows) of each architecture as it is done, one row each of the settings of the plan."""
    pace = Pace()
    with conduct.pool(len(found.keys), plan.spec.device) as running:
        counter = conduct.counter(f"scoring {plan.loaded.name}", len(found.keys), pace.left)
        for i, each in enumerate(rows_of(plan, found.keys, folder, running, pace, notes)):
            counter.advance()
            found.add(i, each)
            yield i, each


def rows_of(
    plan: Plan,
    keys: Sequence[str],
    folder: Path,
    workers: Workers,
    pace: Pace | None = None,
    notes: list[str] | None = None,
) -> Iterator[tuple[Row, ...]]:
    """Score the keys that lack a row; yield the rows of each in the order of `keys`, one each of the plan's settings.

    Args:
        plan, keys, workers: what is scored, and where.
        folder: a locked run directory.
        pace: is told how much there is to do, and what each job took.
        notes: gets what the person should know.

    Raises:
        DataError: a proxy that has learned nothing yet.
    """
    for proxy in plan.proxies:
        for one in within(proxy, plan.registry):
            if isinstance(one, Learner):
                one.ready()
    wanted = {settings.digest: settings for settings in scored_with(plan.proxies, plan.registry)}
    abouts = [{"proxy": settings.kind, POINT: point} for point, settings in wanted.items()]

    def job(key: str, lacking: Sequence[str]) -> ScoringJob:
        return ScoringJob(key, tuple(wanted[point].text for point in lacking))

    scoring = (leaf for proxy in plan.proxies for leaf in leaves(proxy, plan.registry))
    with Ledger(folder, Row.from_json) as ledger:
        if notes is not None:
            notes += ledger.notes
        shared = Shared(plan.space, scoring, keys, ledger, pace or Pace())

        def run(jobs: Iterator[ScoringJob]) -> Iterator[Result]:
            return shared.results(workers, plan.context, jobs)

        yield from stream(ledger, keys, abouts, job, run, shared.order())


def _measure(plan: Plan, found: Found, folder: Path) -> tuple[tuple[Correlation, ...], tuple[str, ...]]:
    """The correlations, and what to say of them; they and the scores are in the run directory when this returns."""
    excluded = tuned_on(plan, found.keys)
    measured = tuple(correlations(plan, found, excluded=frozenset(excluded)))
    table = [plain(correlation_record(c)) for c in measured]
    files.write(folder / CORRELATIONS, json.dumps(table, indent=2) + "\n")
    results.write_results(plan, found, folder, excluded)
    notes = []
    if excluded:
        notes.append(
            f"{len(excluded)} architecture(s) equal one the proxy was tuned on and are excluded from the correlations"
        )
    if found.bad and plan.table:
        notes.append(f"{found.bad} architecture(s) diverged or failed; they rank last")
    return measured, tuple(notes)


def read_scores(folder: Path) -> Scores:
    """A finished run of `score` as it was kept.

    Raises:
        RunError: no run directory, or one whose run has not finished.
    """
    kept = results.read_results(folder)
    try:
        listed = json.loads((folder / CORRELATIONS).read_text("utf-8"))
        measured = tuple(Correlation.from_record(record) for record in listed)
    except (OSError, ValueError, KeyError, TypeError):
        raise RunError(f"{folder / CORRELATIONS} is damaged", hint="run the same command again") from None
    keys = list(next(iter(kept.columns.values())))
    first = next(iter(kept.columns))
    sign = -1 if kept.higher_is_better[first] else 1
    values = kept.columns[first]
    order = sorted(range(len(keys)), key=lambda i: (values[keys[i]] is None, sign * (values[keys[i]] or 0.0)))

    def records(wanted: frozenset[int] | None) -> Iterator[tuple[int, dict[str, Any]]]:
        for i, key in enumerate(keys):
            if wanted is None or i in wanted:
                metric = {"metric": kept.metric.get(key)} if kept.metric else {}
                yield i, {"key": key, **{name: column[key] for name, column in kept.columns.items()}, **metric}

    columns = {name: "" for name in kept.columns if name not in kept.baselines}
    failed = sum(row["status"] == "failed" for row in files.lines(folder / "rows.jsonl"))
    return Scores(str(folder), folder, keys, measured, order, failed, columns, _records=records)

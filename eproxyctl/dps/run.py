"""`tune`: DPS, discrete proxy search, on a few architectures whose metric is known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

from eproxyctl.contracts import Learner
from eproxyctl.dps.entrants import Entrant, contest, entrants, learned_entrants, to_check
from eproxyctl.dps.evaluation import Evaluation, goals
from eproxyctl.dps.fidelity import dimensions, widened
from eproxyctl.dps.proxy_file import PROXY, entrant_records, proxy_yaml, remarks
from eproxyctl.dps.sharing import SharedRows
from eproxyctl.dps.trials import KEPT, pareto_front, run_trials, searched
from eproxyctl.errors import RunError, UsageError
from eproxyctl.runs import files
from eproxyctl.runs.conduct import Conduct
from eproxyctl.runs.identity import study_name
from eproxyctl.runs.ledger import Ledger
from eproxyctl.runs.lines import csv_lines
from eproxyctl.runs.progress import Listener
from eproxyctl.runs.rows import Row
from eproxyctl.runs.tabular import Record, Tabular, plain
from eproxyctl.scoring.labelling import Split, split_table
from eproxyctl.scoring.plan import Plan, identity, make_plan
from eproxyctl.spec.request import Changes, Specification, requested
from eproxyctl.studies.shared import SharedStudy, Store
from eproxyctl.studies.storage import silent, storage_stamp
from eproxyctl.studies.study import DiscreteStudy, Finished, Terms

RESULT, TRIALS = "result.json", "trials.csv"


@dataclass(frozen=True)
class Tuning(Tabular):
    """What `tune` found.

    Attributes:
        name: of the spec.
        folder: the run directory.
        rows: the result first, then other trials, the proxy of the spec and the baselines, each with its correlation on
            the training and on the held-out architectures.
        training, held_out: the architectures.
        failed: rows that failed and ranked last.
        title: what was correlated, and on how many.
        notes: what a person should know.
    """

    name: str
    folder: Path
    rows: Sequence[Record] = field(repr=False)
    training: Sequence[str] = field(repr=False)
    held_out: Sequence[str] = field(repr=False)
    failed: int
    title: str
    notes: tuple[str, ...] = ()

    def _table(self) -> tuple[str, Sequence[Record]]:
        return self.title, self.rows

    @property
    def best(self) -> Record:
        """The result."""
        return self.rows[0]

    @property
    def proxy(self) -> Path:
        """The file that a spec names as its proxy from now on."""
        return self.folder / PROXY


def tune(
    spec: Specification = None,
    *,
    run: str | Path | None = None,
    workers: int | None = None,
    dask: str | None = None,
    accept_versions: bool = False,
    storage: str | None = None,
    finalists: int = 1,
    progress: Listener | None = None,
    **changes: Unpack[Changes],
) -> Tuning:
    """Tune the spec's proxy to the metric table, and check the result on held-out architectures.

    The same call continues to the total of trials.

    Args:
        spec: a file, a mapping, or a loaded spec; None: the built-in quickstart.
        run: the run directory; None: `runs/<spec>/dps`.
        workers: processes; 0: this one. None: one a core.
        dask: a scheduler's address, or `local`.
        accept_versions: continue a run whose rows were made by another eproxyctl, torch or numpy.
        storage: URL of a database, so that many processes work on one study, each in a run directory of its own.
        finalists: best trials that are checked on held-out architectures.
        progress: called with each event.
        changes: of the spec, see `Changes`.

    Raises:
        EproxyError: whatever is wrong; a failed architecture is a row that ranks last.
    """
    plan = make_plan(requested(spec, changes or None))
    if plan.spec.dps.prune and finalists > KEPT:
        raise UsageError(f"with dps.prune only the best {KEPT} are known: --finalists {finalists} is too many")
    return _tune(plan, Conduct(run, workers, dask, accept_versions, progress), storage, finalists)


def _tune(plan: Plan, conduct: Conduct, storage: str | None, finalists: int) -> Tuning:
    folder, parts, names = conduct.folder(plan.loaded, "dps"), split_table(plan), _identity(plan)
    total = _rows(plan, parts, finalists)
    with (
        silent(),
        conduct.directory("dps", plan.loaded, names, plan.origins, storage_stamp(storage)),
        conduct.pool(len(parts.training), plan.spec.device) as running,
        Ledger(folder, Row.from_json) as ledger,
    ):
        counter = conduct.counter(f"dps {plan.loaded.name}", total)
        counter.advance(min(total, len(ledger)))
        evaluation = Evaluation(widened(plan, dimensions(plan)), ledger, running, counter.advance)
        if isinstance(plan.proxy, Learner):
            found, trials = learned_entrants(evaluation, parts), 0
        else:
            store = Store(folder, storage, SharedRows(evaluation, parts))
            found, trials = _searched(evaluation, parts, names, store, finalists)
        files.write(folder / PROXY, proxy_yaml(plan, found, parts, trials))
        records = [plain(record) for record in entrant_records(plan, found)]
        files.write(folder / RESULT, json.dumps(records, indent=2) + "\n")
    return Tuning(
        name=plan.loaded.name,
        folder=folder,
        rows=entrant_records(plan, found, timed=True),
        training=parts.training,
        held_out=parts.held_out,
        failed=ledger.failed,
        title=_title(plan, parts),
        notes=(*plan.notes, *ledger.notes, *_notes(plan, storage, trials, found)),
    )


def _title(plan: Plan, parts: Split) -> str:
    return (
        f"{plan.loaded.name}: {plan.spec.dps.objective} on {len(parts.training)} training and "
        f"{len(parts.held_out)} held-out architectures ({parts.equal} equal to a training one left out)"
    )


def _identity(plan: Plan) -> dict[str, Any]:
    own = plan.spec.dps.model_dump(exclude={"trials", "held_out", "seeds"}, mode="json")
    return identity(plan, {"dps": hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:16]})


def _notes(plan: Plan, storage: str | None, trials: int, found: Sequence[Entrant]) -> Iterator[str]:
    """What became of the storage and of the trials that were asked for, and what to make of the result."""
    if isinstance(plan.proxy, Learner):
        if storage:
            yield "--storage is for proxies whose settings are searched: this one learns here alone"
    elif trials < plan.spec.dps.trials:
        yield f"exhausted: 100 draws in a row repeated a point; {trials} of {plan.spec.dps.trials} trials"
    yield from (f"{plan.loaded.name}: {remark}" for remark in remarks(found))


def _rows(plan: Plan, parts: Split, finalists: int) -> int:
    """How many are paid for at most."""
    total = 0 if isinstance(plan.proxy, Learner) else plan.spec.dps.trials
    again = max(KEPT, finalists) if plan.spec.dps.seeds > 1 else 0
    return (total + again + 1) * len(parts.training) + (finalists + 1) * len(parts.held_out)


def _searched(
    evaluation: Evaluation, parts: Split, names: dict[str, Any], store: Store, finalists: int
) -> tuple[list[Entrant], int]:
    """The result and its baselines, and how many trials there were."""
    plan = evaluation.plan
    choices, encode = searched(plan)
    name = study_name("dps", names)
    aims = goals(plan)
    study: DiscreteStudy = store.study(Terms(name, choices, plan.spec.dps.sampler, plan.spec.seed, encode, goals=aims))
    best = run_trials(study, evaluation, parts)
    _write_trials(store.folder / TRIALS, evaluation, parts, best)
    shown = pareto_front(best) if len(aims) > 1 else best[: max(KEPT, finalists)]
    if isinstance(study, SharedStudy):
        sharing = SharedRows(evaluation, parts)
        sharing.pay_side_by_side(contest(evaluation, parts, shown), study, evaluation.workers)
        sharing.pay_side_by_side(to_check(evaluation, parts, shown, finalists), study, evaluation.workers)
    return entrants(evaluation, parts, shown, finalists), len(best)


def _write_trials(path: Path, evaluation: Evaluation, parts: Split, best: Sequence[Finished]) -> None:
    """Every trial by number: what the search made large, on how many architectures, the counted cost, the settings."""
    records = []
    for one in sorted(best, key=lambda one: one.number):
        settings = evaluation.settings(one.point)
        records.append(
            {
                "trial": one.number,
                "objective": one.value,
                "architectures": evaluation.scored(settings, parts.training),
                "cost": evaluation.cost(settings, parts.training),
                "proxy": one.point,
            }
        )
    files.write(path, csv_lines(records))


def read_tuning(folder: Path) -> Tuning:
    """A finished run of `dps` as it was kept. Raises RunError where it has not finished."""
    try:
        rows = json.loads((folder / RESULT).read_text("utf-8"))
        names = [str(row["proxy"]) for row in rows]
    except FileNotFoundError:
        raise RunError(f"the run in {folder} has not finished", hint="run the same command again") from None
    except (ValueError, KeyError, TypeError):
        raise RunError(f"{folder / RESULT} is damaged", hint="run the same command again") from None
    failed = sum(row["status"] == "failed" for row in files.lines(folder / "rows.jsonl"))
    return Tuning(str(folder), folder, rows, (), (), failed, f"{folder}: {', '.join(names)}")

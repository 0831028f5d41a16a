"""A benchmark of one's own: sampled architectures, really trained on the task, and the metric table they make."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from eproxyctl import plugins
from eproxyctl.contracts import Space, Task, Trainable
from eproxyctl.errors import DataError
from eproxyctl.registry import Origin, Registry, kind_of
from eproxyctl.runs import files
from eproxyctl.runs.identity import contents, sections_identity
from eproxyctl.runs.ledger import ALONE, ROWS, TIMINGS, Keyed, stream
from eproxyctl.scoring.architectures import listed
from eproxyctl.scoring.labelling import spread
from eproxyctl.scoring.plan import check_device, check_rank
from eproxyctl.spec.loading import Loaded
from eproxyctl.spec.models import Spec
from eproxyctl.training.trainee import TrainedRow, TrainingContext, TrainingJob, trainee
from eproxyctl.workers.executors import Outcome, Workers

TABLE = "table.csv"
WHICH = ("architectures", "pick")
"""Settings of `train:` that say which architectures are trained, and not how."""
POOL = 1000
"""Sampled architectures from which `pick: spread` chooses; their traits take a second or so."""


@dataclass(frozen=True)
class Bench:
    """A spec made ready for training."""

    loaded: Loaded
    space: Space
    task: Trainable
    context: TrainingContext
    origins: tuple[Origin, ...]

    @property
    def spec(self) -> Spec:
        return self.loaded.spec


def prepare(loaded: Loaded, registry: Registry, sources: plugins.Sources) -> Bench:
    """Read the examples once, so that what is wrong with them is said before anything is trained.

    Raises:
        DataError: examples, or a device, that cannot be used; a task without a metric; augmentations that spoil it.
    """
    spec = loaded.spec
    space: Space = registry.create("space", spec.space)
    task: Task = registry.create("task", spec.task)
    if not isinstance(task, Trainable):
        what = f"networks cannot be trained on task '{kind_of(spec.task)}'"
        raise DataError(what, hint="use another: eproxyctl list tasks")
    for name in spec.train.augment:
        if name in task.spoilt_by:
            left = [other for other in spec.train.augment if other not in task.spoilt_by]
            raise DataError(
                f"train.augment: {name} would spoil the targets of task '{kind_of(spec.task)}'",
                hint=f"train.augment: [{', '.join(left)}]",
            )
    check_device(spec.device)
    check_rank(spec, space, task)
    context = TrainingContext(
        sources,
        tuple(origin.sha256 for origin in registry.origins if not origin.builtin),
        spec.space.model_dump_json(exclude={"architectures"}),
        spec.task.model_dump_json(exclude={"table", "baselines"}),
        spec.train.model_dump_json(exclude=set(WHICH)),
        spec.seed,
        spec.device,
        spec.tf32,
        contents([spec.space, spec.task], exclude={"architectures", "table", "baselines"}),
    )
    trainee(context)
    origins = {registry.get("space", kind_of(spec.space)).origin, registry.get("task", kind_of(spec.task)).origin}
    return Bench(loaded, space, task, context, tuple(sorted(origins, key=lambda origin: origin.name)))


def identity(bench: Bench) -> dict[str, Any]:
    """What makes two runs the same; which architectures and the metric table that may be there do not count."""
    left_out = {"space": {"architectures"}, "task": {"table", "baselines"}, "train": set(WHICH)}
    return sections_identity(bench.spec, tuple(left_out), left_out, bench.origins)


def choose(bench: Bench, named: Sequence[str]) -> list[str]:
    """The architectures to train: those named, else some that differ in function, with `pick: spread` in structure too.

    They come from the spec's list (keys, file or all), else from the space's own sample. Either way fewer are a prefix
    of more.

    Raises:
        SpecError: a name that is no architecture.
        UsageError: a space without traits, and `pick: spread`.
    """
    if named:
        return list(dict.fromkeys(bench.space.parse(key) for key in named))
    pool = listed(bench.loaded, bench.space)
    keys = bench.space.sample(bench.spec.seed) if pool is None else pool
    wanted = bench.spec.train.architectures
    if bench.spec.train.pick == "spread":
        return spread(bench.space, list(islice(keys, POOL) if pool is None else keys), wanted, bench.spec.seed)
    return list(islice(_distinct(bench.space, keys), wanted))


def _distinct(space: Space, keys: Iterable[str]) -> Iterator[str]:
    """Keys of which no two are equal in function."""
    seen: set[str] = set()
    for key in keys:
        canonical = space.canonical(key)
        if canonical not in seen:
            seen.add(canonical)
            yield key


def benchmark(
    bench: Bench, keys: Sequence[str], folder: Path, workers: Workers, *, save: bool = False
) -> Iterator[TrainedRow]:
    """Train the keys that have no row yet; yield all rows in the order of `keys`. See `stream`.

    With `save` each has its weights in a file, see `weights`; a row without them is trained again.
    """

    def job(key: str, lacking: Sequence[int]) -> TrainingJob:
        return TrainingJob(key, str(weights(folder, key)) if save else None)

    def complete(row: TrainedRow) -> bool:
        return not save or row.metric is None or weights(folder, row.key).exists()

    def results(jobs: Iterator[TrainingJob]) -> Iterator[tuple[Keyed, tuple[Outcome[TrainedRow], ...]]]:
        return workers.results(bench.context, jobs)

    for (row,) in stream(keys, ALONE, folder, job, results, TrainedRow.from_json, complete):
        yield row


def weights(folder: Path, key: str) -> Path:
    """The file of an architecture's trained weights in a run directory."""
    return folder / "weights" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"


def records(bench: Bench, folder: Path) -> list[dict[str, Any]]:
    """Every row of a run directory as the metric table has it; `task.table.path` reads the file."""
    seconds = {line["key"]: line["seconds"] for line in files.lines(folder / TIMINGS)}
    return [
        {
            "key": row.key,
            bench.task.metric: None if row.metric is None else float(f"{row.metric:.6g}"),
            "loss": None if row.loss is None else round(row.loss, 6),
            "params": row.params,
            "macs": row.macs,
            "epochs": row.epochs,
            "seconds": round(seconds.get(row.key, 0.0), 2),
            "status": row.status,
        }
        for row in map(TrainedRow.from_json, files.lines(folder / ROWS))
    ]

"""A spec made ready for training: the task's examples checked, and the architectures that are trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from eproxyctl.contracts import Space, Task, Trainable
from eproxyctl.errors import DataError
from eproxyctl.registry import Origin, kind_of
from eproxyctl.runs.identity import contents, sections_identity
from eproxyctl.scoring.architectures import listed_keys
from eproxyctl.scoring.labelling import pick_spread
from eproxyctl.scoring.plan import check_rank
from eproxyctl.spec.loading import Loaded
from eproxyctl.spec.models import Spec
from eproxyctl.spec.request import Request
from eproxyctl.training.trainee import Trainee, TrainingContext
from eproxyctl.workers.devices import check_device

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
    data_notes: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What the person should know: what the spec's loading dropped, what became of the data."""
        return [*self.loaded.notes, *(f"task: {note}" for note in self.data_notes)]

    @property
    def spec(self) -> Spec:
        return self.loaded.spec


def make_ready(request: Request) -> Bench:
    """Read the examples once, so that what is wrong with them is said before anything is trained.

    Raises:
        DataError: examples, or a device, that cannot be used; a task without a metric; augmentations that spoil it.
    """
    spec, registry = request.spec, request.registry
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
        request.sources,
        tuple(origin.sha256 for origin in registry.origins if not origin.builtin),
        spec.space.model_dump_json(exclude={"architectures"}),
        spec.task.model_dump_json(exclude={"table", "baselines"}),
        spec.train.model_dump_json(exclude=set(WHICH)),
        spec.seed,
        spec.device,
        spec.tf32,
        contents([spec.space, spec.task], exclude={"architectures", "table", "baselines"}),
    )
    Trainee(context)  # what is wrong with the examples is said before anything is trained, and nothing is kept
    origins = {registry.get("space", kind_of(spec.space)).origin, registry.get("task", kind_of(spec.task)).origin}
    ordered = tuple(sorted(origins, key=lambda origin: origin.name))
    return Bench(request.loaded, space, task, context, ordered, task.notes())


def bench_identity(bench: Bench) -> dict[str, Any]:
    """What makes two runs the same; which architectures and the metric table that may be there do not count."""
    left_out = {"space": {"architectures"}, "task": {"table", "baselines"}, "train": set(WHICH)}
    return sections_identity(bench.spec, tuple(left_out), left_out, bench.origins)


def to_train(bench: Bench, named: Sequence[str]) -> list[str]:
    """The architectures to train: those named, else some that differ in function, with `pick: spread` in structure too.

    They come from the spec's list (keys, file or all), else from the space's own sample. Either way fewer are a prefix
    of more.

    Raises:
        SpecError: a name that is no architecture.
        UsageError: a space without traits, and `pick: spread`.
    """
    if named:
        return list(dict.fromkeys(bench.space.parse(key) for key in named))
    pool = listed_keys(bench.loaded, bench.space)
    keys = bench.space.sample(bench.spec.seed) if pool is None else pool
    wanted = bench.spec.train.architectures
    if bench.spec.train.pick == "spread":
        return pick_spread(bench.space, list(islice(keys, POOL) if pool is None else keys), wanted, bench.spec.seed)
    return list(islice(_distinct(bench.space, keys), wanted))


def _distinct(space: Space, keys: Iterable[str]) -> Iterator[str]:
    """Keys of which no two are equal in function."""
    seen: set[str] = set()
    for key in keys:
        canonical = space.canonical(key)
        if canonical not in seen:
            seen.add(canonical)
            yield key

"""One architecture key → one row, the same in every process and on every host."""

from __future__ import annotations

import hashlib
import json
import math
import statistics
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eproxyctl import plugins
from eproxyctl.contracts import Batches, Costs, Proxy, Score, Seed, Space
from eproxyctl.engine.rows import Row
from eproxyctl.errors import EproxyError

if TYPE_CHECKING:
    from eproxyctl.registry import Registry

DIED = "the worker process died, twice"
DIED_HINT = "most often memory ran out: use fewer workers"


@dataclass(frozen=True, eq=False)
class Context:
    """All that a worker needs, data included. It is sent with each job and unpacked once a process.

    Attributes:
        sources: plugins to load.
        code: sha256 of each plugin, so that changed files are never served by a worker that read the old ones.
        space: its section of the spec, as JSON.
        seed: the spec's.
        device: `cpu` or `cuda:N`.
        shape: (channels, *spatial) of one full input.
        outputs: width of the classifier.
        inputs, labels: the minibatch [B, C, *spatial], [B].
        largest: (params, macs) of the space's largest architecture.
    """

    sources: plugins.Sources
    code: tuple[str, ...]
    space: str
    seed: int
    device: str
    shape: tuple[int, ...]
    outputs: int
    inputs: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    largest: tuple[int, int]
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        data = hashlib.sha256(self.inputs.tobytes())
        if self.labels is not None:
            data.update(self.labels.tobytes())
        rest = (self.sources, self.code, self.space, self.seed, self.device, self.shape, self.outputs, self.largest)
        data.update(repr(rest).encode())
        object.__setattr__(self, "digest", data.hexdigest())

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Context) and other.digest == self.digest


@dataclass(frozen=True)
class Job:
    """One architecture to score with one proxy (its section of a spec, as JSON)."""

    key: str
    proxy: str

    def run(self, context: Context) -> tuple[Row, float]:
        """See `run`."""
        return run(context, self)

    def died(self) -> Row:
        """The row where it killed its process twice."""
        return Row(self.key, "", "failed", cause=DIED, hint=f"{DIED_HINT} or a smaller proxy.fidelity")


def run(context: Context, job: Job) -> tuple[Row, float]:
    """Score one architecture. What goes wrong with it is in the row; returns (row, seconds)."""
    started = time.perf_counter()
    row = _worker(context).row(job)
    return row, time.perf_counter() - started


@lru_cache(maxsize=4)
def _worker(context: Context) -> Worker:
    return Worker(context)


class Worker:
    """A context unpacked: the space, the minibatch as tensors, proxies by their options."""

    def __init__(self, context: Context) -> None:
        import torch

        torch.set_num_threads(1)
        self.context = context
        self.registry = plugins.load(context.sources)
        self.space: Space = self.registry.create("space", parse_section(self.registry, "space", context.space))
        inputs = torch.from_numpy(context.inputs.copy()).to(context.device)
        labels = None if context.labels is None else torch.from_numpy(context.labels.copy()).to(context.device)
        self.batches = Batches(inputs, labels)
        self._proxies: dict[str, Proxy] = {}
        self._sizes: dict[str, tuple[int, int]] = {}

    def proxy(self, section: str) -> Proxy:
        """The proxy of a section; the last few are kept, with what they drew once."""
        if section not in self._proxies:
            if len(self._proxies) >= 4:
                self._proxies.pop(next(iter(self._proxies)))
            self._proxies[section] = self.registry.create("proxy", parse_section(self.registry, "proxy", section))
        return self._proxies[section]

    def row(self, job: Job) -> Row:
        """Score one architecture."""
        canonical, size = "", None
        try:
            canonical = self.space.canonical(job.key)
            size = self.size(job.key)
            return self._score(job, canonical, size)
        except Exception as error:  # noqa: BLE001 - a failed architecture is a row, whatever failed; the run goes on
            cause, hint = explain(error)
            params, macs = size or (None, None)
            return Row(job.key, canonical, "failed", params=params, macs=macs, cause=cause, hint=hint)

    def size(self, key: str) -> tuple[int, int]:
        """(params, macs) of the full official network."""
        from eproxyctl.networks.size import count

        if key not in self._sizes:
            if len(self._sizes) >= 1024:
                self._sizes.clear()
            shape, outputs = self.context.shape, self.context.outputs
            self._sizes[key] = count(lambda: self.space.build(key, shape, outputs, pruned=False), shape)
        return self._sizes[key]

    def _score(self, job: Job, canonical: str, size: tuple[int, int]) -> Row:
        proxy = self.proxy(job.proxy)
        costs = Costs(*size, *self.context.largest)
        scores = [self._once(proxy, job.key, canonical, repeat) for repeat in range(proxy.options.repeats)]
        values = [read(proxy, score, costs) for score in scores]
        traces = tuple(score.trace for score in scores)
        if not all(map(math.isfinite, values)):
            return Row(job.key, canonical, "diverged", params=size[0], macs=size[1], traces=traces)
        return Row(
            job.key,
            canonical,
            "ok",
            statistics.fmean(values),
            statistics.stdev(values) if len(values) > 1 else None,
            *size,
            traces,
        )

    def _once(self, proxy: Proxy, key: str, canonical: str, repeat: int) -> Score:
        from eproxyctl.networks.size import materialise

        fidelity = proxy.options.fidelity
        shape = (self.context.shape[0], *self.batches.inputs.shape[2:])
        official = proxy.needs.official
        network = materialise(lambda: self.space.build(key, shape, self.context.outputs, fidelity, pruned=not official))
        return proxy.score(network, self.batches, Seed.of(self.context.seed, canonical, repeat))


def read(proxy: Proxy, score: Score, costs: Costs) -> float:
    """A score's value, through the read-out where the proxy has one."""
    return proxy.read(score.trace, costs) if proxy.readouts() else score.value


def parse_section(registry: Registry, section: Any, text: str) -> Any:
    """Validated options from a section's JSON."""
    data = json.loads(text)
    return registry.get(section, data["kind"]).options.model_validate(data)


def explain(error: Exception) -> tuple[str, str]:
    """(cause, hint) of a failed architecture."""
    if isinstance(error, EproxyError):
        return error.message, error.hint
    text = str(error).splitlines()[0] if str(error) else ""
    if isinstance(error, MemoryError) or "out of memory" in text.lower() or "can't allocate memory" in text:
        return "out of memory", "lower proxy.fidelity.width, .batch or .resolution, or use fewer workers"
    return f"{type(error).__name__}: {text}", ""

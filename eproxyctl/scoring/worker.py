"""One architecture key → one row, the same in every process and on every host."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from eproxyctl import plugins
from eproxyctl.contracts import Batches, Costs, Proxy, Readable, Score, Seed, Space, Trace
from eproxyctl.errors import EproxyError
from eproxyctl.networks.counting import SizeCache, by_size, size_of
from eproxyctl.runs.rows import Row, scored
from eproxyctl.workers.devices import settle
from eproxyctl.workers.executors import Outcome

MOST_PROXIES = 32
"""Proxies that a worker keeps at once."""
MEMORY = "most often memory ran out: use fewer workers"


@dataclass(frozen=True)
class Ask:
    """The minibatch that a proxy asks for: side and images, None as the task has them, and how many batches."""

    resolution: int | None
    batch: int | None
    n: int

    @classmethod
    def of(cls, proxy: Proxy) -> Ask:
        """What `proxy` asks for."""
        fidelity = proxy.options.fidelity
        return cls(fidelity.resolution, fidelity.batch, proxy.needs.batches)


@dataclass(frozen=True)
class Minibatch:
    """One or more minibatches side by side, on their way to a worker: inputs [N, C, *spatial], labels [N]."""

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64] | None


@dataclass(frozen=True, eq=False)
class Context:
    """All that a worker needs, data included. It is sent to each once, and unpacked once.

    Attributes:
        sources: plugins to load.
        code: sha256 of each plugin, so that changed files are never served by a worker that read the old ones.
        space: its section of the spec, as JSON.
        seed: the spec's.
        device: `cpu` or `cuda:N`.
        shape: (channels, *spatial) of one full input.
        outputs: width of the classifier.
        minibatches: what the proxies see, by what they ask for.
        largest: (params, macs) of the space's largest architecture.
        tf32: the spec's.
        files: (path, digest of its content) of what the space and the proxies name.
    """

    sources: plugins.Sources
    code: tuple[str, ...]
    space: str
    seed: int
    device: str
    shape: tuple[int, ...]
    outputs: int
    minibatches: tuple[tuple[Ask, Minibatch], ...]
    largest: tuple[int, int]
    tf32: bool = False
    files: tuple[tuple[str, str], ...] = ()
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        data = hashlib.sha256()
        for ask, minibatch in self.minibatches:
            data.update(repr((ask, minibatch.inputs.shape)).encode())
            data.update(minibatch.inputs.tobytes())
            data.update(b"" if minibatch.labels is None else minibatch.labels.tobytes())
        rest = (self.sources, self.code, self.space, self.seed, self.device, self.shape, self.outputs, self.largest)
        data.update(repr((*rest, self.tf32, self.files)).encode())
        object.__setattr__(self, "digest", data.hexdigest())

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Context) and other.digest == self.digest


@dataclass(frozen=True)
class ScoringJob:
    """One architecture to score with some proxies (their sections of a spec, as JSON).

    Attributes:
        equals: for each proxy, its row of an architecture that it cannot tell from this one, None to score.
    """

    key: str
    proxies: tuple[str, ...]
    equals: tuple[Row | None, ...] = ()

    def prepare(self, context: Context) -> None:
        """Read what a process reads once."""
        _OWN.worker(context)

    def run(self, context: Context) -> tuple[Outcome[Row], ...]:
        """Score it with each proxy, in their order. What goes wrong is in the rows."""
        return tuple(_OWN.worker(context).outcomes(self))

    def died(self, cause: str) -> tuple[Outcome[Row], ...]:
        """The rows where it killed every process it was tried in."""
        row = Row(self.key, "", "failed", cause=cause, hint=f"{MEMORY} or a smaller proxy.fidelity")
        return (Outcome(row, 0.0),) * len(self.proxies)


class Worker:
    """A context unpacked: the space, the minibatch as tensors, proxies by their options."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.registry = plugins.load_plugins(context.sources)
        self.space: Space = self.registry.create("space", self.registry.read("space", context.space))
        self._proxies: dict[str, Proxy] = {}
        self._sizes = SizeCache(self.space, context.shape, context.outputs)
        self._used = False

    @cached_property
    def batches(self) -> dict[Ask, Batches]:
        """The minibatches as tensors; torch is imported, and settled, for the first network that is built."""
        settle(self.context.device, tf32=self.context.tf32)
        return {ask: _tensors(minibatch, self.context.device) for ask, minibatch in self.context.minibatches}

    def proxy(self, section: str) -> Proxy:
        """The proxy of a section; the last few are kept, with what they drew once."""
        proxy = self._proxies.get(section)
        if proxy is None:
            if len(self._proxies) >= MOST_PROXIES:
                del self._proxies[next(iter(self._proxies))]
            proxy = self.registry.create("proxy", self.registry.read("proxy", section))
            self._proxies[section] = proxy
        return proxy

    def outcomes(self, job: ScoringJob) -> Iterator[Outcome[Row]]:
        """Score one architecture with each proxy, each with a network of its own."""
        for section, equal in zip_longest(job.proxies, job.equals):
            started = time.perf_counter()
            row, fresh = self._row(job.key, section, equal), not self._used
            self._used = True
            yield Outcome(row, time.perf_counter() - started, fresh)

    def _row(self, key: str, section: str, equal: Row | None) -> Row:
        canonical, size = "", None
        try:
            canonical = self.space.canonical(key)
            size = self.size(key)
            if equal is not None:
                return self._shared(equal, key, self.proxy(section), size)
            return self._score(key, self.proxy(section), canonical, size)
        except Exception as error:  # noqa: BLE001 - a failed architecture is a row, whatever failed; the run goes on
            cause, hint = explain(error)
            params, macs = size or (None, None)
            return Row(key, canonical, "failed", params=params, macs=macs, cause=cause, hint=hint)

    def size(self, key: str) -> tuple[int, int]:
        """(params, macs) of the full official network."""
        return self._sizes(key)

    def _score(self, key: str, proxy: Proxy, canonical: str, size: tuple[int, int]) -> Row:
        costs = Costs(*size, *self.context.largest)
        scores = [self._once(proxy, key, canonical, repeat) for repeat in range(proxy.options.repeats)]
        values = [value_of(proxy, score, costs) for score in scores]
        return self._of(key, canonical, size, values, tuple(score.trace for score in scores))

    def _shared(self, equal: Row, key: str, proxy: Proxy, size: tuple[int, int]) -> Row:
        """The row of an architecture equal to this one, with what is this one's own."""
        if not isinstance(proxy, Readable):
            return replace(equal, key=key, params=size[0], macs=size[1])
        costs = Costs(*size, *self.context.largest)
        values = [proxy.read(trace, costs) for trace in equal.traces]
        return self._of(key, equal.canonical, size, values, equal.traces)

    def _of(
        self, key: str, canonical: str, size: tuple[int, int], values: list[float], traces: tuple[Trace, ...]
    ) -> Row:
        return scored(Row(key, canonical, "ok", params=size[0], macs=size[1], traces=traces), values)

    def _once(self, proxy: Proxy, key: str, canonical: str, repeat: int) -> Score:
        outputs, fidelity, pruned = self.context.outputs, proxy.options.fidelity, not proxy.needs.official
        shape = (self.context.shape[0], *dict(self.context.minibatches)[Ask.of(proxy)].inputs.shape[2:])
        if sized := by_size(proxy):
            return sized.of_size(*size_of(self.space, key, shape, outputs, fidelity, pruned=pruned))
        from eproxyctl.networks.size import materialise

        batches = self.batches[Ask.of(proxy)]
        settle(self.context.device, tf32=self.context.tf32)  # again: a run in the caller's process puts it back
        # Built anew for each proxy, which takes no longer than a copy: what one leaves behind (hooks, modes, frozen
        # weights) never meets another.
        network = materialise(lambda: self.space.build(key, shape, outputs, fidelity, pruned=pruned))
        return proxy.score(network, batches, Seed.of(self.context.seed, canonical, repeat))


class _Own(threading.local):
    """What a thread keeps to itself: proxies hold what they drew, and threads of a Dask worker share a process."""

    def __init__(self) -> None:
        self.worker = lru_cache(maxsize=4)(Worker)


_OWN = _Own()


def _tensors(minibatch: Minibatch, device: str) -> Batches:
    import torch

    inputs = torch.from_numpy(minibatch.inputs.copy()).to(device)
    labels = None if minibatch.labels is None else torch.from_numpy(minibatch.labels.copy()).to(device)
    return Batches(inputs, labels)


def value_of(proxy: Proxy, score: Score, costs: Costs) -> float:
    """A score's value, through the read-out where the proxy has one."""
    return proxy.read(score.trace, costs) if isinstance(proxy, Readable) else score.value


def explain(error: Exception) -> tuple[str, str]:
    """(cause, hint) of a failed architecture."""
    if isinstance(error, EproxyError):
        return error.message, error.hint
    text = str(error).splitlines()[0] if str(error) else ""
    if isinstance(error, MemoryError) or "out of memory" in text.lower() or "can't allocate memory" in text:
        return "out of memory", "lower proxy.fidelity.width, .batch or .resolution, or use fewer workers"
    return f"{type(error).__name__}: {text}", ""

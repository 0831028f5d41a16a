"""How long a network takes for one input, measured: on this machine, with one thread, and kept on disk."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from eproxyctl.contracts import Seed, Space
from eproxyctl.runs import files
from eproxyctl.workers.devices import one_thread

LATENCIES = "latency.jsonl"
WARM_UP, REPEATS = 3, 15


class Latencies:
    """Milliseconds of architectures; what is on disk is not measured again, so that a continued run decides alike.

    Args:
        space: of the architectures.
        shape: (channels, *spatial) of one input.
        outputs: width of the classifier.
        device: `cpu` or `cuda:N`.
        folder: a locked run directory.
    """

    def __init__(self, space: Space, shape: tuple[int, ...], outputs: int, device: str, folder: Path) -> None:
        self._space, self._shape, self._outputs, self._device = space, shape, outputs, device
        self._path = folder / LATENCIES
        self._known = {line["point"]: float(line["milliseconds"]) for line in files.lines(self._path)}

    def of(self, key: str) -> float:
        """Milliseconds for one input, of the network without dead parts: the median of REPEATS passes."""
        point = self._space.canonical(key)
        if point not in self._known:
            self._known[point] = round(self._measure(key), 4)
            log = files.Log(self._path)
            log.append(json.dumps({"key": key, "point": point, "milliseconds": self._known[point]}))
            log.close()
        return self._known[point]

    def known(self, key: str) -> float | None:
        """What was measured, None where nothing was."""
        return self._known.get(self._space.canonical(key))

    def _measure(self, key: str) -> float:
        import torch

        from eproxyctl.networks.initialise import generator, initialise
        from eproxyctl.networks.size import as_module, materialise

        network = as_module(materialise(lambda: self._space.build(key, self._shape, self._outputs)))
        # Values that are unset may be denormal, which some processors are slow with.
        initialise(network, "default", generator(Seed.of(0, self._space.canonical(key)).weights))
        network.eval().to(self._device)
        inputs = torch.randn(1, *self._shape, generator=generator(0)).to(self._device)
        with torch.inference_mode(), one_thread():
            return 1000 * statistics.median(_seconds(lambda: network(inputs), self._device))


def _seconds(call: Callable[[], object], device: str) -> list[float]:
    """Of each call after some to warm up: of the processor on a CPU, so that what else it does matters little."""
    import torch

    def now() -> float:
        if device == "cpu":
            return time.thread_time()
        torch.cuda.synchronize(device)
        return time.perf_counter()

    found = []
    for _ in range(WARM_UP + REPEATS):
        before = now()
        call()
        found.append(now() - before)
    return found[WARM_UP:]

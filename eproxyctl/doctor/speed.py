"""How fast one thread is: the peaks of its kernels, and the share of them that three reference networks reach.

Everything is measured in CPU seconds of this process, so that what else the machine does matters little.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from eproxyctl.contracts import Batches, Seed, Space
from eproxyctl.proxies.eproxy import EproxyProxy

if TYPE_CHECKING:
    from eproxyctl.contracts import Network
    from eproxyctl.registry import Registry

SHAPE = (3, 32, 32)
BATCH = 16
OUTPUTS = 10
ITERATIONS = 10
SEED = Seed(0, 0)
NOTHING = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
MATMUL_SIDE = 1024
CONVOLUTIONS = ((32, 16), (64, 8), (128, 16))
"""(channels, side) of the maps of the 3×3 convolutions whose best is the peak."""


@dataclass(frozen=True)
class Workload:
    """A network that stands for its family, scored by Eproxy at its defaults on 16 inputs of 3×32×32."""

    name: str
    kind: str
    options: dict[str, object]
    key: str

    def network(self, registry: Registry, *, pruned: bool = True) -> Network:
        """What a worker would score, without values yet."""
        from eproxyctl.networks.size import materialise

        options = registry.get("space", self.kind).options.model_validate({"kind": self.kind, **self.options})
        space: Space = registry.create("space", options)
        return materialise(lambda: space.build(self.key, SHAPE, OUTPUTS, pruned=pruned))


WORKLOADS = (
    Workload(
        "NAS-Bench-201",
        "nasbench201",
        {"channels": 16, "cells": 5},
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|",
    ),
    Workload(
        "DARTS_in",
        "nds-cells",
        {"family": "DARTS_in"},
        "32x6-no0m30.id0a30.m32s50.m31a33_2345-no0s51.m30id1.a31no0.no1m30_2345",
    ),
    Workload(
        "ResNeXt-A_in",
        "nds-residual",
        {"family": "ResNeXt-A_in"},
        "bottleneck-64-1x16b1g1-2x128b0.25g4-16x64b0.5g2",
    ),
)


@dataclass(frozen=True)
class Speed:
    """How fast a workload is scored.

    Attributes:
        seconds: CPU seconds of one score.
        flops: counted floating-point operations of its convolutions and matrix products, forward and backward.
    """

    name: str
    seconds: float
    flops: int

    @property
    def gflops(self) -> float:
        """Billions of counted operations a second."""
        return self.flops / self.seconds / 1e9


def matmul_peak(seconds: float) -> float:
    """The most GFLOP/s of float32 matrix products in `seconds` of trying."""
    import torch

    a = torch.ones(MATMUL_SIDE, MATMUL_SIDE)
    with torch.no_grad():
        return 2 * MATMUL_SIDE**3 / _fastest(lambda: a @ a, seconds) / 1e9


def convolution_peak(seconds: float) -> float:
    """The most GFLOP/s of float32 3×3 convolutions, channels last, in `seconds` of trying."""
    import torch

    best = 0.0
    for channels, side in CONVOLUTIONS:
        maps = torch.ones(BATCH, channels, side, side).contiguous(memory_format=torch.channels_last)
        call = partial(torch.conv2d, maps, torch.ones(channels, channels, 3, 3), padding=1)
        with torch.no_grad():
            each = _fastest(call, seconds / len(CONVOLUTIONS))
        best = max(best, 2 * BATCH * channels**2 * 9 * side**2 / each / 1e9)
    return best


def _fastest(call: Callable[[], object], seconds: float) -> float:
    """CPU seconds of the fastest of the calls made in `seconds`; at least three are."""
    call()
    times: list[float] = []
    started = time.process_time()
    while len(times) < 3 or time.process_time() - started < seconds:
        before = time.process_time()
        call()
        times.append(time.process_time() - before)
    return min(times)


def speeds(registry: Registry, workloads: Iterable[Workload]) -> Iterator[Speed]:
    """Score each workload once, building included; what is drawn once a process does not count."""
    from torch.utils.flop_counter import FlopCounterMode

    batches = minibatch()
    first, second, full = (
        EproxyProxy(EproxyProxy.Options.model_validate({"iterations": n})) for n in (1, 2, ITERATIONS)
    )
    smallest = Workload("", "nasbench201", {"channels": 1, "cells": 1}, NOTHING)
    for proxy in (first, second, full):
        proxy.score(smallest.network(registry), batches, SEED)
    for workload in workloads:
        passes = []
        for proxy in (first, second):  # forward; forward, backward, forward
            with FlopCounterMode(display=False) as counter:
                proxy.score(workload.network(registry), batches, SEED)
            passes.append(counter.get_total_flops())
        flops = passes[0] + (ITERATIONS - 1) * (passes[1] - passes[0])
        before = time.process_time()
        full.score(workload.network(registry), batches, SEED)
        yield Speed(workload.name, time.process_time() - before, flops)


def minibatch() -> Batches:
    """Inputs of the original's size; their values do not change the time."""
    from torch import randn

    from eproxyctl.networks.initialise import generator

    return Batches(randn(BATCH, *SHAPE, generator=generator(0)))

"""Seconds of one score in every space, and how many times as fast it is as the plain reading of the method."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from eproxyctl import plugins
from eproxyctl.contracts import Fidelity, Space
from eproxyctl.doctor import speed as measure
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.networks.size import as_module, materialise
from eproxyctl.proxies.eproxy import EproxyProxy
from eproxyctl.proxies.eproxy_options import EproxyOptions
from eproxyctl.proxies.losses import SyntheticTargets, _transforms, draw_regression

sys.path.insert(0, str(Path(__file__).parents[1] / "proxies"))
from oracle import losses as plain_losses

pytestmark = pytest.mark.benchmark
REGISTRY = plugins.load_plugins(plugins.Sources((), installed=False))
QUARTER = Fidelity.model_validate({"width": 0.25, "depth": 0.3})
SPACES = [kind for kind in REGISTRY.kinds("space") if 2 in REGISTRY.get("space", kind).cls.ranks]


def space_of(kind: str) -> Space:
    space: Space = REGISTRY.create("space", REGISTRY.get("space", kind).options.model_validate({"kind": kind}))
    return space


@pytest.mark.parametrize("kind", SPACES)
def test_score_of_the_example_at_a_quarter_of_the_width(benchmark: BenchmarkFixture, kind: str) -> None:
    space, batches = space_of(kind), measure.minibatch()
    proxy = EproxyProxy(EproxyProxy.Options())
    with measure.one_thread():

        def score() -> None:
            network = materialise(lambda: space.build(space.example, measure.SHAPE, 10, QUARTER))
            proxy.score(network, batches, measure.SEED)

        benchmark.pedantic(score, rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("workload", measure.WORKLOADS, ids=lambda workload: workload.name)
def test_ratio_to_the_plain_reading(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], workload: measure.Workload
) -> None:
    """CPU seconds, one after the other, so that what else the machine does meets both alike."""
    batches, proxy = measure.minibatch(), EproxyProxy(EproxyProxy.Options())
    task = draw_regression(batches.inputs, measure.SEED.common, proxy.options)
    plain: list[float] = []
    fast: list[float] = []

    def both() -> None:
        started = time.process_time()
        score_plainly(workload, task, proxy.options)
        middle = time.process_time()
        proxy.score(workload.network(REGISTRY), batches, measure.SEED)
        plain.append(middle - started)
        fast.append(time.process_time() - middle)

    with measure.one_thread():
        proxy.score(workload.network(REGISTRY), batches, measure.SEED)
        benchmark.pedantic(both, rounds=2)
    ratio = median(plain) / median(fast)
    benchmark.extra_info["ratio"] = ratio
    with capsys.disabled():
        print(f"\n{workload.name}: plain {median(plain):.2f} s, fast {median(fast):.2f} s, ratio {ratio:.2f}")
    assert ratio > 1


def score_plainly(workload: measure.Workload, task: SyntheticTargets, options: EproxyOptions) -> None:
    """The official network, dead parts included, in torch's default layout."""
    network = workload.network(REGISTRY, pruned=False)
    initialise(as_module(network), "default", generator(measure.SEED.weights))
    plain_losses(
        as_module(network),
        _transforms(network.channels, task, measure.SEED.common, options)[0],
        task.barriers[0],
        task.source,
        task.targets[0].contiguous(),
        iterations=options.iterations,
        learning_rate=options.learning_rate,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
    )

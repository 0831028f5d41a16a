"""Eproxy: the method, its invariants, its read-outs."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracle import losses as plain_losses

from eproxyctl.contracts import Batches, Costs, Seed
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.networks.size import as_module, materialise
from eproxyctl.proxies.eproxy import FEATURE_SETS, EproxyProxy
from eproxyctl.proxies.eproxy_options import FEATURES, EproxyReadout
from eproxyctl.proxies.losses import _transforms, draw_regression
from eproxyctl.proxies.targets import BANDS, make_target
from eproxyctl.spaces.nasbench201 import NasBench201Space

SPACE = NasBench201Space(NasBench201Space.Options.model_validate({"channels": 4, "cells": 1}))
INPUTS = torch.randn(4, 3, 16, 16, generator=generator(0))
BATCHES = Batches(INPUTS)
POOLS = "|avg_pool_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
SMALL = {"branches": [{"transform_channels": 16, "target_channels": 8, "features": ["dot"]}], "learning_rate": 0.05}


def proxy(**options: object) -> EproxyProxy:
    return EproxyProxy(EproxyProxy.Options.model_validate(SMALL | options))


def network(key: str = SPACE.example, space: NasBench201Space = SPACE):  # type: ignore[no-untyped-def]
    return materialise(lambda: space.build(key, (3, 16, 16), 10))


@pytest.mark.parametrize("key", [SPACE.example, SPACE.largest(), POOLS])
def test_the_fast_path_equals_the_plain_reading(key: str) -> None:
    one = proxy()
    trace = one.score(network(key), BATCHES, Seed(1, 2)).trace
    module = network(key)
    initialise(as_module(module), "default", generator(2))
    task = draw_regression(INPUTS, 1, one.options)
    transform = _transforms(module.channels, task, 1, one.options)[0]
    expected = plain_losses(
        as_module(module),
        transform,
        task.barriers[0],
        INPUTS,
        task.targets[0],
        iterations=10,
        learning_rate=0.05,
        momentum=0.9,
        weight_decay=4e-5,
    )
    assert [loss for (loss,) in trace] == pytest.approx(expected, rel=1e-4)
    assert trace[-1][0] < trace[0][0]


def test_a_score_does_not_depend_on_what_was_scored_before() -> None:
    used, fresh = proxy(), proxy()
    used.score(network(SPACE.largest()), BATCHES, Seed(1, 9))
    torch.manual_seed(123)
    assert used.score(network(), BATCHES, Seed(1, 2)) == fresh.score(network(), BATCHES, Seed(1, 2))
    assert used.score(network(), BATCHES, Seed(3, 2)) != fresh.score(network(), BATCHES, Seed(1, 2))


@pytest.mark.parametrize("rank", [1, 2])
def test_bfloat16_comes_near_float32_and_again_to_the_same(rank: int) -> None:
    shape = (3, *(8,) * rank)
    batches = Batches(torch.randn(4, *shape, generator=generator(0)))

    def trace(precision: str) -> tuple[tuple[float, ...], ...]:
        built = materialise(lambda: SPACE.build(POOLS, shape, 10))
        return proxy(precision=precision).score(built, batches, Seed(1, 2)).trace

    exact, near = trace("float32"), trace("bfloat16")
    assert near == trace("bfloat16") != exact
    assert [loss for (loss,) in near] == pytest.approx([loss for (loss,) in exact], rel=0.05)


def test_bfloat16_is_refused_for_volumes() -> None:
    built = materialise(lambda: SPACE.build(POOLS, (3, 8, 8, 8), 10))
    with pytest.raises(ValueError, match="float32"):
        proxy(precision="bfloat16").score(built, Batches(torch.zeros(4, 3, 8, 8, 8)), Seed(1, 2))


def test_the_barrier_is_frozen_unless_asked_otherwise() -> None:
    one = proxy()
    one.score(network(), BATCHES, Seed(1, 2))
    before = draw_regression(INPUTS, 1, one.options).barriers[0]
    after = one._targets[1].barriers[0]
    assert all(a.equal(b) for a, b in zip(before.parameters(), after.parameters(), strict=True))
    results = {b: proxy(barrier=b).score(network(), BATCHES, Seed(1, 2)).trace for b in ("frozen", "trained", "none")}
    assert results["frozen"][0] == results["trained"][0]
    assert len({trace[-1] for trace in results.values()}) == 3


def test_three_branches_and_every_initialisation() -> None:
    branches = [{"transform_channels": 8, "target_channels": 4, "level": level} for level in (0.5, 1, 2)]
    for init in ("default", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"):
        trace = proxy(branches=branches, init=init, barrier_init=init).score(network(), BATCHES, Seed(1, 2)).trace
        assert [len(losses) for losses in trace] == [3] * 10


def test_a_diverged_network_is_not_finite_and_ends_early() -> None:
    score = proxy(learning_rate=1e30, iterations=6).score(network(), BATCHES, Seed(1, 2))
    assert math.isnan(score.value)
    assert len(score.trace) < 6


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("feature", FEATURES)
def test_targets_have_their_shape_and_come_from_the_seed(rank: int, feature: str) -> None:
    inputs = torch.randn(2, 3, *(8,) * rank, generator=generator(0))
    target = make_target(feature, 5, inputs, 4)  # type: ignore[arg-type]
    assert target.shape == (2, 512, *(4,) * rank)
    assert target.equal(make_target(feature, 5, inputs, 4))  # type: ignore[arg-type]
    assert not target.equal(make_target(feature, 6, inputs, 4))  # type: ignore[arg-type]
    assert target.isfinite().all()


def test_dots_are_signs_and_waves_keep_to_their_band() -> None:
    assert set(make_target("dot", 0, INPUTS, 8).unique().tolist()) == {-1.0, 1.0}
    for name, (low, high) in BANDS.items():
        waves = make_target(name, 0, torch.zeros(4, 3, 64), 64)  # type: ignore[arg-type]
        spectrum = torch.fft.rfft(waves - waves.mean(-1, keepdim=True)).abs().mean((0, 1))
        share = spectrum[int(low * 64) : math.ceil(high * 64) + 1].sum() / spectrum.sum()
        assert share > 0.7, name


COSTS = Costs(params=50, macs=20, params_max=100, macs_max=200)


def test_read_outs_are_read_without_training() -> None:
    one = proxy(branches=[{}, {}], iterations=2)
    trace = ((4.0, 2.0), (1.0, 0.5))
    assert one.read(trace, COSTS) == 1.25
    assert one.read(trace, COSTS, EproxyReadout(iteration=1, decay=1.0)) == 6.0
    assert one.read(trace, COSTS, EproxyReadout(reverse=True)) == -1.25
    assert one.read(trace, COSTS, EproxyReadout(early=1, decay=1.0)) == pytest.approx(1.5 / 6)
    assert math.isnan(one.read(trace[:0], COSTS, EproxyReadout(early=1, iteration=1)))
    assert one.read(trace, COSTS, EproxyReadout(alpha=0.5)) == pytest.approx(1.25 * (1 - 0.5 * 20 / 200))
    assert one.read(trace, COSTS, EproxyReadout(alpha=0.5, cost="params")) == pytest.approx(1.25 * 0.75)
    assert one.read(trace, COSTS, EproxyReadout(alpha=0.5, cost_max=40)) == pytest.approx(1.25 * 0.75)
    assert math.isnan(one.read(trace[:1], COSTS))


def test_the_read_outs_of_the_paper_are_eleven_and_the_default_comes_first() -> None:
    paper = proxy().readouts("paper")
    assert len(paper) == len({r.alpha for r in paper}) == 11
    assert paper[0] == EproxyReadout()
    found = proxy(branches=[{}, {}]).readouts("trace")
    assert len(found) == len(set(found)) == (11 + 10) * 10 * 3 + 10 * 3 + 2 * (9 + 8) * 3
    assert found[:11] == paper


def test_the_trained_space_is_as_large_as_the_paper_says() -> None:
    sizes = [len(options) for options in proxy().parameters().values()]
    assert len(FEATURE_SETS) == 31
    per_branch = 31 * 3 * 3 * 6 * 6 * 4
    assert math.prod(sizes) == 11 * 4 * 4 * 3 * per_branch**3
    with_alpha = 11 * sum(11 * 16 * per_branch**n for n in (1, 2, 3))
    assert with_alpha == pytest.approx(1.26e17, rel=0.01)


@given(st.data())
def test_genes_without_effect_do_not_count(data: st.DataObject) -> None:
    one = proxy()
    choices = {name: data.draw(st.sampled_from(options)) for name, options in one.parameters().items()}
    choices["branches"] = 1
    encoded = one.encode(choices)
    choices["level_2"] = 0.5
    choices["features_1"] = "dot"
    assert one.encode(choices) == encoded
    assert len(encoded.branches) == 1  # type: ignore[attr-defined]


def test_on_noise_the_images_do_not_matter() -> None:
    space = NasBench201Space(NasBench201Space.Options(channels=2, cells=1))

    def value(inputs: str, images: torch.Tensor) -> float:
        proxy = EproxyProxy(EproxyProxy.Options.model_validate({"inputs": inputs, "iterations": 2, "map_size": 4}))
        network = materialise(lambda: space.build(space.example, (3, 16, 16), 10))
        return proxy.score(network, Batches(images), Seed(1, 2)).value

    zeros, ramp = torch.zeros(2, 3, 16, 16), torch.arange(1536.0).reshape(2, 3, 16, 16) / 1536
    assert value("noise", zeros) == value("noise", ramp)
    assert value("task", zeros) != value("task", ramp)

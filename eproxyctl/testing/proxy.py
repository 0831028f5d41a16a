"""What holds of every proxy."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from eproxyctl.contracts import Batches, Composite, Proxy, Score, Seed, Space
from eproxyctl.testing.observed import BATCH, OUTPUTS, SHAPES, built, check_options, global_state_unchanged

if TYPE_CHECKING:
    from eproxyctl.registry import Registry


class Networks:
    """The networks and the minibatch on which a proxy is tested: a few small cells of NAS-Bench-201."""

    architectures: ClassVar[int] = 3
    """How many are scored."""
    rank: ClassVar[int] = 2

    def space(self) -> Space:
        """Where the networks come from; override it where the proxy needs others."""
        from eproxyctl.spaces.nasbench201 import NasBench201Space

        return NasBench201Space(NasBench201Space.Options.model_validate({"channels": 4, "cells": 1}))

    def keys(self) -> list[str]:
        """The architectures that are scored."""
        return list(itertools.islice(self.space().sample(1), self.architectures))

    def registry(self) -> Registry:
        """What the options of the proxy may name; override it where they name other plugins."""
        from eproxyctl import plugins

        return plugins.load_plugins(plugins.Sources(installed=False))

    def batches(self, proxy: Proxy, seed: int = 0) -> Batches:
        """Random inputs [N, C, *spatial], and labels only where the proxy asks for them."""
        import torch

        from eproxyctl.networks.initialise import generator

        random, size = generator(seed), BATCH * proxy.needs.batches
        labels = torch.randint(0, OUTPUTS, (size,), generator=random) if proxy.needs.labels else None
        return Batches(torch.randn(size, *SHAPES[self.rank], generator=random), labels)

    def score(self, proxy: Proxy, key: str, batches: Batches | None = None) -> Score:
        """The score of one architecture, freshly built as scoring builds it."""
        space = self.space()
        network = built(space, key, SHAPES[self.rank], proxy.options.fidelity, pruned=not proxy.needs.official)
        return proxy.score(network, batches or self.batches(proxy), Seed.of(0, space.canonical(key)))


class ProxyConformance(Networks, ABC):
    """Tests of a proxy; derive from it, name the class `Test…`, and define `proxy`.

    One made of others scores no network itself: its tests are those of `CompositeConformance`.
    """

    @abstractmethod
    def proxy(self) -> Proxy:
        """The proxy that is tested, a new one each time."""

    def test_options_come_back_from_json(self) -> None:
        check_options(self.proxy().options, self.registry())

    def test_scores_are_numbers_and_tell_architectures_apart(self) -> None:
        proxy = self.proxy()
        if isinstance(proxy, Composite):
            return
        scores = [self.score(proxy, key) for key in self.keys()]
        for score in scores:
            assert isinstance(score.value, float), f"a score's value is {type(score.value).__name__}, not float"
            numbers = all(isinstance(value, float) for step in score.trace for value in step)
            assert numbers, "a trace holds something else than floats"
        values = [score.value for score in scores if math.isfinite(score.value)]
        assert values, "every score diverged"
        assert len({(score.value, score.trace) for score in scores}) > 1, "all architectures have one score"

    def test_a_score_does_not_depend_on_what_was_scored_before(self) -> None:
        if isinstance(self.proxy(), Composite):
            return
        keys, proxy = self.keys(), self.proxy()
        forth = {key: self.score(proxy, key) for key in keys}
        alone = {key: self.score(self.proxy(), key) for key in keys}
        batches = self.batches(proxy)
        self.score(proxy, keys[0], self.batches(proxy, seed=1))
        back = {key: self.score(proxy, key, batches) for key in reversed(keys)}
        for key in keys:
            assert _same(forth[key], alone[key]), f"{key!r} alone has another score than after others"
            assert _same(forth[key], back[key]), f"{key!r} has another score in another order"

    def test_global_state_is_neither_read_nor_changed(self) -> None:
        import torch

        if isinstance(self.proxy(), Composite):
            return
        proxy, key = self.proxy(), self.keys()[0]
        with global_state_unchanged("score"):
            first = self.score(proxy, key)
        before = torch.get_rng_state()
        try:
            torch.manual_seed(12345)
            second = self.score(self.proxy(), key)
        finally:
            torch.set_rng_state(before)
        assert _same(first, second), "the score depends on torch's global random state: use a generator of its own"

    def test_minibatch_and_options_are_left_as_they_are(self) -> None:
        proxy = self.proxy()
        if isinstance(proxy, Composite):
            return
        batches, options = self.batches(proxy), proxy.options.model_copy(deep=True)
        inputs = batches.inputs.clone()
        labels = None if batches.labels is None else batches.labels.clone()
        self.score(proxy, self.keys()[0], batches)
        assert batches.inputs.equal(inputs), "score changes its minibatch, which the next architecture sees"
        assert labels is None or (batches.labels is not None and batches.labels.equal(labels)), "score changes labels"
        assert not batches.inputs.requires_grad, "score leaves the minibatch with a gradient"
        assert proxy.options == options, "score changes its options"

    def test_needs_are_true(self) -> None:
        """Labels that are asked for count; where no gradients are, `no_grad` around it changes nothing."""
        import torch

        proxy, key = self.proxy(), self.keys()[0]
        if isinstance(proxy, Composite):
            return
        given = self.batches(proxy)
        first = self.score(proxy, key, given)
        if given.labels is not None:
            others = [Batches(given.inputs, (given.labels + i) % OUTPUTS) for i in range(1, OUTPUTS)]
            changed = any(not _same(first, self.score(self.proxy(), key, other)) for other in others)
            assert changed, "needs says labels, but the score does not depend on them"
        if not proxy.needs.gradients:
            with torch.no_grad():
                second = self.score(self.proxy(), key, given)
            assert _same(first, second), "needs says no gradients, but without them the score is another"

    def test_work_grows_with_the_network(self) -> None:
        proxy = self.proxy()
        if isinstance(proxy, Composite):
            return
        small, large = (proxy.work(macs, (16, 8, 4), self.rank) for macs in (1_000, 1_000_000))
        assert 0 <= small <= large < math.inf, f"work is {small} for a small network and {large} for a large one"


def _same(one: Score, two: Score) -> bool:
    return repr(one) == repr(two)

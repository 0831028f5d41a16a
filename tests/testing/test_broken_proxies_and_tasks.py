"""Tests that a proxy or a task must pass fail for one that is broken in just that."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch

from eproxyctl.contracts import FULL, Batches, Needs, Proxy, ProxyOptions, Relative, Score, Task, Tunable
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.networks.size import as_module
from eproxyctl.testing import ProxyConformance, RelativeConformance, TaskConformance, TunableConformance


class Norm(Proxy, Tunable):
    """The mean of the deepest maps; sound."""

    kind = "norm"

    class Options(ProxyOptions):
        power: float = 1.0
        unused: float = 0.0

    options: Options

    def score(self, network: Any, batches: Batches, seed: Any) -> Score:
        initialise(as_module(network), "kaiming_normal", generator(seed.weights))
        with torch.no_grad():
            return Score(float(network.features(self.inputs(batches))[0].abs().mean() ** self.options.power))

    def inputs(self, batches: Batches) -> torch.Tensor:
        return batches.inputs

    def parameters(self) -> dict[str, tuple[float, ...]]:
        return {"power": (1.0, 2.0)}

    def encode(self, choices: Any) -> ProxyOptions:
        return self.options.model_copy(update=dict(choices))


class Remembering(Norm):
    seen = 0

    def inputs(self, batches: Batches) -> torch.Tensor:
        self.seen += 1
        return batches.inputs * self.seen


class Gambling(Norm):
    def inputs(self, batches: Batches) -> torch.Tensor:
        return batches.inputs + torch.randn(1)


class Spoiling(Norm):
    def inputs(self, batches: Batches) -> torch.Tensor:
        return batches.inputs.mul_(2)


class Constant(Norm):
    def score(self, network: Any, batches: Batches, seed: Any) -> Score:
        return Score(1.0)


class Pretending(Norm):
    needs = Needs(labels=True)


class Secret(Norm):
    """Trains without saying so."""

    def score(self, network: Any, batches: Batches, seed: Any) -> Score:
        initialise(as_module(network), "kaiming_normal", generator(seed.weights))
        return Score(float(network.features(batches.inputs)[0].requires_grad))


class Idle(Norm):
    def parameters(self) -> dict[str, tuple[float, ...]]:
        return {"power": (1.0, 2.0), "unused": (0.0, 1.0)}


class Shrinking(Norm):
    def work(self, macs: int, channels: tuple[int, ...], rank: int) -> float:
        return -float(macs)


def conformance(cls: Any, tests: Any = ProxyConformance) -> Any:
    class Tested(tests):  # type: ignore[misc]
        def proxy(self) -> Any:
            return cls(cls.Options())

    return Tested()


PROXIES: list[tuple[str, Any, str]] = [
    ("test_a_score_does_not_depend_on_what_was_scored_before", Remembering, "has another score"),
    ("test_global_state_is_neither_read_nor_changed", Gambling, "torch's random state"),
    ("test_minibatch_and_options_are_left_as_they_are", Spoiling, "changes its minibatch"),
    ("test_scores_are_numbers_and_tell_architectures_apart", Constant, "one score"),
    ("test_needs_are_true", Pretending, "does not depend on them"),
    ("test_needs_are_true", Secret, "without them the score is another"),
    ("test_work_grows_with_the_network", Shrinking, "work is"),
]


@pytest.mark.parametrize(("test", "cls", "says"), PROXIES)
def test_a_broken_proxy_is_caught(test: str, cls: Any, says: str) -> None:
    getattr(conformance(Norm), test)()
    with pytest.raises(AssertionError, match=says):
        getattr(conformance(cls), test)()


def test_a_gene_without_effect_is_caught() -> None:
    conformance(Norm, TunableConformance).test_genes_without_effect_do_not_count()
    with pytest.raises(AssertionError, match="'unused' changes the options and no score"):
        conformance(Idle, TunableConformance).test_genes_without_effect_do_not_count()


def test_values_that_depend_on_the_order_are_caught() -> None:
    class Numbering(Norm, Relative):
        def score(self, network: Any, batches: Batches, seed: Any) -> Score:
            return Score(0.0, ((0.0,),))

        def place(self, traces: Any, features: Any) -> list[float]:
            return [float(i) for i in range(len(traces))]

    with pytest.raises(AssertionError, match="depend on the order"):
        conformance(Numbering, RelativeConformance).test_places_do_not_depend_on_the_order()


class Noise(Task):
    """Sound."""

    kind = "noise"
    shape = (3, 16, 16)  # type: ignore[assignment]
    scale: ClassVar[float] = 1.0

    def batch(self, seed: int, fidelity: Any = FULL, n: int = 1) -> Batches:
        side = fidelity.resolution or 16
        size = ((fidelity.batch or 8) * n, 3, side, side)
        return self.finished(torch.randn(size, generator=self.random(seed)) * self.scale)

    def random(self, seed: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    def finished(self, inputs: torch.Tensor) -> Batches:
        return Batches(inputs)


class Loud(Noise):
    scale = 255.0


class Constantly(Noise):
    def random(self, seed: int) -> torch.Generator:
        return torch.Generator().manual_seed(0)


class Global(Noise):
    def random(self, seed: int) -> torch.Generator:
        return torch.default_generator


class Mislabelled(Noise):
    def finished(self, inputs: torch.Tensor) -> Batches:
        return Batches(inputs, torch.full((len(inputs),), 10))


class Misshapen(Noise):
    shape = (1, 16, 16)  # type: ignore[assignment]


class Rigid(Noise):
    def batch(self, seed: int, fidelity: Any = FULL, n: int = 1) -> Batches:
        return super().batch(seed, FULL, n)


TASKS: list[tuple[str, Any, str]] = [
    ("test_a_minibatch_is_normalised", Loud, "normalise them"),
    ("test_a_minibatch_comes_from_the_seed", Constantly, "does not depend on the seed"),
    ("test_a_minibatch_comes_from_the_seed", Global, "torch's random state"),
    ("test_a_minibatch_has_the_stated_shape", Mislabelled, "a label is 10"),
    ("test_a_minibatch_has_the_stated_shape", Misshapen, "shape says"),
    ("test_fidelity_shrinks_the_minibatch", Rigid, "fidelity.batch 2"),
]


@pytest.mark.parametrize(("test", "cls", "says"), TASKS)
def test_a_broken_task_is_caught(test: str, cls: Any, says: str) -> None:
    class Tested(TaskConformance):
        made: Any = Noise

        def task(self) -> Task:
            return self.made(self.made.Options())  # type: ignore[no-any-return]

    getattr(Tested(), test)()
    Tested.made = cls
    with pytest.raises(AssertionError, match=says):
        getattr(Tested(), test)()

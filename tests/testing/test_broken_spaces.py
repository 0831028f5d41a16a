"""Each test that a space must pass fails for a space that is broken in just that."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from eproxyctl.contracts import FULL, Choice, Space
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.plugins import import_file
from eproxyctl.testing import SpaceConformance, check

PlainSpace: Any = import_file(Path(__file__).parents[2] / "plugins" / "plain.py").PlainSpace


def conformance(cls: Any) -> Any:
    class Tested(SpaceConformance):
        def space(self) -> Space:
            return cls(cls.Options())  # type: ignore[no-any-return]

    return Tested()


class Blind(PlainSpace):
    """Takes any text for a key."""

    def parse(self, notation: object) -> str:
        return str(notation)

    def choices(self, key: str) -> dict[str, Choice]:
        depth, _, rest = key.partition("x")
        width, _, skip = rest.partition("s")
        return {"depth": int(depth), "width": int(width), "skip": int(skip)}


class Forgetful(PlainSpace):
    """Encodes a choice that it does not give back."""

    def choices(self, key: str) -> dict[str, Choice]:
        return super().choices(key) | {"skip": 0}  # type: ignore[no-any-return]


class Foreign(PlainSpace):
    """Gives back a value that is none of its choices."""

    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        return super().parameters() | {"skip": ("no", "yes")}  # type: ignore[no-any-return]

    def encode(self, choices: Mapping[str, Choice]) -> str:
        return super().encode({**choices, "skip": int(choices["skip"] in ("yes", 1))})  # type: ignore[no-any-return]


class NoExample(PlainSpace):
    example = "5x5"


class Repeating(PlainSpace):
    def sample(self, seed: int) -> Iterator[str]:
        return itertools.chain.from_iterable((key, key) for key in super().sample(seed))


class Unseeded(PlainSpace):
    def sample(self, seed: int) -> Iterator[str]:
        keys = list(self.keys())
        random.shuffle(keys)
        return iter(keys)


class Deaf(PlainSpace):
    """Samples the same for every seed."""

    def parameters(self) -> Mapping[str, tuple[Choice, ...]]:
        return {"depth": tuple(range(1, 5)), "width": tuple(range(8, 33)), "skip": (0, 1)}

    def parse(self, notation: object) -> str:
        return str(notation)

    def size(self) -> int:
        return 4 * 25 * 2

    def sample(self, seed: int) -> Iterator[str]:
        return Space.sample(self, 0)


class Alternating(PlainSpace):
    """Its canonical keys have others."""

    def canonical(self, key: str) -> str:
        return key[:-1] + str(1 - int(key[-1]))


class Equating(PlainSpace):
    """Says that a skip changes nothing, which is so with one block only."""

    def canonical(self, key: str) -> str:
        return key[:-1] + "0"


class Idle(PlainSpace):
    """Defines canonical as the contract does."""

    def canonical(self, key: str) -> str:
        return key


class Blurred(PlainSpace):
    """Leaves canonical out, though a skip over nothing changes nothing."""

    canonical = Space.canonical


class Staying(PlainSpace):
    def mutate(self, key: str, generator: random.Random) -> str:
        return key


class Wandering(PlainSpace):
    def mutate(self, key: str, generator: random.Random) -> str:
        return str(next(k for k in self.keys() if all(a != b for a, b in zip(key, k, strict=False) if a not in "xs")))


class Modest(PlainSpace):
    def largest(self) -> str:
        return "1x8s0"


class Moody(PlainSpace):
    def traits(self, key: str) -> dict[str, float]:
        return {f"depth.{key[0]}": 1.0}


class Infinite(PlainSpace):
    def traits(self, key: str) -> dict[str, float]:
        return {"depth": float("inf")}


class Literal(PlainSpace):
    """Its traits tell apart what computes the same."""

    def traits(self, key: str) -> dict[str, float]:
        return {"skip": float(key[-1])}


class Stiff(PlainSpace):
    """Promises fidelities that change nothing."""

    def build(self, key: str, shape: Any, outputs: int, fidelity: Any = FULL, *, pruned: bool = True) -> Any:
        return super().build(key, shape, outputs)


class Quiet(PlainSpace):
    """Does not say what its fidelities are."""

    def fidelities(self) -> tuple[str, ...]:
        return ("resolution",)


def broken(change: Callable[[Any], None]) -> Any:
    """A space whose networks are changed once built."""

    class Broken(PlainSpace):
        def build(self, key: str, shape: Any, outputs: int, fidelity: Any = FULL, *, pruned: bool = True) -> Any:
            network = super().build(key, shape, outputs, fidelity)
            network.pruned = pruned
            change(network)
            return network

    return Broken


def wrong_channels(network: Any) -> None:
    network.channels = (network.channels[0] + 1,)


def one_map_shallow_first(network: Any) -> None:
    inner = network.features
    network.channels = network.channels * 2
    network.features = lambda batch: [inner(batch)[0], inner(batch)[0][..., ::2, ::2]]
    network.forward = lambda batch: network.classifier(inner(batch)[0].flatten(2).mean(2))


def too_few_outputs(network: Any) -> None:
    network.classifier = nn.Linear(network.channels[0], 2)


def not_finite(network: Any) -> None:
    inner = network.forward
    network.forward = lambda batch: inner(batch) / 0


def pruned_differs(network: Any) -> None:
    if network.pruned:
        inner = network.forward
        network.forward = lambda batch: 2 * inner(batch)


class Miscounting(PlainSpace):
    def size(self) -> int:
        return 25


class Doubling(PlainSpace):
    def keys(self) -> Iterator[str]:
        return itertools.chain(super().keys(), super().keys())


ROUND, MAPS = "test_keys_round_trip", "test_networks_give_what_they_promise"
SAMPLE = "test_a_sample_is_distinct_and_the_same_again"
FINITE = "test_traits_have_the_same_names_and_are_finite"
BROKEN: list[tuple[str, Any, str]] = [
    ("test_what_is_no_architecture_is_refused", Blind, "must raise InvalidArchitecture"),
    (ROUND, Forgetful, "encode"),
    (ROUND, Foreign, "outside of parameters"),
    (SAMPLE, Repeating, "repeats a key"),
    (SAMPLE, Unseeded, "changed random's state"),
    (SAMPLE, Deaf, "does not depend on the seed"),
    ("test_a_canonical_key_is_canonical", Alternating, "has another"),
    ("test_equal_canonical_keys_are_equal_networks", Equating, "their networks differ"),
    ("test_equal_canonical_keys_are_equal_networks", Idle, "define twins"),
    ("test_one_network_has_one_canonical_key", Blurred, "two canonical keys"),
    ("test_a_mutation_is_another_architecture", Staying, "same architecture"),
    ("test_a_mutation_is_another_architecture", Wandering, "changed several choices"),
    ("test_the_largest_is_the_costliest", Modest, "largest\\(\\) only"),
    (FINITE, Moody, "other names"),
    (FINITE, Infinite, "not finite"),
    ("test_equal_canonical_keys_have_equal_traits", Literal, "one network, differ"),
    ("test_fidelities_are_those_that_change_networks", Stiff, "does not change"),
    ("test_fidelities_are_those_that_change_networks", Quiet, "width changes"),
    (MAPS, broken(wrong_channels), ".channels says"),
    (MAPS, broken(one_map_shallow_first), "deepest first"),
    (MAPS, broken(too_few_outputs), "forward gives"),
    (MAPS, broken(not_finite), "not finite"),
    ("test_pruned_computes_what_the_official_network_does", broken(pruned_differs), "something else"),
    ("test_size_counts_the_keys", Miscounting, "size\\(\\) is 25"),
    ("test_size_counts_the_keys", Doubling, "repeats a key"),
]


@pytest.mark.parametrize(("test", "cls", "says"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_space_is_caught(test: str, cls: Any, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        getattr(conformance(cls), test)()


def test_twins_that_are_none_are_caught() -> None:
    class Tested(SpaceConformance):
        def space(self) -> Space:
            return Idle(Idle.Options())  # type: ignore[no-any-return]

        def twins(self, space: Space) -> list[tuple[str, str]]:
            return [("2x8s0", "2x8s1")]

    with pytest.raises(AssertionError, match="which differ"):
        Tested().test_equal_canonical_keys_are_equal_networks()


def test_an_example_that_is_no_architecture_is_caught() -> None:
    with pytest.raises(InvalidArchitecture):
        conformance(NoExample).test_the_example_is_an_architecture()


def test_options_that_do_not_come_back_are_caught() -> None:
    class Lossy(PlainSpace):
        class Options(PlainSpace.Options):  # type: ignore[misc,name-defined]
            secret: str = "a"

            def model_dump_json(self, **_: Any) -> str:
                return "{}"

    class Tested(SpaceConformance):
        def space(self) -> Space:
            return Lossy(Lossy.Options(secret="b"))

    with pytest.raises(AssertionError, match="comes back"):
        Tested().test_options_come_back_from_json()


def test_every_test_is_shown_to_fail() -> None:
    tests = {name for name in vars(SpaceConformance) if name.startswith("test_")}
    shown = {test for test, _, _ in BROKEN}
    assert tests - shown == {"test_the_example_is_an_architecture", "test_options_come_back_from_json"}


def test_the_worked_plugin_passes_them_all_without_pytest() -> None:
    done = check(lambda: PlainSpace(PlainSpace.Options()))
    assert len(done) == sum(name.startswith("test_") for name in vars(SpaceConformance))
    with pytest.raises(AssertionError, match="their networks differ"):
        check(lambda: Equating(Equating.Options()))
    with pytest.raises(TypeError, match="no Space, Task or Proxy"):
        check(lambda: 1)  # type: ignore[arg-type,return-value]

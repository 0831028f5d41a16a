"""What holds of every space."""

from __future__ import annotations

import itertools
import math
import random
import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from eproxyctl.contracts import FULL, Fidelity, Space
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.testing.observed import (
    BATCH,
    OUTPUTS,
    SHAPES,
    built,
    check_options,
    global_state_unchanged,
    responses,
    same,
    seeded,
    tied,
)

if TYPE_CHECKING:
    import torch

NO_KEYS: tuple[object, ...] = (None, "", "\0", "no such architecture", -1, [], {}, b"key")
SMALL_ENOUGH = 20_000
"""Architectures that a test enumerates."""


def has_own(space: Space, method: str) -> bool:
    """Whether a space defines `method` itself rather than taking the default of the contract."""
    return getattr(type(space), method) is not getattr(Space, method)


class SpaceConformance(ABC):
    """Tests of a space; derive from it, name the class `Test…`, and define `space`."""

    examples: ClassVar[int] = 5
    """Architectures that a test builds."""
    small: Fidelity = Fidelity(width=0.1, depth=0.2, resolution=None, batch=None)
    """How far networks are shrunk."""

    @abstractmethod
    def space(self) -> Space:
        """The space that is tested."""

    def shape(self, rank: int) -> tuple[int, ...]:
        """(channels, *spatial) of one input of a rank; override it where networks need a larger one."""
        return SHAPES[rank]

    def twins(self, space: Space) -> list[tuple[str, str]]:
        """Pairs of different keys with one canonical key; override it where they are rare, [] if there are none."""
        groups: defaultdict[str, set[str]] = defaultdict(set)
        for key in itertools.islice(space.sample(7), 200):
            groups[space.canonical(key)].add(key)
        for key in itertools.islice(space.sample(8), 20):
            for other in itertools.islice(_neighbours(space, key, random.Random(key)), 40):
                groups[space.canonical(key)].add(key)
                groups[space.canonical(other)].add(other)
        pairs = [tuple(sorted(keys)[:2]) for keys in groups.values() if len(keys) > 1]
        assert pairs, "no two of a thousand keys have one canonical key: define twins(), or leave canonical out"
        return [(pair[0], pair[1]) for pair in pairs[:: max(1, len(pairs) // 5)]]

    def test_options_come_back_from_json(self) -> None:
        from eproxyctl import plugins

        check_options(self.space().options, plugins.load_plugins(plugins.Sources(installed=False)))

    def test_keys_round_trip(self) -> None:
        space = self.space()
        parameters = space.parameters()
        for key in _keys(space, 20):
            assert re.fullmatch(r"[!-~]+", key), f"a key must be printable ASCII without spaces: {key!r}"
            assert space.parse(key) == key, f"parse({key!r}) is {space.parse(key)!r}, not the key itself"
            choices = space.choices(key)
            assert set(choices) == set(parameters), f"choices({key!r}) has other names than parameters()"
            assert space.encode(choices) == key, f"encode(choices({key!r})) is {space.encode(choices)!r}"
            odd = [name for name, value in choices.items() if value not in parameters[name]]
            assert not odd, f"choices({key!r}) has values outside of parameters(): {', '.join(odd)}"

    def test_the_example_is_an_architecture(self) -> None:
        space = self.space()
        default = type(space)(type(space.options).model_validate({}))
        if default.example:
            assert default.parse(default.example) == default.example, "the example is no key, with options by default"

    def test_what_is_no_architecture_is_refused(self) -> None:
        space = self.space()
        for notation in NO_KEYS:
            try:
                key = space.parse(notation)
            except InvalidArchitecture:
                continue
            raise AssertionError(f"parse({notation!r}) is {key!r}; it must raise InvalidArchitecture")

    def test_a_sample_is_distinct_and_the_same_again(self) -> None:
        space = self.space()
        with global_state_unchanged("sample"):
            first = list(itertools.islice(space.sample(0), 50))
        assert first, "sample gives nothing"
        assert len(set(first)) == len(first), "sample repeats a key"
        pairs = zip(space.sample(0), self.space().sample(0), strict=False)
        for i, (one, two) in enumerate(itertools.islice(pairs, 50)):
            assert one == two == first[i], "sample draws other keys for the same seed"
        if len(first) == 50:
            assert first != list(itertools.islice(space.sample(1), 50)), "sample does not depend on the seed"

    def test_a_canonical_key_is_canonical(self) -> None:
        space = self.space()
        for key in _keys(space, 50):
            canonical = space.canonical(key)
            assert canonical == self.space().canonical(key), f"canonical({key!r}) changes"
            try:
                again = space.canonical(space.parse(canonical))
            except InvalidArchitecture:
                continue
            assert again == canonical, f"the canonical key of {key!r}, {canonical!r}, has another, {again!r}"

    def test_equal_canonical_keys_are_equal_networks(self) -> None:
        """Otherwise one would get the other's score."""
        space = self.space()
        if not has_own(space, "canonical"):
            return
        deep = self.small.model_copy(update={"depth": 1.0})
        for one, two in self.twins(space)[: max(5, self.examples)]:
            assert space.canonical(one) == space.canonical(two), f"twins() gave {one!r} and {two!r}, which differ"
            equal = same(self._responses(space, one, deep), self._responses(space, two, deep))
            assert equal, f"{one!r} and {two!r} have one canonical key, but their networks differ"

    def test_one_network_has_one_canonical_key(self) -> None:
        """Otherwise an architecture that a proxy was tuned on would be among those held out, under another key."""
        space = self.space()
        for key in _keys(space, self.examples):
            for other in itertools.islice(_neighbours(space, key, random.Random(key)), 2):
                if space.canonical(other) != space.canonical(key):
                    differ = any(
                        not same(self._responses(space, key, f), self._responses(space, other, f))
                        for f in (self.small, FULL)
                    )
                    assert differ, f"{key!r} and {other!r} build one network, but have two canonical keys"

    def test_a_mutation_is_another_architecture(self) -> None:
        space = self.space()
        if space.size() == 1:
            return
        for key in _keys(space, self.examples):
            mutant = space.mutate(key, random.Random(1))
            assert mutant == space.mutate(key, random.Random(1)), "mutate draws otherwise for the same generator"
            assert space.parse(mutant) == mutant, f"mutate gives {mutant!r}, which is no key"
            assert space.canonical(mutant) != space.canonical(key), f"{mutant!r} is the same architecture as {key!r}"
            near = set(_neighbours(space, key, random.Random(1)))
            if any(space.canonical(other) != space.canonical(key) for other in near):
                assert mutant in near, f"mutate changed several choices of {key!r} where one is enough"

    def test_the_largest_is_the_costliest(self) -> None:
        space, rank = self.space(), self.space().ranks[0]
        assert space.parse(space.largest()) == space.largest(), "largest() is no key"
        most = self._size(space, space.largest(), rank)
        for key in _keys(space, self.examples):
            for what, cost, limit in zip(
                ("parameters", "multiply-adds"), self._size(space, key, rank), most, strict=True
            ):
                assert cost <= limit, f"{key!r} has {cost:,} {what}, largest() only {limit:,}"

    def test_traits_have_the_same_names_and_are_finite(self) -> None:
        space = self.space()
        names = set(space.traits(space.largest()))
        for key in _keys(space, 20):
            traits = space.traits(key)
            assert set(traits) == names, f"traits({key!r}) has other names: {sorted(set(traits) ^ names)}"
            bad = [name for name, value in traits.items() if not math.isfinite(value)]
            assert not bad, f"traits({key!r}) is not finite: {', '.join(bad)}"
            assert traits == space.traits(key), f"traits({key!r}) changes"

    def test_equal_canonical_keys_have_equal_traits(self) -> None:
        space = self.space()
        for one, two in self.twins(space) if has_own(space, "canonical") else ():
            assert space.traits(one) == space.traits(two), f"traits of {one!r} and {two!r}, one network, differ"

    def test_fidelities_are_those_that_change_networks(self) -> None:
        space, rank = self.space(), self.space().ranks[0]
        unknown = set(space.fidelities()) - set(Fidelity.model_fields)
        assert not unknown, f"fidelities() names what Fidelity has not: {sorted(unknown)}"
        full = self._size(space, space.largest(), rank)
        for name in ("width", "depth"):
            smaller = self._size(space, space.largest(), rank, FULL.model_copy(update={name: 0.3}))
            changed, said = smaller != full, name in space.fidelities()
            assert changed == said, f"fidelity.{name} {'changes' if changed else 'does not change'} the largest network"

    def test_networks_give_what_they_promise(self) -> None:
        space = self.space()
        for rank in space.ranks:
            shape = self.shape(rank)
            for key in (space.largest(), *_keys(space, self.examples)):
                network = built(space, key, shape, self.small)
                *maps, logits = responses(seeded(network), shape)
                _check_maps(key, maps, network.channels, rank)
                assert logits.shape == (BATCH, OUTPUTS), f"{key!r}: forward gives {tuple(logits.shape)}"
                assert logits.isfinite().all(), f"{key!r}: forward gives values that are not finite"

    def test_pruned_computes_what_the_official_network_does(self) -> None:
        import torch

        space = self.space()
        shape = self.shape(space.ranks[0])
        for key in _keys(space, self.examples):
            networks = [built(space, key, shape, self.small, pruned=pruned) for pruned in (True, False)]
            one, two = (responses(tied(network), shape) for network in networks)
            assert len(one) == len(two), f"{key!r}: pruned has {len(one) - 1} maps, the official network {len(two) - 1}"
            for a, b in zip(one, two, strict=True):
                # the mean over channels: their order may differ
                close = a.shape == b.shape and torch.allclose(a.mean(1), b.mean(1), rtol=1e-5, atol=1e-6)
                assert close, f"{key!r}: the pruned network computes something else than the official one"

    def test_size_counts_the_keys(self) -> None:
        space = self.space()
        size, keys = space.size(), space.keys()
        if keys is None or (size or 0) > SMALL_ENOUGH:
            return
        listed = list(itertools.islice(keys, SMALL_ENOUGH + 1))
        assert len(set(listed)) == len(listed), "keys() repeats a key"
        if size is not None and len(listed) <= SMALL_ENOUGH:
            assert size == len(listed), f"size() is {size}, but keys() gives {len(listed)}"
        if len(listed) <= SMALL_ENOUGH:
            strange = [key for key in _keys(space, 20) if key not in set(listed)]
            assert not strange, f"sample gives what keys() has not: {strange[0]!r}"

    def _responses(self, space: Space, key: str, fidelity: Fidelity) -> list[torch.Tensor]:
        shape = self.shape(space.ranks[0])
        return responses(seeded(built(space, key, shape, fidelity)), shape)

    def _size(self, space: Space, key: str, rank: int, fidelity: Fidelity = FULL) -> tuple[int, int]:
        from eproxyctl.networks.size import count

        shape = self.shape(rank)
        return count(lambda: space.build(key, shape, OUTPUTS, fidelity, pruned=False), shape)


def _check_maps(key: str, maps: list[torch.Tensor], channels: tuple[int, ...], rank: int) -> None:
    assert maps, f"{key!r}: features gives no map"
    found = tuple(m.shape[1] for m in maps)
    assert found == tuple(channels), f"{key!r}: maps have {found} channels, .channels says {tuple(channels)}"
    assert all(m.dim() == rank + 2 and len(m) == BATCH for m in maps), f"{key!r}: a map is not [B, C, *spatial]"
    sides = [m.shape[2:] for m in maps]
    ordered = all(a <= b for deep, shallow in itertools.pairwise(sides) for a, b in zip(deep, shallow, strict=True))
    assert ordered, f"{key!r}: maps must come deepest first, their sides are {[tuple(s) for s in sides]}"
    assert all(m.isfinite().all() for m in maps), f"{key!r}: a map has values that are not finite"


def _keys(space: Space, count: int) -> list[str]:
    return list(itertools.islice(space.sample(3), count))


def _neighbours(space: Space, key: str, draw: random.Random) -> Iterator[str]:
    """Every valid change of one choice, in a random order."""
    chosen, parameters = space.choices(key), space.parameters()
    moves = [(name, value) for name, values in parameters.items() for value in values if value != chosen.get(name)]
    for name, value in draw.sample(moves, len(moves)):
        try:
            yield space.encode({**chosen, name: value})
        except InvalidArchitecture:
            continue

"""Traits: the same names for every key of a space, finite, of live parts only; and the ways they are read from."""

from __future__ import annotations

import itertools
import time

import pytest

from eproxyctl.contracts import Space
from eproxyctl.plugins import Sources, load_plugins
from eproxyctl.spaces.traits import NOWHERE, shared, step, through

REGISTRY = load_plugins(Sources(installed=False))


def built(kind: str, **options: object) -> Space:
    space = REGISTRY.create("space", REGISTRY.get("space", kind).options.model_validate({"kind": kind, **options}))
    assert isinstance(space, Space)
    return space


SPACES = (
    built("nasbench201"),
    built("nasbench101"),
    built("transnasbench101", level="micro"),
    built("transnasbench101", level="macro"),
    built("nasbench-mr"),
    built("nasbench-nlp"),
    built("mobilenet"),
    built("darts"),
    *(built("nds-cells", family=family) for family in ("DARTS", "ENAS", "PNAS", "NASNet", "Amoeba")),
    *(built("nds-residual", family=family) for family in ("Vanilla", "ResNet", "ResNeXt-A")),
)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.kind)
def test_traits_take_milliseconds(space: Space) -> None:
    keys = list(itertools.islice(space.sample(2), 20))
    started = time.perf_counter()
    for key in keys:
        space.traits(key)
    assert (time.perf_counter() - started) / len(keys) < 0.05


def test_ways_of_a_graph_worked_by_hand() -> None:
    # value 1 = conv(x) + x; the output is value 2 = conv(value 1) + value 1 + x
    (ways,) = through([0, 0, 1, 1, 0], [1, 0, 1, 0, 0], [[0, 1], [2, 3, 4]], [2], 1)
    assert (ways.number, ways.total, ways.least, ways.most) == (5, 2 + 1 + 1 + 0 + 0, 0, 2)
    assert ways.mean == 4 / 5
    assert ways.chance == pytest.approx(1)
    assert ways.walk == pytest.approx((2 + 1) / 6 + (1 + 0) / 6 + 0 / 3)


def test_no_way_is_all_zeros() -> None:
    assert set(NOWHERE.traits("paths").values()) == {0.0}
    assert shared([]) == NOWHERE
    assert NOWHERE.then(step(3)).traits("paths") == NOWHERE.traits("paths")
    assert shared([NOWHERE, step(3)]).walk == 3


def test_the_order_of_terms_does_not_matter() -> None:
    parts = [step(3), shared([step(1), step(2), step(4)]), NOWHERE, shared([step(1), NOWHERE, step(7)])]
    assert len({shared(order) for order in itertools.permutations(parts)}) == 1

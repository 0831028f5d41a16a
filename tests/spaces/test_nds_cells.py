"""NDS cells: published sizes, keys, what is dead, and the networks."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from maps import check_maps
from published import AMOEBA, flops, params, records
from torch import nn

from eproxyctl.contracts import Fidelity
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.networks.size import count
from eproxyctl.spaces.genotype import CODES, Genotype, GenotypeCell, genotype_from_key
from eproxyctl.spaces.nds_cells import FamilyName, NdsCellsSpace

FAMILIES = get_args(FamilyName)
EVERY = 4  # set to 1 for all 859 records, which take a minute
BASES = ("DARTS", "ENAS", "PNAS", "NASNet", "Amoeba")


def space(family: str = "DARTS", **options: Any) -> NdsCellsSpace:
    return NdsCellsSpace(NdsCellsSpace.Options(family=family, **options))


def small(family: str = "DARTS", **options: Any) -> NdsCellsSpace:
    return space(family, widths=(4, 8), depths=(3, 5), **options)


def draw(spaces: NdsCellsSpace, seed: int) -> str:
    return next(spaces.sample(seed))


def key(normal: str, reduce: str = "id0id1.id0id1.id0id1.id0id1_2345", size: str = "4x6") -> str:
    return f"{size}-{normal}-{reduce}"


def tie(network: nn.Module) -> nn.Module:
    """Weights that depend on a layer's shape only and are equal for all inputs, so that no order of them matters."""
    for layer in network.double().modules():
        if hasattr(layer, "weight") and layer.weight.dim() > 1:
            out, *rest = layer.weight.shape
            kernel = rest[1:]
            seeded = generator(hash((out, tuple(kernel), getattr(layer, "groups", 1))) % 2**31)
            values = torch.rand(out, 1, *kernel, generator=seeded, dtype=torch.double) - 0.4
            layer.weight.data = values.expand(out, *rest).clone()
            if layer.bias is not None:
                layer.bias.data.zero_()
    return network


# --------------------------------------------------------------------------------------------------- published sizes


@pytest.mark.parametrize("family", ["DARTS_in", "ENAS_in", "NASNet_in"])
def test_published_counts_of_parameters_are_met(family: str) -> None:
    spaces = space(family, stem="imagenet")
    with torch.device("meta"):
        wrong = [
            record["params"]
            for record in records(family)[::EVERY]
            if params(spaces.build(spaces.parse(record), (3, 224, 224), 1000, pruned=False)) != record["params"]
        ]
    assert not wrong


def test_published_parameters_of_fixed_width_and_depth_are_met() -> None:
    spaces = space("DARTS_fix-w-d_in", stem="imagenet")
    with torch.device("meta"):
        for record in records("DARTS_fix-w-d_in")[:: EVERY**3]:
            network = spaces.build(spaces.parse(record), (3, 224, 224), 1000, pruned=False)
            assert params(network) == record["params"]


@pytest.mark.parametrize("family", ["DARTS_in", "ENAS_in", "NASNet_in", "DARTS_fix-w-d_in"])
def test_published_flops_are_explained_to_the_last(family: str) -> None:
    spaces = space(family, stem="imagenet")
    for record in records(family)[:: 60 if "fix" not in family else 200]:
        k = spaces.parse(record)
        with torch.device("meta"):
            network = spaces.build(k, (3, 224, 224), 1000, pruned=False)
        assert flops(network) == record["flops"]
        _, macs = count(lambda k=k: spaces.build(k, (3, 224, 224), 1000, pruned=False), (3, 224, 224))
        assert 0.85 * record["flops"] < macs < record["flops"]


@pytest.mark.parametrize("family", ["DARTS_in", "ENAS_in", "NASNet_in", "DARTS_fix-w-d_in"])
def test_records_become_keys_and_come_back(family: str) -> None:
    spaces, table = space(family), records(family)
    keys = [spaces.parse(record) for record in table]
    assert len(set(keys)) == len(keys)
    for k, record in zip(keys, table, strict=True):
        genotype = genotype_from_key(k)
        assert [list(edge) for edge in genotype.normal.edges] == record["net"]["genotype"]["normal"]
        assert [*genotype.reduce.concat] == record["net"]["genotype"]["reduce_concat"]
        assert spaces.parse(k) == spaces.parse(record["net"]) == spaces.encode(spaces.choices(k)) == k
        assert set(spaces.choices(k)) == set(spaces.parameters())


def test_the_whole_family_is_served_in_both_shapes_of_file() -> None:
    spaces = space("Amoeba_in")
    record = {"net": {"aux": False, "depth": 6, "drop_prob": 0.0, "genotype": AMOEBA, "width": 32}, "params": 1}
    k = spaces.parse(record)
    assert k == spaces.parse(json.dumps(record)) == spaces.encode(spaces.choices(k))
    with torch.device("meta"):
        assert params(spaces.build(k, (3, 32, 32), 10, pruned=False)) > 100_000


def test_an_auxiliary_head_counts_and_is_never_run() -> None:
    """128·C + 2·128 + 4·128·768 (+ 2·768 on CIFAR) + 768·classes + classes; C: channels after the second reduction."""
    for stem, norm in (("cifar", 2 * 768), ("imagenet", 0)):
        spaces = space("Amoeba", stem=stem)
        keys = [spaces.parse({"genotype": AMOEBA, "width": 16, "depth": 8, "aux": aux}) for aux in (False, True)]
        assert keys[1] == f"{keys[0]}-aux" == spaces.encode(spaces.choices(keys[1]))
        assert spaces.canonical(keys[0]) == spaces.canonical(keys[1])
        sizes = [params(spaces.build(k, (3, 32, 32), 10, pruned=False)) for k in keys]
        channels = 3 * 4 * 16
        assert sizes[1] - sizes[0] == 128 * channels + 256 + 4 * 128 * 768 + norm + 7690
        assert params(spaces.build(keys[0], (3, 32, 32), 10)) == params(spaces.build(keys[1], (3, 32, 32), 10))


# ------------------------------------------------------------------------------------------------------------- keys


def test_codes_name_every_operation_once() -> None:
    assert len(set(CODES.values())) == len(CODES) == 19


@given(st.sampled_from(FAMILIES), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_drawn_keys_round_trip(family: str, seed: int) -> None:
    spaces = space(family)
    k = draw(spaces, seed)
    assert spaces.parse(k) == k == spaces.encode(spaces.choices(k))
    assert spaces.parse(f" {k}\n") == k
    assert k.isascii()
    assert not set(k) & set(", \t\n\"'")
    assert spaces.parse(spaces.notation(k)).split("-")[1:] == k.split("-")[1:]


@given(st.sampled_from(BASES), st.integers(0, 10**6), st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_choice_is_another_architecture(family: str, seed: int, data: st.DataObject) -> None:
    spaces = space(family)
    choices = spaces.choices(draw(spaces, seed))
    name = data.draw(st.sampled_from(sorted(spaces.parameters())))
    choices[name] = data.draw(st.sampled_from(spaces.parameters()[name]))
    assert spaces.choices(spaces.encode(choices)) == choices


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=9)
            | st.dictionaries(st.sampled_from(["net", "genotype", "normal", "normal_concat", "width", "reduce"]), inner)
        ),
        max_leaves=20,
    )
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_no_architecture_is_refused(notation: object) -> None:
    with pytest.raises(InvalidArchitecture) as raised:
        space().parse(notation)
    assert raised.value.message


@given(st.integers(0, 10**6), st.data())
@settings(max_examples=80, deadline=None)
def test_a_damaged_key_is_another_or_refused(seed: int, data: st.DataObject) -> None:
    spaces = space("PNAS")
    k = draw(spaces, seed)
    i = data.draw(st.integers(0, len(k) - 1))
    damaged = k[:i] + data.draw(st.text("0123456789abcdefxm._-s ", max_size=2)) + k[i + 1 :]
    try:
        parsed = spaces.parse(damaged)
    except InvalidArchitecture:
        return
    assert spaces.parse(parsed) == parsed


@pytest.mark.parametrize(
    ("notation", "says"),
    [
        ("", "not a genotype"),
        (key("s30s31.s32s33.s30s31.s30s31_2345"), "node 3 takes input 3"),
        (key("zz0s31.s30s31.s30s31.s30s31_2345"), "no operation has code 'zz'"),
        (key("f70s31.s30s31.s30s31.s30s31_2345"), "family DARTS has no operation 'conv_7x1_1x7'"),
        (key("s30s31.s30s31.s30s31_234"), "3 nodes a cell; family DARTS has 4"),
        (key("s30s31.s30s31.s30s31.s30s31_2346"), "output cannot be nodes"),
        (key("s30s31.s30s31.s30s31.s30s31_2344"), "output cannot be nodes"),
        (key("s30s31.s30s31.s30s31.s30s31_2345", size="0x6"), "width 0"),
        (key("s30s31.s30s31.s30s31.s30s31_2345", size="15x6"), "width 15"),
        (key("s30s31.s30s31.s30s31.s30s31_2345", size="4x2"), "depth 2"),
        ({"net": {"genotype": AMOEBA, "width": 16}}, "family DARTS"),
        ({"net": {"genotype": AMOEBA, "width": 16.5}}, "width 16.5"),
        ({"net": {"genotype": {**AMOEBA, "normal": 3}}}, "a genotype needs normal"),
        ({"net": {"genotype": {**AMOEBA, "normal": [["sep_conv_3x3"]]}}}, "in normal"),
        ({"net": 3}, "net is no record"),
        ("{", "not a JSON record"),
    ],
)
def test_what_is_wrong_is_said(notation: object, says: str) -> None:
    with pytest.raises(InvalidArchitecture, match=says) as raised:
        space().parse(notation)
    assert raised.value.hint or "JSON" in says


def test_missing_and_foreign_choices_are_refused() -> None:
    spaces = space()
    choices = spaces.choices(spaces.largest())
    for change in (
        {"normal_2a": "sep_conv_9x9"},
        {"normal_2a_input": 2},
        {"width": 0},
        {"width": "8"},
        {"depth": True},
    ):
        with pytest.raises(InvalidArchitecture):
            spaces.encode({**choices, **change})
    with pytest.raises(InvalidArchitecture, match="no choice for"):
        spaces.encode({name: value for name, value in choices.items() if name != "normal_2a"})


def test_a_seed_draws_the_same_in_the_same_order() -> None:
    first, again = space("ENAS").sample(7), space("ENAS").sample(7)
    assert list(itertools.islice(first, 20)) == list(itertools.islice(again, 20))


# ------------------------------------------------------------------------------------------------------ what is dead


def canonical(normal: str, reduce: str = "id0id1.id0id1.id0id1.id0id1_2345") -> str:
    return space().canonical(key(normal, reduce))


def test_order_and_names_of_nodes_do_not_matter() -> None:
    assert canonical("s30s51.d30id1.a32m33.id0s34_2345") == canonical("id1d30.s30s51.m32a33.s34id0_2345")
    assert canonical("s30s51.d30id1.a32m33.id0s34_2345") == canonical("s51s30.d30id1.m33a32.s34id0_5432")


def test_zeros_and_what_only_reaches_them_are_dropped() -> None:
    zero = "no0no1.s32no0.id3no1.s30no1_2345"
    assert canonical(zero) == canonical("no1no0.no0no0.m33a32.no1s30_2345")
    assert canonical("s30s31.no0no0.id0id0.id1id1_2345") != canonical("s30s31.id0id0.id0id0.id1id1_2345")


def test_skips_are_contracted_but_in_reduction_they_have_weights() -> None:
    assert canonical("id0no0.s32s31.id0id1.id0id1_2345") == canonical("id0no0.s30s31.id0id1.id0id1_2345")
    left, right = "id0no0.a32no0.s30s30.s31s31_2345", "id0no0.a30no0.s30s30.s31s31_2345"
    assert canonical(left) == canonical(right)
    skips = "id0id1.id0id1.id0id1.id0id1_2345"
    assert canonical(skips, left) != canonical(skips, right)


def test_equal_operations_with_weights_are_not_one() -> None:
    shared = "s30s30.s52no0.s52no0.id0no1_2345"
    apart = "s30s30.s30s30.s52no0.s53no0_2345"
    assert canonical(shared) != canonical(apart)


@given(st.sampled_from(("DARTS", "ENAS", "NASNet")), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_nodes_in_another_order_are_the_same(family: str, seed: int) -> None:
    spaces, random_ = small(family), random.Random(seed)
    genotype = genotype_from_key(draw(spaces, seed))
    shuffled = Genotype(
        genotype.width, genotype.depth, shuffle(genotype.normal, random_), shuffle(genotype.reduce, random_)
    )
    assert spaces.canonical(shuffled.key) == spaces.canonical(genotype.key)
    build = [spaces.build(g.key, (3, 16, 16), 5) for g in (genotype, shuffled)]
    for network in build:
        initialise(network, "kaiming_normal", generator(3))
    batch = torch.randn(4, 3, 16, 16, generator=generator(1))
    assert torch.equal(build[0](batch), build[1](batch))


def shuffle(cell: GenotypeCell, random_: random.Random) -> GenotypeCell:
    """The same cell, its nodes in another order that keeps each behind its inputs."""
    pairs = [cell.edges[i : i + 2] for i in range(0, len(cell.edges), 2)]
    place, order = {0: 0, 1: 1}, []
    while len(order) < len(pairs):
        ready = [n for n, pair in enumerate(pairs) if n + 2 not in place and all(s in place for _, s in pair)]
        node = random_.choice(ready)
        place[node + 2] = len(order) + 2
        order.append(node)
    edges = []
    for node in order:
        edges += random_.sample([(operation, place[source]) for operation, source in pairs[node]], 2)
    return GenotypeCell(tuple(edges), tuple(place[node] for node in cell.concat))


@given(st.sampled_from(BASES), st.sampled_from(("cifar", "imagenet")), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_without_dead_parts_a_network_computes_the_same(family: str, stem: str, seed: int) -> None:
    spaces = small(family, stem=stem)
    check_pruned_equals_official(spaces, draw(spaces, seed))


@pytest.mark.parametrize(
    "normal",
    [
        "no0no1.no0no1.no0no1.no0no1_2345",
        "s30no1.id2no0.a30id0.s53no1_2345",
        "s31no1.id2no0.a31id1.s53no1_2345",
        "id0no0.id0no0.id0id0.id1no1_2345",
        "s30s31.s52s52.m33a33.s30s31_5",
    ],
)
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
@pytest.mark.parametrize("depth", [3, 4, 7])
def test_unused_inputs_and_cells_are_left_out(normal: str, stem: str, depth: int) -> None:
    for reduce in ("s30id1.no0no0.a32id0.s31s31_2345", "no0no1.no0no1.no0no1.no0no1_2345"):
        check_pruned_equals_official(space(stem=stem), key(normal, reduce, size=f"4x{depth}"))


def check_pruned_equals_official(spaces: NdsCellsSpace, k: str) -> None:
    official, pruned = (tie(spaces.build(k, (3, 24, 24), 5, pruned=p)) for p in (False, True))
    batch = torch.randn(3, 3, 24, 24, generator=generator(2), dtype=torch.double)
    assert params(pruned) <= params(official)
    assert official.channels == pruned.channels
    torch.testing.assert_close(official(batch), pruned(batch), rtol=1e-5, atol=1e-6)
    for a, b in zip(official.features(batch), pruned.features(batch), strict=True):
        torch.testing.assert_close(a.mean(1), b.mean(1), rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------------------------------------------------- networks


@given(
    st.sampled_from(BASES),
    st.sampled_from(("cifar", "imagenet")),
    st.integers(0, 10**6),
    st.sampled_from((Fidelity(), Fidelity(width=0.3), Fidelity(depth=0.1), Fidelity(width=0.01, depth=0.5))),
    st.sampled_from(((3, 17, 16), (2, 40), (1, 16, 16, 9))),
    st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_features_are_as_stated(
    family: str, stem: str, seed: int, fidelity: Fidelity, shape: tuple[int, ...], pruned: bool
) -> None:
    spaces = small(family, stem=stem)
    network = spaces.build(draw(spaces, seed), shape, 7, fidelity, pruned=pruned)
    check_maps(network, shape, 7, [1, 2, 4] if stem == "cifar" else [8, 16, 32])


def test_every_operation_keeps_or_halves_the_size() -> None:
    from eproxyctl.networks.cell_operations import operation

    for name, rank, stride, side in itertools.product(CODES, (1, 2, 3), (1, 2), (1, 6, 7)):
        if name != "none":
            layer = operation(name, rank, 4, stride).eval()
            assert layer(torch.randn(1, 4, *[side] * rank)).shape[2:] == (-(-side // stride),) * rank, name


@pytest.mark.parametrize("family", BASES)
def test_nothing_costs_more_than_the_largest(family: str) -> None:
    spaces = space(family, widths=(16, 24), depths=(4, 5))
    shape = (3, 32, 32)
    most = count(lambda: spaces.build(spaces.largest(), shape, 10, pruned=False), shape)
    for k in itertools.islice(spaces.sample(5), 12):
        costs = count(lambda k=k: spaces.build(k, shape, 10, pruned=False), shape)
        assert costs[0] <= most[0]
        assert costs[1] <= most[1]

"""NAS-Bench-NLP: official counts, names and orders that do not matter, and the cell against a plain reading of it."""

from __future__ import annotations

import functools
import gzip
import itertools
import json
import operator
import os
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from eproxyctl.contracts import FULL, Fidelity
from eproxyctl.errors import InvalidArchitecture
from eproxyctl.networks.initialise import generator, initialise
from eproxyctl.networks.nasbench_nlp import Layer, RecurrentNetwork
from eproxyctl.networks.size import as_module, count, materialise
from eproxyctl.spaces.nasbench_nlp import NasBenchNlpSpace
from eproxyctl.spaces.recipe import recipe_from_key

DATA = os.environ.get("EPROXYCTL_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="EPROXYCTL_DATA is not set: no benchmark records to check against")
Recipe = dict[str, dict[str, Any]]

RNN: Recipe = {"f": {"op": "linear", "input": ["x", "h_prev_0"]}, "h_new_0": {"op": "activation_tanh", "input": ["f"]}}
GRU: Recipe = {
    "r": {"op": "linear", "input": ["x", "h_prev_0"]},
    "r_act": {"op": "activation_sigm", "input": ["r"]},
    "z": {"op": "linear", "input": ["x", "h_prev_0"]},
    "z_act": {"op": "activation_sigm", "input": ["z"]},
    "rh": {"op": "elementwise_prod", "input": ["r_act", "h_prev_0"]},
    "h_tilde": {"op": "linear", "input": ["x", "rh"]},
    "h_tilde_act": {"op": "activation_tanh", "input": ["h_tilde"]},
    "h_new_0": {"op": "blend", "input": ["z_act", "h_prev_0", "h_tilde_act"]},
}
GRU_KEY = "lin.x.h0-lin.x.h0-sigm.1-sigm.2-prod.h0.3-lin.x.5-tanh.6-blend.4.h0.7~8"


def space(**options: Any) -> NasBenchNlpSpace:
    return NasBenchNlpSpace(NasBenchNlpSpace.Options(**options))


CHOICES = {name: st.sampled_from(values) for name, values in space().parameters().items()}


@functools.cache
def records() -> list[dict[str, Any]]:
    with gzip.open(Path(DATA or "") / "nasbenchnlp" / "ptb.json.gz", "rt") as file:
        loaded: list[dict[str, Any]] = json.load(file)
    return loaded


def renamed(recipe: Recipe, seed: int) -> Recipe:
    """The same cell: other names, other order of nodes, of exchangeable inputs and of states but h0."""
    shuffle = random.Random(seed)
    count_states = sum(name.startswith("h_new_") and name[6:].isdigit() for name in recipe)
    order = [0, *shuffle.sample(range(1, count_states), count_states - 1)]
    names = {name: f"other_{i}" for i, name in enumerate(shuffle.sample(sorted(recipe), len(recipe)))}
    for k, other in enumerate(order):
        names |= {f"h_new_{k}": f"h_new_{other}", f"h_prev_{k}": f"h_prev_{other}"}
    result = {}
    for name in shuffle.sample(sorted(recipe), len(recipe)):
        inputs = [names.get(source, source) for source in recipe[name]["input"]]
        if recipe[name]["op"] != "blend":
            shuffle.shuffle(inputs)
        result[names[name]] = {"op": recipe[name]["op"], "input": inputs}
    return result


def built(key: str, shape: tuple[int, ...], outputs: int = 5, fidelity: Fidelity = FULL, **options: Any) -> Any:
    network = materialise(lambda: space(**options).build(key, shape, outputs, fidelity))
    initialise(as_module(network), "default", generator(0))
    return network


def plain(layer: Layer, key: str, x: torch.Tensor) -> torch.Tensor:
    """The layer's outputs [L, B, width], read node by node and step by step from the key."""
    recipe = recipe_from_key(key)
    rows = {node: (lin, place) for lin in layer.linears for place, node in enumerate(lin.nodes)}
    states = [torch.zeros(x.shape[1], layer.width) for _ in recipe.states]
    outputs = []
    for step in x:
        values = {-1: step} | {-2 - k: state for k, state in enumerate(states)}
        for node, (operation, sources) in enumerate(recipe.nodes):
            inputs = [values[source] for source in sources]
            if operation == "lin":
                linears, place = rows[node]
                part = slice(place * layer.width, (place + 1) * layer.width)
                maps = zip(linears.maps, inputs, strict=True)
                values[node] = sum(value @ m.weight[part].T for m, value in maps) + linears.maps[0].bias[part]
            elif operation == "blend":
                values[node] = inputs[0] * inputs[1] + (1 - inputs[0]) * inputs[2]
            elif operation in ("sum", "prod"):
                values[node] = functools.reduce(operator.add if operation == "sum" else operator.mul, inputs)
            else:
                activations = {"tanh": torch.tanh, "sigm": torch.sigmoid, "leaky": torch.nn.functional.leaky_relu}
                values[node] = activations[operation](inputs[0])
        states = [values[node] for node in recipe.states]
        outputs.append(states[0])
    return torch.stack(outputs)


# ------------------------------------------------------------------------------------------------------- the benchmark


@needs_data
def test_num_params_of_every_record_by_the_rule() -> None:
    """V·E + V, and for each layer and lin its matrices and one bias; layers 400→600→600→400. All 14,322 records."""
    tokens, narrow, wide = 10_000, 400, 600
    for record in records():
        total = tokens * narrow + tokens
        for inputs, width in ((narrow, wide), (wide, wide), (wide, narrow)):
            for node in record["recipe"].values():
                if node["op"] == "linear":
                    total += width + sum(width * (inputs if source == "x" else width) for source in node["input"])
        assert total == record["num_params"], record["id"]


@needs_data
def test_networks_have_the_official_counts() -> None:
    for record in records()[::60]:
        with torch.device("meta"):
            network = as_module(space().build(space().parse(record), (10_000, 70), 10_000, pruned=False))
        assert sum(p.numel() for p in network.parameters()) == record["num_params"], record["id"]


@needs_data
def test_names_and_orders_of_records_do_not_matter() -> None:
    for record in records()[::9]:
        key = space().parse(record)
        assert space().parse(key) == key
        assert space().parse(renamed(record["recipe"], record["id"])) == key
        canonical = space().canonical(key)
        assert space().parse(canonical) == space().canonical(canonical) == canonical
        assert not set(key) & set(", \n\"'")


@needs_data
def test_how_many_cells_differ() -> None:
    keys = {space().parse(record) for record in records()}
    assert (len(records()), len(keys)) == (14_322, 12_123)
    assert len({space().canonical(key) for key in keys}) == 11_358


@needs_data
def test_most_records_are_within_the_skeleton() -> None:
    """With 21 slots all but those that have parts without effect."""
    wide, within = space(nodes=21), 0
    sample = records()[::40]
    for record in sample:
        key = wide.parse(record)
        try:
            assert wide.encode(wide.choices(key)) == key
            within += 1
        except InvalidArchitecture:
            assert wide.canonical(key) != key or not wide.traits(key)["reads_x"]
    assert within > 0.9 * len(sample)


def test_official_examples() -> None:
    """num_params of the records of the plain RNN and of the GRU."""
    for recipe, params in ((RNN, 5_731_600), (GRU, 9_174_800)):
        key = space().parse(recipe)
        assert count(lambda key=key: space().build(key, (10_000, 2), 10_000, pruned=False), (10_000, 2))[0] == params
    assert space().parse(GRU) == GRU_KEY == space().example


# ----------------------------------------------------------------------------------------------------------- notations


def test_parse_takes_key_recipe_record_and_json() -> None:
    notations = [GRU_KEY, GRU, {"recipe": GRU, "nhid": 600}, {"recepie": json.dumps(GRU)}, json.dumps(GRU)]
    notations.append("lin.x.2-prod.h0.3-sigm.4-lin.x.h0-tanh.1-lin.x.h0-sigm.6-blend.7.h0.5~8")
    assert {space().parse(notation) for notation in notations} == {GRU_KEY}


def test_canonical_drops_what_has_no_effect_and_merges_equal_weightless_nodes() -> None:
    canonical = space().canonical
    assert canonical("lin.x.h0-tanh.1-lin.x.h1~2.3") == "lin.x.h0-tanh.1~2"
    assert canonical("lin.x.h0-tanh.1-tanh.1-sum.2.3~4") == "lin.x.h0-tanh.1-sum.2.2~3"
    assert canonical("lin.x.h0-lin.x.h0-sum.1.2~3") == "lin.x.h0-lin.x.h0-sum.1.2~3"
    assert canonical("lin.x.h0-sigm.1-blend.2.h0.1~3") != canonical("lin.x.h0-sigm.1-blend.2.1.h0~3")


def test_cells_with_many_symmetries_are_named_in_no_time() -> None:
    """Every order of twelve equal branches gives one key."""
    branches, keys = 12, set()
    for seed in range(3):
        order = random.Random(seed).sample(range(1, branches + 1), branches)
        activations = [f"tanh.{i}" for i in order]
        nodes = ["lin.x.h0"] * branches + activations + ["sum." + ".".join(str(branches + i) for i in order)]
        keys.add(space().parse("-".join(nodes) + f"~{2 * branches + 1}"))
    assert len(keys) == 1


@pytest.mark.parametrize(
    "notation",
    [
        "",
        "~",
        "~1",
        "lin.x.h0",
        "lin.x.h0~2",
        "lin.x.h0~0",
        "lin.x.h0~h0",
        "lin.x.h0~x",
        "lin.x.h1~1",
        "lin~1",
        "lin.x.h0-tanh.x~2",
        "lin.x.h0-tanh.1.1~2",
        "lin.x.h0-blend.1.h0~2",
        "lin.x.h0-relu.1~2",
        "lin.x.3-tanh.1-tanh.2~3",
        "lin.x.9999999999~1",
        "lin.x.٣~1",
        "-".join(["lin.x.h0"] * 41) + "~1",
        "{",
        "{}",
        "[1]",
        {},
        {"recipe": {}},
        {"recipe": None},
        {"h_new_0": None},
        {"h_new_0": {"op": "linear"}},
        {"h_new_0": {"op": "linear", "input": "x"}},
        {"h_new_0": {"op": "linear", "input": ["y"]}},
        {"h_new_0": {"op": "linear", "input": [["x"]]}},
        {"h_new_0": {"op": "linear", "input": ["x", "h_prev_1"]}},
        {"h_new_0": {"op": "linear", "input": ["x", "h_new_0"]}},
        {"h_new_0": {"op": "gru", "input": ["x"]}},
        {"h_new_0": {"op": ["linear"], "input": ["x"]}},
        {"h_new_1": {"op": "linear", "input": ["x"]}},
        {"x": {"op": "linear", "input": ["x"]}, "h_new_0": {"op": "linear", "input": ["x"]}},
        {1: {"op": "linear", "input": ["x"]}, "h_new_0": {"op": "linear", "input": ["x"]}},
        None,
        7,
        [RNN],
        b"lin.x.h0~1",
    ],
)
def test_what_is_no_cell_is_refused(notation: object) -> None:
    with pytest.raises(InvalidArchitecture):
        space().parse(notation)


@pytest.mark.parametrize("change", [{"op_1": "lin"}, {"a_2": "x"}, {"h0": 0}, {"h0": None}, {"a_1": []}, {"a_1": "9"}])
def test_a_choice_outside_its_values_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidArchitecture, match=next(iter(change))):
        space().encode(space().choices(GRU_KEY) | change)


def test_choices_of_a_cell_outside_the_skeleton_are_refused_with_a_reason() -> None:
    for key in ("lin.x~1", "lin.x.h0-lin.x.h1-tanh.1~3.2", "lin.h0-lin.x.h0~1", "lin.x.h0-sum.1.1~2"):
        assert space().parse(key) == key
        with pytest.raises(InvalidArchitecture, match="outside the skeleton"):
            space().choices(key)
    with pytest.raises(InvalidArchitecture, match="outside the skeleton"):
        space(nodes=7).choices(GRU_KEY)


def test_a_cell_that_never_reads_x_is_not_encoded() -> None:
    choices = {name: "tanh" if name.startswith("op") else options[0] for name, options in space().parameters().items()}
    with pytest.raises(InvalidArchitecture, match="never depends on x"):
        space().encode(choices)


# ---------------------------------------------------------------------------------------------------------- properties


def encoded(choices: dict[str, Any]) -> str:
    try:
        return space().encode(choices)
    except InvalidArchitecture:
        assume(False)
        raise


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries(CHOICES), st.sampled_from(sorted(CHOICES)), st.data())
def test_round_trips_and_mutations(choices: dict[str, Any], name: str, data: Any) -> None:
    key = encoded(choices)
    assert space().parse(key) == key
    assert space().encode(space().choices(key)) == key
    try:
        mutant = space().encode(space().choices(key) | {name: data.draw(CHOICES[name])})
    except InvalidArchitecture as error:
        assert "never depends on x" in error.message  # noqa: PT017
    else:
        assert space().parse(mutant) == mutant


@settings(max_examples=25, deadline=None)
@given(st.fixed_dictionaries(CHOICES))
def test_features_are_those_of_a_plain_reading(choices: dict[str, Any]) -> None:
    key = space().canonical(encoded(choices))
    network = built(key, (3, 4), width=8, embedding=6)
    batch = torch.randn(2, 3, 4, generator=generator(1))
    maps = network.features(batch)
    assert [tuple(m.shape) for m in maps] == [(2, channels, 4) for channels in network.channels]
    assert network.channels == (6, 8, 8)
    assert network(batch).shape == (2, 5)
    x = batch.permute(2, 0, 1) @ network.embedding.weight
    for layer, found in zip(network.layers, maps[::-1], strict=True):
        x = plain(layer, key, x)
        torch.testing.assert_close(found.permute(2, 0, 1), x, rtol=1e-4, atol=1e-5)
        assert torch.isfinite(x).all()
        x = found.permute(2, 0, 1)


def test_dead_parts_change_nothing_but_the_official_size() -> None:
    dead, alive = "lin.x.h0-tanh.1-lin.x.h1~2.3", "lin.x.h0-tanh.1~2"
    batch = torch.randn(2, 3, 5, generator=generator(1))
    assert torch.equal(built(dead, (3, 5))(batch), built(alive, (3, 5))(batch))
    assert as_module(space().build(alive, (3, 5), 5)).state_dict().keys() == built(dead, (3, 5)).state_dict().keys()
    official = count(lambda: space().build(dead, (3, 5), 5, pruned=False), (3, 5))[0]
    dead_lin = (400 + 600 + 1) * 600 + (600 + 600 + 1) * 600 + (600 + 400 + 1) * 400
    assert official - count(lambda: space().build(dead, (3, 5), 5), (3, 5))[0] == dead_lin


def test_a_cell_without_memory_is_computed_at_once() -> None:
    network = built("lin.x~1", (3, 5))
    batch = torch.randn(2, 3, 5, generator=generator(1))
    maps = network.features(batch)
    turned = network.features(batch.flip(2))
    assert all(torch.allclose(a, b.flip(2), atol=1e-6) for a, b in zip(maps, turned, strict=True))


def test_one_hot_tokens_are_looked_up_and_share_their_table_with_the_classifier() -> None:
    network = built(GRU_KEY, (11, 6), 11)
    assert isinstance(network, RecurrentNetwork)
    tokens = torch.randint(11, (2, 6), generator=generator(2))
    batch = torch.nn.functional.one_hot(tokens, 11).float().transpose(1, 2)
    embedded = batch.permute(2, 0, 1) @ network.embedding.weight
    torch.testing.assert_close(embedded, network.embedding(tokens).transpose(0, 1))
    assert network.classifier is None
    assert network(batch).shape == (2, 11)
    apart = count(lambda: space(tied=False).build(GRU_KEY, (11, 6), 11), (11, 6))
    assert apart[0] == count(lambda: space().build(GRU_KEY, (11, 6), 11), (11, 6))[0] + 11 * 400


def test_fidelity_shrinks_widths_and_layers() -> None:
    assert built(GRU_KEY, (3, 4), fidelity=Fidelity(width=0.25)).channels == (100, 150, 150)
    small = built(GRU_KEY, (3, 4), fidelity=Fidelity(depth=0.34))
    assert len(small.layers) == 1
    assert [tuple(m.shape) for m in small.features(torch.zeros(1, 3, 4))] == [(1, 400, 4)] * 3
    assert built(GRU_KEY, (3, 4), fidelity=Fidelity(width=0.001)).channels == (1, 1, 1)


def test_samples_have_prefixes_and_mostly_several_nodes() -> None:
    keys = list(itertools.islice(space().sample(1), 60))
    assert keys[:20] == list(itertools.islice(space().sample(1), 20))
    assert len(set(keys)) == 60
    sizes = sorted(space().traits(key)["nodes"] for key in keys)
    assert 4 <= sizes[30] <= 8


def test_traits_of_the_gru() -> None:
    traits = space().traits(GRU_KEY)
    expected = {"nodes": 8, "states": 1, "matrices": 6, "reads_x": 3, "count.lin": 3, "depth": 6}
    assert {name: traits[name] for name in expected} == expected
    assert (traits["paths.shortest"], traits["paths.longest"]) == (0, 2)
